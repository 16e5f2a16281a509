from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from pytest_agentgate.candidate.reference import ModelReference
from pytest_agentgate.candidate.registry import Registry
from pytest_agentgate.errors import RegistryError
from pytest_agentgate.judgement.decision import Outcome
from pytest_agentgate.promotion import alias as alias_module
from pytest_agentgate.promotion.alias import AliasStep, PromotionPlan, promote

NAME, ALIAS = "agent", "production"
TAGS = {
    "agentgate.outcome": "promoted",
    "agentgate.run_id": "r2",
    "agentgate.gates_digest": "0123456789abcdef",
    "agentgate.data_digest": 'it\'s "odd" $HOME',
}


class Breaking(Registry):
    """
    A registry that raises at one call.

    `at` counts the calls of `method` from 1; with `acts` the server does what it
    was asked and only its answer is lost.
    """

    def __init__(self, method, *, at=1, acts=False, forever=False):
        super().__init__(NAME)
        self._method = method
        self._at = at
        self._acts = acts
        self._forever = forever
        self._count = 0

    def __getattribute__(self, name):
        found = super().__getattribute__(name)
        if name.startswith("_") or name != self._method:
            return found

        def call(*args):
            self._count += 1
            if self._count == self._at or (self._forever and self._count > self._at):
                if self._acts:
                    found(*args)
                raise RegistryError(f"{name} got no answer")
            return found(*args)

        return call


def plan_for(version="2", *, previous=None, reference=NAME, **more):
    registry = Registry(NAME)
    plain = {
        "reference": ModelReference.parse(reference),
        "candidate": registry.version(version),
        "alias": ALIAS,
        "previous": previous,
        "champion_alias": ALIAS,
        "champion": previous,
        "tags": TAGS,
    }
    return PromotionPlan(**{**plain, **more})


def silent(results):
    pass


def aliases(client):
    found = client.get_registered_model(NAME).aliases
    return {alias: str(version) for alias, version in found.items()}


def tags(client, version="2"):
    return dict(client.get_model_version(NAME, version).tags)


def state_of(client):
    return aliases(client), [tags(client, version) for version in "123"]


def steps_of(promotion):
    return [(s.name, str(s.outcome), s.detail) for s in promotion.steps]


def test_a_new_alias(client):
    promotion = promote(plan_for(), Registry(NAME), silent)

    assert promotion.outcome is Outcome.PROMOTED
    assert steps_of(promotion) == [
        ("set alias", "done", "production = version 2, was unset"),
        ("tag version", "done", ", ".join(TAGS)),
    ]
    assert aliases(client) == {ALIAS: "2"}
    assert tags(client) == TAGS


def test_an_alias_that_moves(client):
    client.set_registered_model_alias(NAME, ALIAS, "1")
    client.set_registered_model_alias(NAME, "staging", "3")

    promotion = promote(plan_for(previous="1"), Registry(NAME), silent)

    assert promotion.outcome is Outcome.PROMOTED
    assert promotion.steps[0].detail == "production = version 2, was version 1"
    assert aliases(client) == {ALIAS: "2", "staging": "3"}


def test_what_is_promoted_already_is_left_as_it_is(client):
    client.set_registered_model_alias(NAME, ALIAS, "2")
    earlier = {**TAGS, "agentgate.run_id": "r1"}
    for key, value in earlier.items():
        client.set_model_version_tag(NAME, "2", key, value)

    promotion = promote(plan_for(previous="2"), Registry(NAME), silent)

    assert promotion.outcome is Outcome.ALREADY_PROMOTED
    assert steps_of(promotion) == [
        ("set alias", "already", "production = version 2"),
        ("tag version", "already", "tags are set"),
    ]
    assert tags(client) == earlier


def test_an_alias_that_was_there_already_gets_the_tags_it_lacks(client):
    client.set_registered_model_alias(NAME, ALIAS, "2")

    promotion = promote(plan_for(previous="2"), Registry(NAME), silent)

    assert promotion.outcome is Outcome.ALREADY_PROMOTED
    assert tags(client) == TAGS


@pytest.mark.parametrize(
    ("plan", "meanwhile", "reason"),
    [
        pytest.param(
            {"previous": "1"},
            lambda client: client.set_registered_model_alias(NAME, ALIAS, "3"),
            "alias 'production' moved from version 1 to 3 while the candidate was "
            "judged; run again",
            id="champion-moved",
        ),
        pytest.param(
            {"previous": "1"},
            lambda client: client.delete_registered_model_alias(NAME, ALIAS),
            "alias 'production' moved from version 1 to None while the candidate was "
            "judged; run again",
            id="champion-gone",
        ),
        pytest.param(
            {"previous": None},
            lambda client: None,
            "alias 'production' moved from version None to 1 while the candidate was "
            "judged; run again",
            id="champion-appeared",
        ),
        pytest.param(
            {"previous": "1", "champion_alias": "live", "champion": "1"},
            lambda client: client.set_registered_model_alias(NAME, "live", "3"),
            "alias 'live' moved from version 1 to 3 while the candidate was judged; "
            "run again",
            id="another-champion-moved",
        ),
        pytest.param(
            {"previous": "1", "reference": "agent@staging"},
            lambda client: client.set_registered_model_alias(NAME, "staging", "3"),
            "alias 'staging' moved from version 2 to 3 while the candidate was "
            "judged; run again",
            id="the-candidates-own-alias-moved",
        ),
        pytest.param(
            {"previous": "1"},
            lambda client: client.delete_model_version(NAME, "2"),
            "model version agent/2 does not exist in the registry; check the name and "
            "MLFLOW_REGISTRY_URI, and log the model first",
            id="candidate-deleted",
        ),
    ],
)
def test_what_changed_meanwhile_stops_the_promotion(client, plan, meanwhile, reason):
    for name, version in ((ALIAS, "1"), ("live", "1"), ("staging", "2")):
        client.set_registered_model_alias(NAME, name, version)
    judged = plan_for(**plan)
    meanwhile(client)
    before = aliases(client)

    promotion = promote(judged, Registry(NAME), silent)

    assert (promotion.outcome, promotion.reasons) == (Outcome.STOPPED, (reason,))
    assert promotion.steps == ()
    assert aliases(client) == before


def test_a_candidate_that_was_replaced_stops_the_promotion(client):
    judged = replace(Registry(NAME).version("2"), source="/another/model")

    promotion = promote(plan_for(candidate=judged), Registry(NAME), silent)

    assert promotion.outcome is Outcome.STOPPED
    assert promotion.reasons == ("agent/2 changed while it was judged; judge it again",)
    assert aliases(client) == {}


@pytest.mark.parametrize("method", ["version", "aliases"])
def test_a_registry_that_cannot_be_read_stops_the_promotion(client, method):
    promotion = promote(plan_for(), Breaking(method), silent)

    assert promotion.outcome is Outcome.STOPPED
    assert promotion.reasons == (f"{method} got no answer",)
    assert aliases(client) == {}


EARLIER = {"agentgate.outcome": "promoted", "agentgate.run_id": "r1", "team": "data"}


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param({"method": "set_alias"}, id="alias-refused"),
        pytest.param({"method": "aliases", "at": 2}, id="alias-not-read-back"),
        pytest.param({"method": "version_tags"}, id="tags-not-read"),
        pytest.param({"method": "set_version_tag"}, id="first-tag-refused"),
        pytest.param({"method": "set_version_tag", "at": 4}, id="last-tag-refused"),
        pytest.param(
            {"method": "set_version_tag", "at": 3, "acts": True}, id="tag-unanswered"
        ),
    ],
)
@pytest.mark.parametrize("previous", [None, "1"])
def test_a_failure_puts_alias_and_tags_back(client, broken, previous):
    if previous:
        client.set_registered_model_alias(NAME, ALIAS, previous)
    for key, value in EARLIER.items():
        client.set_model_version_tag(NAME, "2", key, value)
    before = state_of(client)

    promotion = promote(plan_for(previous=previous), Breaking(**broken), silent)

    assert promotion.outcome is Outcome.ROLLED_BACK
    assert f"{broken['method']} got no answer" in promotion.reasons[0]
    assert promotion.reasons[1] == "everything is as it was before"
    assert state_of(client) == before


def test_a_failure_where_the_alias_was_right_already_leaves_it_alone(client):
    client.set_registered_model_alias(NAME, ALIAS, "2")

    promotion = promote(
        plan_for(previous="2"), Breaking("set_version_tag", at=2), silent
    )

    assert promotion.outcome is Outcome.ROLLED_BACK
    assert steps_of(promotion)[0] == ("set alias", "already", "production = version 2")
    assert state_of(client) == ({ALIAS: "2"}, [{}, {}, {}])


def test_a_failure_where_nothing_was_to_be_moved_is_not_stuck(client):
    client.set_registered_model_alias(NAME, ALIAS, "2")
    step = AliasStep(plan_for(previous="2"), Registry(NAME))

    assert step.undo() == "production = version 2"


def test_an_answer_that_was_lost_after_the_server_acted_is_no_failure(client):
    promotion = promote(plan_for(), Breaking("set_alias", acts=True), silent)

    assert promotion.outcome is Outcome.PROMOTED
    assert aliases(client) == {ALIAS: "2"}


def test_an_alias_that_reads_back_otherwise_is_a_failure(client):
    class Overtaken(Registry):
        def set_alias(self, alias, version):
            super().set_alias(alias, "3")

    promotion = promote(plan_for(), Overtaken(NAME), silent)

    assert promotion.outcome is Outcome.ROLLED_BACK
    assert promotion.reasons[0] == (
        "set alias: alias 'production' reads back as version 3, not 2"
    )
    # Somebody else has moved it on: that is not ours to undo.
    assert aliases(client) == {ALIAS: "3"}


def test_two_promotions_at_once_do_not_both_act(client, monkeypatch):
    monkeypatch.setattr(alias_module, "_LOCK_PATIENCE", 0.2)
    others = []

    def another():
        others.append(promote(plan_for("3"), Registry(NAME), silent))

    class Slow(Registry):
        def set_alias(self, alias, version):
            thread = threading.Thread(target=another)
            thread.start()
            thread.join()
            super().set_alias(alias, version)

    promotion = promote(plan_for("2"), Slow(NAME), silent)

    assert promotion.outcome is Outcome.PROMOTED
    (other,) = others
    assert (other.outcome, other.reasons) == (
        Outcome.STOPPED,
        ("another promotion of agent is under way",),
    )
    assert aliases(client) == {ALIAS: "2"}


def test_where_no_lock_can_be_taken_nothing_is_changed(client, monkeypatch, tmp_path):
    no_folder = tmp_path / "file"
    no_folder.touch()
    monkeypatch.setattr(tempfile, "tempdir", str(no_folder))

    promotion = promote(plan_for(), Registry(NAME), silent)

    assert promotion.outcome is Outcome.STOPPED
    assert aliases(client) == {}


class Vanishing(Registry):
    """A registry that goes away for good at the second tag."""

    def __init__(self, name):
        super().__init__(name)
        self._is_gone = False
        self._tags_set = 0

    def set_version_tag(self, version, key, value):
        self._tags_set += 1
        self._is_gone = self._is_gone or self._tags_set == 2
        self._check()
        super().set_version_tag(version, key, value)

    def aliases(self):
        self._check()
        return super().aliases()

    def version_tags(self, version):
        self._check()
        return super().version_tags(version)

    def _check(self):
        if self._is_gone:
            raise RegistryError("the registry went away")


def test_what_is_stuck_comes_with_commands_that_restore_it(client):
    client.set_registered_model_alias(NAME, ALIAS, "1")
    client.set_model_version_tag(NAME, "2", "agentgate.run_id", 'it\'s "r1" $HOME `x`')
    before = state_of(client)
    new = {"agentgate.run_id": "r2", "agentgate.outcome": "promoted"}

    promotion = promote(plan_for(previous="1", tags=new), Vanishing(NAME), silent)

    assert promotion.outcome is Outcome.STUCK
    assert promotion.reasons[0] == "tag version: the registry went away"
    assert aliases(client) == {ALIAS: "2"}
    assert tags(client) == {"agentgate.run_id": "r2"}
    client.set_model_version_tag(NAME, "2", "agentgate.outcome", "promoted")
    in_shells(
        [reason.removeprefix("not put back; run: ") for reason in promotion.reasons[1:]]
    )
    assert state_of(client) == before


def in_shells(commands):
    """Run the commands as a person would, but at the same time."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    running = [
        subprocess.Popen(
            ["sh", "-c", command],
            env={**os.environ, "PATH": path},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for command in commands
    ]
    for process in running:
        _, complaint = process.communicate(timeout=120)
        assert process.returncode == 0, complaint


@pytest.mark.parametrize(
    ("previous", "call"),
    [
        (
            None,
            "delete_registered_model_alias('agent', 'production')",
        ),
        (
            "1",
            "set_registered_model_alias('agent', 'production', '1')",
        ),
    ],
)
def test_the_command_that_restores_an_alias(client, previous, call):
    step = AliasStep(plan_for(previous=previous), Registry(NAME))

    assert shlex.split(step.undo_command()) == [
        "python",
        "-c",
        f"import mlflow; mlflow.MlflowClient().{call}",
    ]


@pytest.mark.parametrize(
    ("plan", "sentences"),
    [
        pytest.param(
            {"previous": None},
            (
                "alias 'production' would move (new) to version 2",
                f"version 2 would be tagged {', '.join(sorted(TAGS))}",
            ),
            id="new",
        ),
        pytest.param(
            {"previous": "1", "tags": {"b": "1", "a": "2"}},
            (
                "alias 'production' would move from version 1 to version 2",
                "version 2 would be tagged a, b",
            ),
            id="moved",
        ),
        pytest.param(
            {"previous": "2"},
            ("alias 'production' already points to version 2; nothing would change",),
            id="already",
        ),
    ],
)
def test_a_plan_says_what_it_would_change(client, plan, sentences):
    assert plan_for(**plan).sentences() == sentences
