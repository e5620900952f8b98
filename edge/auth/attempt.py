"""The one way by which an attempt is made, whoever asks: a command, the control socket, or PAM.

Takes a state folder; gives ``Gate``, whose ``begin`` gives an ``Attempt`` or raises ``LockedOut``.
Must hold: the attempt is on the disk as failed before a sample is heard; only a match takes that back, and a "no
decision" is given back under a rate limit; sound that was heard before, and digits that were not said, are no match.

    with Gate(state_folder, settings) as gate, gate.begin(person.id, requester="cli", name=person.name) as attempt:
        ...listen...
        outcome = attempt.judge(results, samples, person=person, profile=..., model=..., nothing=...)
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Literal, Protocol

import numpy as np

from edge.auth.clock import AttemptClock, BootClock
from edge.auth.gate import Counter
from edge.auth.outcome import AttemptOutcome, judge
from edge.calibrate.kept import Origin
from edge.challenge.outcome import ChallengeOutcome
from edge.errors import AttemptsError, LockedOut
from edge.records import Float32, Person, Profile, Result
from edge.settings import Settings
from edge.spoof import Repeat, Repeats, playback_suspect

Requester = Literal["cli", "socket", "pam"]
Verdict = Literal["match", "nothing", "failed"]

__all__ = ["Attempt", "AttemptOutcome", "Digits", "Gate", "LockedOut", "Requester"]

DIGIT_SHARE: Final = 0.6
"""Of the speech that the voice is judged on, at least this much must lie between the first and the last digit: else a
recording of somebody could be put before digits that somebody else says."""


class Digits(Protocol):
    """What a ``challenge.Challenge`` is here."""

    def check(self, samples: Float32) -> ChallengeOutcome:
        """Whether the digits asked for are said in this audio; once."""


class Gate:
    """Counts attempts and writes them down. Open one per process or per request; many may be open at once.

    Args:
        folder: the state folder (``edge.settings.state_dir``).
        settings: section ``auth``.
        clock: for tests.

    Raises:
        StorageError: the record of attempts cannot be read or written; nobody passes then.
        AttemptsError: it is damaged or missing; nobody passes until the folder's owner has set it right.
    """

    def __init__(self, folder: Path | str, settings: Settings, clock: AttemptClock | None = None) -> None:
        self.folder = Path(folder)
        self._counter = Counter(self.folder, clock or BootClock(), settings.auth.fallback_hours)
        try:
            self._repeats = Repeats(self.folder)
        except BaseException:
            self._counter.close()
            raise

    def begin(
        self, person_id: str, *, requester: Requester, challenge: bool = False, name: str = "", uid: int | None = None
    ) -> Attempt:
        """Count an attempt as failed, on the disk, before anything is heard.

        ``challenge``: digits are asked for; ``judge`` then needs them. ``name``: of the person, for the sentence of an
        error. ``uid``: who asks, where that is not this process. Raises ``LockedOut``, ``StorageError`` or
        ``AttemptsError``.
        """
        if not person_id:
            raise ValueError("an attempt is about somebody")
        about = {"requester": requester, "uid": os.geteuid() if uid is None else uid, "challenge": challenge}
        taken = self._counter.begin(person_id, about, called=name or person_id)
        if taken.refused:
            about["refused_before"] = taken.refused
        return Attempt(self._counter, self._repeats, taken.number, person_id, about)

    def check(self, person_id: str, *, name: str = "") -> None:
        """Raise ``LockedOut`` where ``begin`` would now; counts nothing."""
        self._counter.check(person_id, called=name or person_id)

    def failures(self, person_id: str) -> int:
        """Failures of this person in a row, attempts that are going on included."""
        return self._counter.failures(person_id)

    def close(self) -> None:
        """Close the files; safe to call twice."""
        self._counter.close()
        self._repeats.close()

    def __enter__(self) -> Gate:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Attempt:
    """One attempt that has been counted as failed. Left without a judgement, it stays failed."""

    def __init__(
        self, counter: Counter, repeats: Repeats, number: int, person_id: str, about: Mapping[str, Any]
    ) -> None:
        self.number = number
        self.person_id = person_id
        self._counter = counter
        self._repeats = repeats
        self._about = about
        self._over = False
        self._kept: int | None = None
        self.verdict: Verdict = "failed"
        """How it is counted; ``nothing``: not at all."""
        self.reason = "cut_off"
        """Why, in one word, as it is written down."""

    def judge(
        self,
        results: Sequence[Result],
        samples: Float32 | None = None,
        *,
        person: Person,
        profile: Profile,
        model: str,
        nothing: str,
        calibration: Origin = "bundle",
        challenge: Digits | None = None,
    ) -> AttemptOutcome:
        """What the attempt came to, counted and written down; once per attempt.

        ``results``: of a pipeline that claims this person. ``samples``: float32 ``(n,)`` mono 16 kHz, all that was
        heard; None takes the utterances of ``results``. ``nothing``: the reason where ``results`` is empty.
        ``challenge``: the digits that were asked for. The rest as in ``outcome.judge``. Raises ``StorageError`` or
        ``AttemptsError`` where it cannot be counted: the attempt has failed then.
        """
        if self._over:
            raise ValueError("an attempt is judged once")
        if person.id != self.person_id:
            raise ValueError("an attempt is about the person it was begun for")
        if (challenge is not None) != self._about["challenge"]:
            raise ValueError("digits are judged where they were asked for, and only there")
        said = judge(
            results, person=person, profile=profile, model=model, nothing=nothing, calibration=calibration,
            last_turn=challenge is not None,
        )  # fmt: skip
        if said.outcome != "no_decision":
            said = self._checked(said, results, samples, challenge)
        verdicts: dict[str, Verdict] = {"match": "match", "no_decision": "nothing"}
        self._end(verdicts.get(said.outcome, "failed"), _written(said))
        return said

    def nothing_heard(self, reason: str) -> None:
        """Give the attempt back because not one sample came (no microphone, no such file); a rate limit holds."""
        self._end("nothing", {"outcome": "no_decision", "reason": reason})

    def abandon(self, reason: str) -> None:
        """End the attempt without a judgement: it stays failed."""
        self._end("failed", {"outcome": "abandoned", "reason": reason})

    def __enter__(self) -> Attempt:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._over:
            self.abandon("interrupted" if kind is None else getattr(error, "code", kind.__name__))

    def _checked(
        self, said: AttemptOutcome, results: Sequence[Result], samples: Float32 | None, challenge: Digits | None
    ) -> AttemptOutcome:
        """Repeats, signs of a loudspeaker and digits, of sound that a voice was heard in."""
        used = [result for result in results if result.decision.outcome != "rejected"]
        audio = samples if samples is not None else np.concatenate([result.utterance.samples for result in used])
        said = replace(said, playback=playback_suspect(audio).to_json())
        turn = used[-max(1, used[-1].decision.pooled) :]
        if challenge is not None:
            said = _with_digits(said, turn, challenge)
        repeat, self._kept = self._repeats.meet(audio, kind="attempt", person_id=self.person_id)
        return said if repeat is None else _repeated(said, repeat)

    def _end(self, verdict: Verdict, about: Mapping[str, Any]) -> None:
        self._over = True
        if not self._counter.end(self.number, self.person_id, "attempt", verdict, {**self._about, **about}):
            if self._counter.knows(self.number):
                raise AttemptsError("The attempt took too long and has been counted as failed", "Try again.")
            # Whoever removes a person has passed the fingerprints by now, and would not find this one.
            if self._kept is not None:
                self._repeats.drop(self._kept)
            raise AttemptsError(
                "The person was removed, or unlocked with the PIN, while the attempt went on, so it does not count",
                "Try again, or enrol the person again.",
            )
        self.verdict, self.reason = verdict, about["reason"]


def _with_digits(said: AttemptOutcome, turn: Sequence[Result], challenge: Digits) -> AttemptOutcome:
    """Check the digits on the very audio that the voice was judged on."""
    found = challenge.check(np.concatenate([result.utterance.samples for result in turn]))
    said = replace(said, challenge=found.to_json())
    if said.outcome != "match":
        return said
    if not found.said_right:
        return replace(said, outcome="wrong_digits", reason=found.reason, words=_clause(found.sentence()))
    share = (found.end_seconds - found.start_seconds) / sum(result.utterance.speech_seconds for result in turn)
    if share < DIGIT_SHARE:
        words = "more was said than the digits; say nothing else"
        return replace(said, outcome="wrong_digits", reason="other_speech", words=words)
    return said


def _repeated(said: AttemptOutcome, repeat: Repeat) -> AttemptOutcome:
    """The same sound as before is no voice that speaks now, whatever else was found."""
    day, _, time = repeat.created.partition("T")
    what = "when this voice was enrolled" if repeat.kind == "enrolment" else f"on {day} at {time[:5]} UTC"
    return replace(
        said, outcome="spoof", reason="repeat", repeat=repeat.to_json(),
        words=f"the same sound was heard before, {what}; nobody says a thing twice alike",
    )  # fmt: skip


def _written(said: AttemptOutcome) -> dict[str, Any]:
    """What the log says of an outcome: figures and reasons, no sound, no name, no digits."""
    told = said.to_json()
    kept = ("outcome", "reason", "probability", "threshold", "llr", "speech_seconds", "snr_db", "target_far", "model")
    written: dict[str, Any] = {key: told[key] for key in kept}
    if said.challenge is not None:
        written["digits"] = said.challenge["reason"]
    if said.playback is not None:
        written["playback"] = said.playback["score"]
    if said.repeat is not None:
        written["likeness"] = said.repeat["likeness"]
    return written


def _clause(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:].rstrip(".")
