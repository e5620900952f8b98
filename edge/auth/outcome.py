"""Results of one attempt -> what it came to.

Takes the results of a pipeline with a claim, and what the checks of digits and of playback said; gives an
``AttemptOutcome``. Must hold: never more is promised than was measured; no decision is no "no"; digits and repeats can
turn a match into something else, and nothing turns anything into a match.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from edge.auth.words import SENTENCES, compared
from edge.calibrate.kept import Origin
from edge.decision import FAR_TARGETS
from edge.errors import EXIT_NO, EXIT_NO_DECISION, EXIT_OK, EXIT_SPOOF
from edge.records import Decision, Person, Profile, Result

CLASS: Final = "convenience"
"""What a voice alone is good for: personal settings, never a lock, money or an account."""

OutcomeWord = Literal["match", "no_match", "uncertain", "no_decision", "wrong_digits", "spoof"]
EXIT_CODES: Final[dict[OutcomeWord, int]] = {
    "match": EXIT_OK,
    "no_match": EXIT_NO,
    "uncertain": EXIT_NO,
    "wrong_digits": EXIT_NO,
    "no_decision": EXIT_NO_DECISION,
    "spoof": EXIT_SPOOF,
}
_RANK: Final = {"rejected": 0, "unknown": 1, "uncertain": 2, "identified": 3}


@dataclass(frozen=True, slots=True)
class AttemptOutcome:
    """``decision``: the one that counts, None where none was possible. ``reason``: one word for programs. ``words``:
    the same for people, where ``reason`` has no sentence of its own. ``speech_seconds`` and ``snr_db`` are those of
    everything that could be used. ``target_far``: share of strangers that pass, by the calibration that decided.
    ``challenge`` and ``playback``: what these checks said, as plain values; None where they were not made. ``repeat``:
    the earlier sound that this one repeats, None where there is none.
    """

    person: Person
    outcome: OutcomeWord
    decision: Decision | None
    reason: str
    speech_seconds: float
    snr_db: float | None
    utterances: int
    target_far: float
    model: str
    calibration: Origin = "bundle"
    words: str = ""
    challenge: Mapping[str, Any] | None = field(default=None)
    playback: Mapping[str, Any] | None = field(default=None)
    repeat: Mapping[str, Any] | None = field(default=None)

    @property
    def exit_code(self) -> int:
        """0 match, 1 no match or not sure or other digits, 3 no decision, 7 a spoof is suspected."""
        return EXIT_CODES[self.outcome]

    def sentence(self) -> str:
        """For a person."""
        name, decision = self.person.name, self.decision
        target = f"target false accepts {100 * self.target_far:g} %"
        if self.outcome in {"spoof", "wrong_digits"}:
            return f"refused: {self.words or self.reason}"
        if decision is None:
            return f"no decision: {SENTENCES.get(self.reason, self.words or self.reason)}"
        probability, threshold = compared(decision.probability, decision.threshold)
        figures = f"probability {probability}"
        if self.outcome == "match":
            return f"voice matches {name} ({figures}; {target})"
        needed = f"{figures}, {threshold} needed; {target}"
        if self.outcome == "uncertain":
            return f"not sure enough that it is {name} ({needed})"
        return f"voice does not match {name} ({needed})"

    def to_json(self) -> dict[str, Any]:
        """Plain values. ``challenge``, ``playback`` and ``repeat`` are there where these checks said something."""
        decision = self.decision
        llr = decision.best.llr if decision and decision.best else None
        told: dict[str, Any] = {
            "person": {"id": self.person.id, "name": self.person.name},
            "outcome": self.outcome,
            "match": self.outcome == "match",
            "probability": round(decision.probability, 4) if decision else None,
            "threshold": round(decision.threshold, 4) if decision else None,
            "llr": round(llr, 3) if llr is not None else None,
            "speech_seconds": round(self.speech_seconds, 2),
            "snr_db": round(self.snr_db, 1) if self.snr_db is not None else None,
            "utterances": self.utterances,
            "reason": self.reason,
            "class": CLASS,
            "target_far": self.target_far,
            "model": self.model,
            "calibration": self.calibration,
        }
        checks = {"challenge": self.challenge, "playback": self.playback, "repeat": self.repeat}
        return told | {name: dict(said) for name, said in checks.items() if said is not None}


def judge(
    results: Sequence[Result],
    *,
    person: Person,
    profile: Profile,
    model: str,
    nothing: str,
    calibration: Origin = "bundle",
    last_turn: bool = False,
) -> AttemptOutcome:
    """What the voice alone says over all utterances of an attempt. ``nothing``: the reason where there were none.
    ``calibration``: whose decided. ``last_turn``: only the last turn counts, with everything that was said in it;
    without it the best decision does.
    """
    used = [r for r in results if r.decision.outcome != "rejected"]
    seconds = sum(r.utterance.speech_seconds for r in used)
    snr_db = sum(r.utterance.snr_db * r.utterance.speech_seconds for r in used) / seconds if seconds else None
    candidates = used[-1:] if last_turn else used
    best = max(candidates, key=lambda r: (_RANK[r.decision.outcome], r.decision.probability), default=None)
    outcome: OutcomeWord
    if best is None:
        reasons = Counter(r.decision.reason for r in results)
        outcome, reason = "no_decision", reasons.most_common(1)[0][0] if reasons else nothing
    elif best.decision.outcome == "identified":
        outcome, reason = "match", "accepted"
    elif best.decision.outcome == "uncertain":
        outcome, reason = "uncertain", "uncertain"
    else:
        outcome, reason = "no_match", "below_threshold"
    return AttemptOutcome(
        person=person,
        outcome=outcome,
        decision=best.decision if best else None,
        reason=reason,
        speech_seconds=seconds,
        snr_db=snr_db,
        utterances=len(results),
        target_far=FAR_TARGETS[profile],
        model=model,
        calibration=calibration,
    )
