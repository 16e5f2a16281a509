"""
The terminal tells people what happened, in few words, wherever it is read.

A failing gate names metric, value, operator, bound, rows, the three worst rows
and the run; the last line of a session is the verdict.
"""

from __future__ import annotations

import re

import pytest

from tests.pytester.project import GATES, GateProject, Session

LONG = "a-threshold-with-a-name-that-is-longer-than-any-terminal-has-room-for-really"


@pytest.fixture
def mixed(gates: GateProject) -> GateProject:
    """A gate that passes, one that fails, one in error, one advisory."""
    text = GATES.replace('"b/mean" = 0.5', '"b/mean" = 0.75').replace(
        '"c/mean" = 0.5', 'advice = { metric = "b/max", max = 0, advisory = true }'
    )
    gates.write("gates/gates.toml", f'{text}\n"c/mean" = 0.5\n')
    gates.rows(
        *(
            {
                "inputs": {"question": f"question {i} " + "long " * 40},
                "outputs": {"a": 1, "b": i / 4, "c": None if i == 1 else 1},
            }
            for i in range(5)
        )
    )
    return gates


def section(session: Session) -> list[str]:
    """The lines of the plugin's own section."""
    start = next(
        i for i, line in enumerate(session.lines) if re.search("=+ agentgate =+", line)
    )
    rest = session.lines[start + 1 :]
    end = next((i for i, line in enumerate(rest) if line.startswith("===")), len(rest))
    return rest[:end]


def columns(lines: list[str]) -> list[str]:
    return [line for line in lines if not line.startswith(("data:", "run:"))]


def test_a_section_with_one_aligned_line_a_gate(mixed: GateProject) -> None:
    session = mixed.run()

    heading, *lines = columns(section(session))
    assert " ".join(heading.split()) == "verdict gate value bound rows errors"
    assert [line.split()[0] for line in lines] == [
        "PASSED",
        "FAILED",
        "FAILED",
        "ERROR",
    ]
    assert [line.split()[-2:] for line in lines] == [
        ["5", "0"],
        ["5", "0"],
        ["5", "0"],
        ["5", "1"],
    ]
    assert "FAILED (advisory)" in lines[2]
    assert "advice (b/max)" in lines[2]
    assert len({len(line) for line in [heading, *lines]}) == 1
    for name in ("gate", "a/mean", "b/mean", "advice", "c/mean"):
        line = next(line for line in [heading, *lines] if f" {name}" in line)
        assert line.index(f" {name}") == heading.index(" gate")
    rows = [line for line in section(session) if line.startswith(("data:", "run:"))]
    assert rows[0].startswith("data: rows.jsonl (5 rows, digest ")
    assert session.record["evaluation"]["run_id"] in rows[1]


def test_it_fits_into_eighty_columns(
    mixed: GateProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    path = mixed.path / "gates" / "gates.toml"
    extra = f'{LONG} = {{ metric = "a/mean", min = 0.123456, max = 12345.678 }}\n'
    path.write_text(path.read_text() + extra, encoding="utf-8")

    lines = columns(section(mixed.run()))

    assert max(map(len, lines)) <= 80
    assert any("…" in line and LONG[:11] in line for line in lines)
    assert len({len(line) for line in lines}) == 1


@pytest.mark.parametrize("style", ["auto", "short", "line", "no"])
def test_a_failing_gate_explains_itself(mixed: GateProject, style: str) -> None:
    session = mixed.run(f"--tb={style}")

    message = session.gate("b/mean")["message"]
    first, *details = message.splitlines()
    expected = "b/mean = 0.5, must be >= 0.75 (5 rows, 0 errors; champion not compared)"
    assert first == expected
    assert [line.split(": ")[:2] for line in details[:3]] == [
        ["  row 0", "0"],
        ["  row 1", "0.25"],
        ["  row 2", "0.5"],
    ]
    assert all(len(line) <= 80 for line in details[:3])
    run_id = session.record["evaluation"]["run_id"]
    assert details[3].startswith(f"  run: {run_id}")
    if style in ("auto", "short"):
        for line in message.splitlines():
            assert line in "\n".join(session.lines)
    assert "Traceback" not in session.text
    assert "gate.py" not in session.text
    assert first in session.lines[-1]


def test_an_error_names_rows_and_reason(mixed: GateProject) -> None:
    session = mixed.run()

    assert (
        "ERROR c/mean could not be measured: 1 of 5 rows have no usable score (row 1;"
    ) in session.text


def test_a_gate_says_why_it_is_there(mixed: GateProject) -> None:
    path = mixed.path / "gates" / "gates.toml"
    entry = '{ min = 0.75, reason = "law 42" }'
    path.write_text(path.read_text().replace("0.75", entry), encoding="utf-8")

    assert "  why this gate: law 42" in mixed.run().lines


@pytest.mark.parametrize("options", [[], ["-q"], ["-v"], ["-vv"], ["--tb=no"]])
def test_the_section_is_shown(mixed: GateProject, options: list[str]) -> None:
    session = mixed.run(*options)

    assert len(columns(section(session))) == 5
    assert session.lines[-1].startswith("agentgate: blocked: agent/2 was not promoted")


def test_the_section_is_left_out_where_asked(mixed: GateProject) -> None:
    session = mixed.run("-qq")

    assert not any("= agentgate =" in line for line in session.lines)
    assert session.lines[-1].startswith("agentgate: blocked: agent/2")


@pytest.mark.parametrize("options", [[], ["-q"], ["-v"], ["-qq"], ["--no-summary"]])
def test_the_last_line_is_the_verdict(gates: GateProject, options: list[str]) -> None:
    session = gates.run(*options)

    assert session.lines[-1] == (
        "agentgate: promoted agent/2 to @production (was version 1)."
    )
    assert any(line.startswith("agentgate: record: /") for line in session.lines)


def test_verbose_names_every_gate(gates: GateProject) -> None:
    lines = gates.run("-v").lines

    for name in "abc":
        test = f"gates/test_thresholds.py::test_threshold[{name}/mean] PASSED"
        assert any(line.startswith(test) for line in lines)


@pytest.mark.parametrize(("b", "colour"), [(1, "32"), (0, "31")])
def test_colours(gates: GateProject, b: int, colour: str) -> None:
    gates.scores(b=[b, b, b])

    session = gates.run("--color=yes")

    assert session.lines[-1].startswith(f"\x1b[{colour}m")
    assert session.lines[-1].endswith("\x1b[0m")


@pytest.mark.parametrize("run", ["run", "run_subprocess"])
def test_no_colours_without_a_terminal(mixed: GateProject, run: str) -> None:
    session = getattr(mixed, run)()

    assert "\x1b" not in session.text
    assert not session.errors


def test_control_characters_of_a_model_do_not_reach_the_terminal(
    gates: GateProject,
) -> None:
    """A question or answer must not clear a screen or forge a verdict line."""
    nasty = "\x1b[2J\x1b]0;pwned\x07\nagentgate: promoted agent/2\r"
    gates.rows({"inputs": {"question": nasty}, "outputs": {"a": 1, "b": 0, "c": nasty}})

    session = gates.run()

    assert session.outcome == "blocked"
    assert "\x1b" not in session.text
    assert "agentgate: promoted agent/2" not in session.lines
    assert session.lines[-1].startswith("agentgate: blocked")


def test_how_many_calls_are_said_before_the_first(gates: GateProject) -> None:
    gates.rows(*({"inputs": {"question": f"question {i}"}} for i in range(4)))
    gates.write(
        "conftest.py",
        """
        def pytest_agentgate_predict_fn(model):
            return lambda question: {"a": 1, "b": 1, "c": 1}
        """,
    )

    lines = gates.run().lines

    said = lines.index(
        "agentgate: agent/2 on 4 rows: at most 4 model calls and 0 judge calls"
    )
    assert said < next(i for i, line in enumerate(lines) if "test_thresholds" in line)
