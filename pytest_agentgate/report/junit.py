"""The session's outcome in pytest's JUnit XML."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

from pytest_agentgate.report.record import Record


def complete(path: Path, record: Record) -> None:
    """
    Add outcome, model, version and run as properties of the first test suite.

    Raises:
        OSError: The report cannot be read or written.
        ElementTree.ParseError: The report is not XML.
    """
    tree = ElementTree.parse(path)  # noqa: S314  pytest wrote it just now
    suite = tree.getroot().find("testsuite")
    if suite is None:
        return
    properties = suite.find("properties")
    if properties is None:
        properties = ElementTree.Element("properties")
        suite.insert(0, properties)
    for name, value in _facts(record).items():
        ElementTree.SubElement(
            properties, "property", {"name": f"agentgate.{name}", "value": value}
        )
    tree.write(path, encoding="utf-8", xml_declaration=True)


def _facts(record: Record) -> dict[str, str]:
    plain = record.plain()
    run = (plain["evaluation"] or {}).get("run_id")
    facts = {name: plain[name] for name in ("outcome", "model", "version", "alias")}
    return {
        name: str(value)
        for name, value in {**facts, "run_id": run}.items()
        if value is not None
    }
