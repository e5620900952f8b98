"""Who said one request.

Takes the results of one request's audio. Gives an ``Identity``. Must hold: two voices that were recognised are nobody
in particular; without a result nobody is named, and the reason is told.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from edge.records import Result

Kind = Literal["identified", "unknown", "uncertain", "rejected"]


@dataclass(frozen=True, slots=True)
class Identity:
    """``kind`` as in events. ``person_id`` and ``name`` are None unless it is ``identified``. ``probability``: of that
    person, None without a decision. ``reason``: why nobody is named, "" otherwise.
    """

    kind: Kind
    person_id: str | None = None
    name: str | None = None
    probability: float | None = None
    reason: str = ""

    def to_json(self) -> dict[str, Any]:
        """Plain values; what is not known is an absent key, as in events."""
        values = {
            "event_type": self.kind,
            "speaker_id": self.person_id,
            "speaker": self.name,
            "probability": None if self.probability is None else round(self.probability, 4),
            "reason": self.reason or None,
        }
        return {key: value for key, value in values.items() if value is not None}


def identity(results: Sequence[Result], *, nothing: str = "silent") -> Identity:
    """What the utterances of one request say together; ``nothing``: the reason where there is no utterance."""
    decided = [one for one in results if one.decision.outcome != "rejected"]
    if not decided:
        return Identity("rejected", reason=(results[-1].decision.reason if results else None) or nothing)
    named = {one.decision.person_id for one in decided if one.decision.outcome == "identified"}
    if len(named) > 1:
        return Identity("uncertain", reason="several_voices")
    longest = max(decided, key=lambda one: one.utterance.speech_seconds)
    decision = longest.decision
    if decision.outcome == "identified" and decision.best is not None:
        return Identity("identified", decision.best.person_id, decision.best.name, decision.probability)
    if named:
        # A short part names somebody, most of the request does not.
        return Identity("uncertain", probability=decision.probability, reason="parts_disagree")
    return Identity(decision.outcome, probability=decision.probability, reason=decision.reason or "")
