"""Who said a request of several utterances, and whose requests go on."""

from __future__ import annotations

import numpy as np
import pytest

from edge.assistant.identity import Identity, identity
from edge.assistant.permission import Permission, permission
from edge.errors import UnknownPersonError
from edge.records import Decision, Outcome, PersonScore, Result, StageTimes, Utterance


def _result(outcome: Outcome, name: str = "", seconds: float = 2.0, reason: str = "") -> Result:
    samples = np.zeros(int(16_000 * seconds), np.float32)
    utterance = Utterance(samples, 0, len(samples), seconds, 20.0, -30.0, -20.0, 0.0, "silence")
    best = PersonScore(f"p-{name}", name, 0.8, 5.0, 0.97) if name else None
    decision = Decision(outcome, best, None, 0.97 if name else 0.1, 0.9, 3.0, (), reason)
    return Result(utterance, None, decision, StageTimes(), {})


def test_the_longest_part_decides_and_two_people_are_nobody() -> None:
    ada = _result("identified", "Ada")
    assert identity([_result("unknown", seconds=0.5), ada]).name == "Ada"
    assert identity([ada, _result("identified", "Ben", 1.0)]) == Identity("uncertain", reason="several_voices")
    told = identity([_result("identified", "Ada", 0.5), _result("unknown", seconds=3.0)])
    assert (told.kind, told.name, told.reason) == ("uncertain", None, "parts_disagree")


def test_nobody_is_named_without_a_decision_and_the_reason_is_told() -> None:
    assert identity([]).to_json() == {"event_type": "rejected", "reason": "silent"}
    assert identity([_result("rejected", reason="too_short")]).reason == "too_short"
    assert identity([_result("unknown", reason="below_threshold")]).to_json() == {
        "event_type": "unknown", "probability": 0.1, "reason": "below_threshold"
    }  # fmt: skip


ADA, BEN = Identity("identified", "p1", "Ada"), Identity("identified", "p2", "Ben")


@pytest.mark.parametrize(
    ("words", "allowed"),
    [([], [ADA, BEN, Identity("unknown")]), (["enrolled"], [ADA, BEN]), (["ada"], [ADA]), (["p1", "p2"], [ADA, BEN])],
)
def test_only_those_who_may(words: list[str], allowed: list[Identity]) -> None:
    ids = {"ada": "p1", "p1": "p1", "p2": "p2"}
    may = permission(words, ids.__getitem__)
    everybody = [ADA, BEN, Identity("unknown"), Identity("uncertain", "p1", "Ada"), Identity("rejected")]
    assert [who for who in everybody if may.allows(who)] == [who for who in everybody if who in allowed or not words]


def test_somebody_who_is_not_enrolled_cannot_be_let_in() -> None:
    def find(who: str) -> str:
        raise UnknownPersonError(f"nobody is called {who}")

    with pytest.raises(UnknownPersonError):
        permission(["Eve"], find)
    assert Permission(open=False, people=frozenset()).allows(ADA) is False
