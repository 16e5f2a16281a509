from __future__ import annotations

import pytest

from pytest_agentgate.judgement.decision import Outcome
from pytest_agentgate.promotion.transaction import StepOutcome, run_steps


class World:
    """What the steps change, and everything that was done to it, in order."""

    def __init__(self, *names):
        self.state = dict.fromkeys(names, "old")
        self.log = []


class FakeStep:
    """
    Sets one entry of the world, and fails where it is told to.

    `fails_in` maps a phase (``prepare``, ``run``, ``read back``, ``undo``) to what
    is raised there.
    """

    def __init__(self, world, name, *, fails_in=None, already=False):
        self.name = name
        self._world = world
        self._fails_in = fails_in or {}
        self._already = already
        self._before = None

    def prepare(self):
        self._reach("prepare")
        self._before = self._world.state[self.name]

    def run(self):
        self._reach("run")
        if self._already:
            return StepOutcome.ALREADY, "nothing to do"
        self._world.state[self.name] = "new"
        self._reach("read back")
        return StepOutcome.DONE, "old -> new"

    def undo(self):
        self._reach("undo")
        self._world.state[self.name] = self._before
        return "put back"

    def undo_command(self):
        return f"restore {self.name}"

    def _reach(self, phase):
        self._world.log.append(f"{phase} {self.name}")
        if phase in self._fails_in:
            raise self._fails_in[phase]


NAMES = ("endpoint", "alias", "tags")


def run(world, *, failing=None, journal=None, **more):
    """Run three steps, of which `failing` maps names to what fails in them."""
    steps = [
        FakeStep(world, name, fails_in=(failing or {}).get(name), **more)
        for name in NAMES
    ]
    try:
        return run_steps(steps, journal or (lambda results: None))
    except KeyboardInterrupt:  # it would end the test session, not the test
        pytest.fail("an interrupt left the transaction half done")


def outcomes(promotion):
    return [str(step.outcome) for step in promotion.steps]


def test_all_steps_done_is_promoted():
    world = World(*NAMES)

    promotion = run(world)

    assert (promotion.outcome, promotion.reasons) == (Outcome.PROMOTED, ())
    assert [(s.name, str(s.outcome), s.detail) for s in promotion.steps] == [
        (name, "done", "old -> new") for name in NAMES
    ]
    assert all(step.at for step in promotion.steps)
    assert world.state == dict.fromkeys(NAMES, "new")
    assert [entry.split()[0] for entry in world.log] == [
        "prepare",
        "run",
        "read",
    ] * 3


def test_nothing_to_do_in_any_step_is_already_promoted():
    world = World(*NAMES)

    promotion = run(world, already=True)

    assert promotion.outcome is Outcome.ALREADY_PROMOTED
    assert outcomes(promotion) == ["already"] * 3
    assert world.state == dict.fromkeys(NAMES, "old")


def test_something_to_do_in_one_step_is_promoted():
    world = World("alias", "tags")
    steps = [FakeStep(world, "alias", already=True), FakeStep(world, "tags")]

    promotion = run_steps(steps, lambda results: None)

    assert promotion.outcome is Outcome.PROMOTED
    assert outcomes(promotion) == ["already", "done"]


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(RuntimeError("no connection"), id="error"),
        pytest.param(KeyboardInterrupt(), id="ctrl-c"),
        pytest.param(ValueError(), id="error-without-text"),
    ],
)
@pytest.mark.parametrize("phase", ["run", "read back"])
@pytest.mark.parametrize("number", range(3))
def test_a_failing_step_undoes_itself_and_those_before_it_in_reverse(
    number, phase, error
):
    world = World(*NAMES)
    cause = str(error) or type(error).__name__

    promotion = run(world, failing={NAMES[number]: {phase: error}})

    assert promotion.outcome is Outcome.ROLLED_BACK
    assert promotion.reasons == (
        f"{NAMES[number]}: {cause}",
        "everything is as it was before",
    )
    assert world.state == dict.fromkeys(NAMES, "old")
    undone = [entry for entry in world.log if entry.startswith("undo")]
    assert undone == [f"undo {name}" for name in reversed(NAMES[: number + 1])]
    assert outcomes(promotion) == [
        *["undone"] * number,
        "failed",
        *["not reached"] * (2 - number),
    ]
    assert promotion.steps[number].detail == f"{cause}; put back"


@pytest.mark.parametrize("number", range(3))
def test_a_step_that_found_nothing_has_nothing_to_restore(number):
    world = World(*NAMES)

    promotion = run(
        world, failing={NAMES[number]: {"prepare": RuntimeError("no connection")}}
    )

    assert promotion.outcome is Outcome.ROLLED_BACK
    assert world.state == dict.fromkeys(NAMES, "old")
    assert f"undo {NAMES[number]}" not in world.log
    assert outcomes(promotion)[number:] == ["failed", *["not reached"] * (2 - number)]


def test_a_step_that_changed_nothing_is_not_undone():
    world = World("alias", "tags")
    steps = [
        FakeStep(world, "alias", already=True),
        FakeStep(world, "tags", fails_in={"run": RuntimeError("no")}),
    ]

    promotion = run_steps(steps, lambda results: None)

    assert "undo alias" not in world.log
    assert outcomes(promotion) == ["already", "failed"]


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(RuntimeError("still no connection"), id="error"),
        pytest.param(KeyboardInterrupt("still no connection"), id="ctrl-c"),
    ],
)
def test_an_undo_that_fails_leaves_it_stuck_with_the_command(error):
    world = World(*NAMES)
    failing = {
        "alias": {"undo": error},
        "tags": {"run": RuntimeError("no connection")},
    }

    promotion = run(world, failing=failing)

    assert promotion.outcome is Outcome.STUCK
    assert promotion.reasons == (
        "tags: no connection",
        "not put back; run: restore alias",
    )
    assert world.state == {"endpoint": "old", "alias": "new", "tags": "old"}
    assert outcomes(promotion) == ["undone", "failed", "failed"]
    assert promotion.steps[1].detail == "undo failed: still no connection"


def test_every_undo_that_fails_has_its_command_in_the_order_of_undoing():
    world = World(*NAMES)
    broken = RuntimeError("gone")
    failing = {name: {"undo": broken} for name in NAMES}
    failing["tags"]["run"] = broken

    promotion = run(world, failing=failing)

    assert promotion.reasons == (
        "tags: gone",
        "not put back; run: restore tags",
        "not put back; run: restore alias",
        "not put back; run: restore endpoint",
    )


def test_the_journal_is_told_before_and_after_each_step():
    world = World(*NAMES)

    def journal(results):
        world.log.append(", ".join(str(result.outcome) for result in results))

    run(world, journal=journal)

    assert world.log == [
        "started, not reached, not reached",
        "prepare endpoint",
        "run endpoint",
        "read back endpoint",
        "done, not reached, not reached",
        "done, started, not reached",
        "prepare alias",
        "run alias",
        "read back alias",
        "done, done, not reached",
        "done, done, started",
        "prepare tags",
        "run tags",
        "read back tags",
        "done, done, done",
    ]


def test_the_journal_is_told_what_was_undone():
    told = []

    run(
        World(*NAMES),
        failing={"alias": {"run": RuntimeError("no")}},
        journal=lambda results: told.append([str(r.outcome) for r in results]),
    )

    assert told[-3:] == [
        ["done", "failed", "not reached"],
        ["done", "failed", "not reached"],
        ["undone", "failed", "not reached"],
    ]


@pytest.mark.parametrize("broken_at", range(6))
def test_a_journal_that_cannot_be_written_undoes_everything(broken_at):
    world = World(*NAMES)
    calls = []

    def journal(results):
        calls.append(len(calls))
        if len(calls) > broken_at:
            raise OSError("no space left on device")

    promotion = run(world, journal=journal)

    assert promotion.outcome is Outcome.ROLLED_BACK
    assert "no space left on device" in promotion.reasons[0]
    assert world.state == dict.fromkeys(NAMES, "old")
