"""The one way by which an attempt is made, whoever asks: a command, the control socket, or PAM.

Takes a state folder; gives ``Gate``, whose ``begin`` gives an ``Attempt`` or raises ``LockedOut``.
Must hold: the attempt is on the disk as failed before a sample is heard; only a match takes that back, and a "no
decision" is given back under a rate limit.

    gate = Gate(state_folder, settings)
    with gate.begin(person.id, requester="cli") as attempt:
        ...listen...
        outcome = attempt.judge(results, person=person, profile=..., model=..., nothing=...)
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Literal

from edge.auth.clock import AttemptClock, BootClock
from edge.auth.outcome import AttemptOutcome, judge
from edge.calibrate.kept import Origin
from edge.errors import LockedOut
from edge.records import Float32, Person, Profile, Result
from edge.settings import Settings

Requester = Literal["cli", "socket", "pam"]

__all__ = ["Attempt", "AttemptOutcome", "Gate", "LockedOut", "Requester"]


class Gate:
    """Counts attempts and writes them down. Open one per process or per request; many may be open at once.

    Args:
        folder: the state folder (``edge.settings.state_dir``).
        settings: section ``auth``.
        clock: for tests.

    Raises:
        StorageError: the record of attempts cannot be read or written; nobody passes then.
        AttemptsError: it is damaged or missing; nobody passes until somebody with the PIN or the folder's owner acts.
    """

    def __init__(self, folder: Path | str, settings: Settings, clock: AttemptClock | None = None) -> None:
        self.folder = Path(folder)
        self.settings = settings
        self.clock: AttemptClock = clock if clock is not None else BootClock()

    def begin(self, person_id: str, *, requester: Requester, challenge: bool = False) -> Attempt:
        """Count an attempt as failed, on the disk, before anything is heard. Raises ``LockedOut``, ``StorageError``.

        ``challenge``: digits were asked for; ``judge`` then needs what became of them.
        """
        return Attempt(self, person_id, requester, challenge)

    def check(self, person_id: str) -> None:
        """Raise ``LockedOut`` where ``begin`` would now; counts nothing."""

    def close(self) -> None:
        """Close the files; safe to call twice."""

    def __enter__(self) -> Gate:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Attempt:
    """One attempt that has been counted as failed. Left without a judgement, it stays failed."""

    def __init__(self, gate: Gate, person_id: str, requester: Requester, challenge: bool) -> None:
        self._gate = gate
        self.person_id = person_id
        self.requester: Requester = requester
        self.challenge = challenge

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
    ) -> AttemptOutcome:
        """What the attempt came to, counted and written down; once per attempt.

        ``results``: of a pipeline that claims this person. ``samples``: float32 ``(n,)`` mono 16 kHz, all that was
        heard; None takes the utterances of ``results``. ``nothing``: the reason where ``results`` is empty. The rest as
        in ``outcome.judge``.
        """
        return judge(results, person=person, profile=profile, model=model, nothing=nothing, calibration=calibration)

    def nothing_heard(self, reason: str) -> None:
        """Give the attempt back because not one sample came (no microphone, no such file); the rate limit holds."""

    def __enter__(self) -> Attempt:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None
