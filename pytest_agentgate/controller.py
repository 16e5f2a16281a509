"""What the controller of a session does: listen, decide, promote, tell."""

from __future__ import annotations

import warnings
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import ParseError

import pytest

from pytest_agentgate.candidate.registry import Registry
from pytest_agentgate.collection import GateCollection
from pytest_agentgate.errors import AgentGateError, InputError, foreign_code
from pytest_agentgate.evaluation.run import log_record
from pytest_agentgate.judgement.decision import (
    Decision,
    Outcome,
    SessionFacts,
    decide,
    exit_status,
)
from pytest_agentgate.judgement.testimony import gate_results
from pytest_agentgate.listening import Listening
from pytest_agentgate.options import record_path
from pytest_agentgate.promotion.alias import PromotionPlan, promote
from pytest_agentgate.promotion.approval import approval_missing
from pytest_agentgate.promotion.transaction import Promotion, StepResult
from pytest_agentgate.report import junit
from pytest_agentgate.report.html import HtmlReport
from pytest_agentgate.report.lines import evidence_lines, gate_lines, last_sentence
from pytest_agentgate.report.progress import Progress
from pytest_agentgate.report.record import Record, now, write
from pytest_agentgate.session import GateSession, gate_session_key

_NAME = "agentgate-controller"
_NOT_BEGUN = ("every gate passed, but the promotion had not begun",)


def start(config: pytest.Config) -> None:
    """Register the session's objects: called where a candidate is named."""
    session = GateSession(config)
    collection = GateCollection(session)
    config.stash[gate_session_key] = session
    config.pluginmanager.register(collection, "agentgate-collection")
    if session.is_worker:
        config.pluginmanager.register(GateWorker(session), "agentgate-worker")
    else:
        config.pluginmanager.register(GateController(session, collection), _NAME)


class GateWorker:
    """An xdist worker's part: take over what the controller found."""

    def __init__(self, session: GateSession) -> None:
        self._session = session

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self) -> None:
        """Read the gates again, take over the rest."""
        with _usage_errors():
            self._session.read_gates()
            self._session.prepare_worker()


class GateController:
    """
    Decides and acts; xdist workers never do.

    Life cycle: `pytest_sessionstart` prepares, the session's reports are kept,
    `pytest_sessionfinish` decides, `pytest_terminal_summary` shows the gates,
    and `conclude` acts when pytest has really finished.
    """

    def __init__(self, session: GateSession, collection: GateCollection) -> None:
        self._session = session
        self._collection = collection
        self._listening = Listening()
        self._reporter: pytest.TerminalReporter | None = None
        self._record: Record | None = None
        self._decision: Decision | None = None
        self._html: HtmlReport | None = None
        self._warned: list[str] = []

    # Start

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """Find the candidate and refuse bad input, before any model call."""
        manager = session.config.pluginmanager
        manager.register(self._listening, "agentgate-listening")
        self._reporter = manager.get_plugin("terminalreporter")
        if manager.has_plugin("html"):
            self._html = HtmlReport(self._told, lambda: last_sentence(self._told()))
            manager.register(self._html, "agentgate-html")
        self._record = Record(
            outcome=Outcome.INCOMPLETE,
            model=str(session.config.getoption("agentgate_model")),
            started_at=now(),
            failures=("the session has not finished",),
        )
        self._write_record()
        try:
            with _usage_errors():
                self._prepare(session.config)
        except pytest.UsageError as error:
            self._tell(outcome=Outcome.ERROR, failures=(str(error),))
            raise

    def _prepare(self, config: pytest.Config) -> None:
        self._session.read_gates()
        self._tell(model=self._session.reference.name)
        if config.option.collectonly:
            return
        self._session.prepare()
        aliases, champion = self._session.aliases, self._session.champion_alias
        alias = self._session.promote_to
        self._tell(
            candidate=self._session.candidate,
            alias=alias,
            previous_version=aliases.get(alias) if alias else None,
            champion_alias=champion,
            champion_version=aliases.get(champion) if champion else None,
        )

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Tell an xdist worker what was found."""
        self._session.configure_worker(node.workerinput)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtestloop(
        self, session: pytest.Session
    ) -> Generator[None, object, object]:
        """Say how many calls will be made, before the first one."""
        if self._reporter is not None and not session.config.option.collectonly:
            self._announce(self._reporter)
        return (yield)

    def _announce(self, reporter: pytest.TerminalReporter) -> None:
        calls, dataset = self._session.calls(), self._session.dataset
        rows = len(dataset.rows) if dataset is not None else 0
        reporter.ensure_newline()
        reporter.write_line(
            f"agentgate: {self._session.candidate} on {rows} rows: at most {calls}"
        )
        if calls.model:
            capture = self._session.config.pluginmanager.get_plugin("capturemanager")
            progress = Progress(reporter, capture, total=calls.model)
            self._session.on_answer = progress.advance

    # Decision

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Decide; from here on the verdict is in the record and in reports."""
        if self._record is None:
            return
        evidence = self._session.shared.peek() if self._session.folder else None
        gates = gate_results(
            self._session.thresholds,
            self._listening.reports(),
            collected=self._collection.gates,
            marked=self._collection.marked,
            run_id=evidence.run_id if evidence else None,
            run_link=evidence.run_link if evidence else None,
        )
        self._decision = decide(
            gates,
            self._facts(session),
            asked=self._session.promote_to is not None,
            plan=bool(session.config.getoption("agentgate_plan")),
        )
        # Until the promotion is over, the record must not read as if it had gone well.
        pending = self._decision.promote
        self._tell_late(
            outcome=Outcome.INCOMPLETE if pending else self._decision.outcome,
            passed=self._decision.outcome in (Outcome.PASSED, Outcome.PLANNED),
            failures=_NOT_BEGUN if pending else self._decision.reasons,
            gates=gates,
            evidence=evidence,
            finished_at=now(),
        )

    def _facts(self, session: pytest.Session) -> SessionFacts:
        facts = self._listening.facts(session, self._collection.gates)
        late = self._session.late_hooks()
        return replace(facts, breaks=(*facts.breaks, *late))

    def pytest_terminal_summary(
        self, terminalreporter: pytest.TerminalReporter
    ) -> None:
        """Show one line a gate."""
        record = self._record
        if record is None or terminalreporter.verbosity < -1:
            return
        terminalreporter.ensure_newline()
        terminalreporter.section("agentgate")
        width = max(40, getattr(terminalreporter, "_screen_width", 80))
        for line in gate_lines(record.gates, width=min(width, 120)):
            terminalreporter.write_line(line)
        for line in evidence_lines(record.evidence):
            terminalreporter.write_line(line)

    # Action

    def conclude(self, status: int) -> int:
        """
        Act on the decision and return the process's exit status.

        Called when `pytest_cmdline_main` has returned `status`, after every
        other plugin: nothing that fails late can follow a promotion.
        """
        if self._record is None:
            return status
        if self._decision is None:  # another plugin kept pytest_sessionfinish from us
            reasons = self._record.failures
            self._decision = Decision(outcome=Outcome.INCOMPLETE, reasons=reasons)
        asked = self._session.promote_to is not None
        if status != 0 and self._decision.outcome in (Outcome.PASSED, Outcome.PLANNED):
            why = f"every gate passed, but pytest ended with status {status}"
            self._tell_late(outcome=Outcome.BLOCKED, failures=(why,))
        elif self._decision.outcome is Outcome.PLANNED:
            asked_nothing = ("no promotion was asked for",)
            self._tell_late(
                failures=self._plan().sentences() if asked else asked_nothing
            )
        elif self._decision.promote:
            self._promote()
        self._finish()
        return exit_status(self._record.outcome, status, asked=asked)

    def _promote(self) -> None:
        registry = Registry(self._session.reference.name)
        plan = self._plan()
        # Python's own -W error must not stop a promotion half-way.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            held = self._held_back(registry, plan)
            promotion = held or promote(plan, registry, self._journal)
        self._tell_late(
            outcome=promotion.outcome,
            failures=promotion.reasons,
            steps=promotion.steps,
        )

    def _held_back(self, registry: Registry, plan: PromotionPlan) -> Promotion | None:
        tag: str | None = self._session.config.getoption("agentgate_approval")
        try:
            why = approval_missing(registry, plan.candidate, tag)
            if why is not None:
                return Promotion(outcome=Outcome.PENDING_APPROVAL, reasons=(why,))
            self._ask_for_vetoes(plan)
        except InputError as error:
            return Promotion(outcome=Outcome.BLOCKED, reasons=(str(error),))
        except AgentGateError as error:
            return Promotion(outcome=Outcome.STOPPED, reasons=(str(error),))
        return None

    def _ask_for_vetoes(self, plan: PromotionPlan) -> None:
        hook = self._session.config.hook.pytest_agentgate_approve
        what = "pytest_agentgate_approve raised, which is a veto"
        try:
            with foreign_code(InputError, what, "ask again"):
                answers = hook(candidate=plan.candidate, alias=plan.alias)
        except KeyboardInterrupt:
            raise InputError(f"{what}: it was interrupted") from None
        if any(answer is False for answer in answers):
            raise InputError("pytest_agentgate_approve returned False, which is a veto")

    def _plan(self) -> PromotionPlan:
        session, record = self._session, self._record
        assert record is not None
        assert record.candidate is not None
        assert session.promote_to is not None
        assert session.champion_alias is not None
        evidence = record.evidence
        return PromotionPlan(
            reference=session.reference,
            candidate=record.candidate,
            alias=session.promote_to,
            previous=record.previous_version,
            champion_alias=session.champion_alias,
            champion=record.champion_version,
            tags={
                "agentgate.outcome": str(Outcome.PROMOTED),
                "agentgate.run_id": str(evidence.run_id if evidence else None),
                "agentgate.gates_digest": session.gates_digest(),
                "agentgate.data_digest": evidence.data_digest if evidence else "",
            },
        )

    # Telling

    def _journal(self, steps: Sequence[StepResult]) -> None:
        """Write ahead: a killed promotion leaves behind what it was doing."""
        self._tell(
            outcome=Outcome.INCOMPLETE,
            failures=("the promotion was under way when this record was written",),
            steps=tuple(steps),
        )

    def _told(self) -> Record:
        assert self._record is not None
        return self._record

    def _tell(self, **changes: Any) -> None:
        self._record = replace(self._told(), **changes)
        self._write_record()

    def _tell_late(self, **changes: Any) -> None:
        """Tell what is done: a record that cannot be written is a warning by then."""
        try:
            self._tell(**changes)
        except pytest.UsageError as error:
            self._warned.append(str(error))

    def _write_record(self) -> None:
        path = record_path(self._session.config)
        try:
            write(path, self._told().text())
        except OSError as error:
            raise pytest.UsageError(
                f"the record {path} cannot be written: {error}; "
                "name another file with --agentgate-record"
            ) from None

    def _finish(self) -> None:
        self._tell_late(finished_at=now())
        self._log_to_run()
        self._complete_reports()
        self._tell_observers()
        self._say_last()
        self._session.close()

    def _log_to_run(self) -> None:
        record = self._told()
        if record.evidence is None or record.evidence.run_id is None:
            return
        tags = {"agentgate.outcome": str(record.outcome)}
        try:
            log_record(record.evidence.run_id, record.text(), tags)
        except AgentGateError as error:
            self._warned.append(str(error))

    def _complete_reports(self) -> None:
        options = self._session.config.option
        try:
            if self._html is not None and (path := _existing(options, "htmlpath")):
                self._html.complete(path)
            if path := _existing(options, "xmlpath"):
                junit.complete(path, self._told())
        except (OSError, ParseError) as error:
            self._warned.append(f"a report could not be completed: {error}")

    def _tell_observers(self) -> None:
        hook = self._session.config.hook.pytest_agentgate_finished
        what = "pytest_agentgate_finished raised"
        try:
            with foreign_code(InputError, what, "the outcome stands"):
                hook(record=self._told().plain())
        except InputError as error:
            self._warned.append(str(error))

    def _say_last(self) -> None:
        if self._reporter is None:
            return
        record = self._told()
        self._reporter.ensure_newline()
        for warning in self._warned:
            self._reporter.write_line(f"agentgate: warning: {warning}", yellow=True)
        for step in record.steps:
            detail = f" ({step.detail})" if step.detail else ""
            self._reporter.write_line(f"agentgate: {step.name}: {step.outcome}{detail}")
        path = record_path(self._session.config)
        self._reporter.write_line(f"agentgate: record: {path}")
        good = exit_status(record.outcome, 0, asked=True) == 0
        self._reporter.write_line(
            f"agentgate: {last_sentence(record)}", green=good, red=not good
        )


class Outermost:
    """Wraps pytest's main, outside every other plugin, and acts last."""

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_cmdline_main(
        self, config: pytest.Config
    ) -> Generator[None, int | None, int | None]:
        """Let pytest finish, then conclude."""
        status = yield
        controller = config.pluginmanager.get_plugin(_NAME)
        if not isinstance(controller, GateController):
            return status
        try:
            with foreign_code(AgentGateError, "agentgate did not finish", "see above"):
                return controller.conclude(int(status or 0))
        except AgentGateError as error:
            warnings.warn(str(error), stacklevel=1)
            return int(status or 0) or 1


@contextmanager
def _usage_errors() -> Iterator[None]:
    """Turn the package's errors about input into pytest's."""
    try:
        yield
    except AgentGateError as error:
        raise pytest.UsageError(str(error)) from None


def _existing(options: Any, name: str) -> Path | None:
    given = getattr(options, name, None)
    return Path(given) if given and Path(given).is_file() else None
