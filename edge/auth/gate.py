"""Counting attempts: what may begin, what it came to, and the PIN that takes a lock-out back.

Takes a state folder; gives ``Counter``, on which ``attempt.Gate`` stands. Must hold: ``begin`` has counted a failure on
the disk when it returns; whatever is refused or judged has its line in the audit log in the same transaction.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from edge.auth import lockout, pin
from edge.auth.clock import AttemptClock
from edge.auth.lockout import Taken, Wait
from edge.auth.record import Record, Session
from edge.auth.words import duration
from edge.errors import AttemptsError, LockedOut, UsageError

THE_PIN: Final = "The PIN"


class Counter:
    """The record of attempts and its log, opened. Threads may share one.

    ``fallback_hours``: how long the PIN is good for before a voice alone no longer is; 0 asks for no such thing.
    Raises ``AttemptsError`` or ``StorageError``; nobody passes then.
    """

    def __init__(self, folder: Path, clock: AttemptClock, fallback_hours: float = 0.0) -> None:
        self._clock = clock
        self._fallback_seconds = 3600.0 * fallback_hours
        self._record = Record(folder, clock)

    def close(self) -> None:
        """Close the files; safe to call twice."""
        self._record.close()

    def begin(self, identity: str, about: Mapping[str, Any], *, called: str) -> Taken:
        """Count an attempt. ``about``: what the log says besides, plain values. ``called``: the name for people.

        Raises ``LockedOut``.
        """
        with self._record.writing() as session:
            now = self._clock.moment()
            self._note_abandoned(session)
            refusal = lockout.wait(session.db, identity, now, self._fallback_seconds)
            if refusal is None:
                return lockout.take(session.db, identity, now)
            if lockout.refuse(session.db, identity):
                session.journal.add(
                    "refused", {**_who(identity), **about, "reason": refusal.reason, "failures": refusal.failures}
                )
        raise locked_out(refusal, called)

    def check(self, identity: str, *, called: str) -> None:
        """Raise ``LockedOut`` where ``begin`` would now; counts and writes nothing."""
        with self._record.reading() as session:
            refusal = lockout.wait(session.db, identity, self._clock.moment(), self._fallback_seconds)
        if refusal is not None:
            raise locked_out(refusal, called)

    def failures(self, identity: str) -> int:
        """Failures in a row."""
        with self._record.reading() as session:
            return lockout.failures(session.db, identity)

    def end(self, number: int, identity: str, event: str, verdict: str, about: Mapping[str, Any]) -> bool:
        """The attempt is over. ``verdict``: ``match``, ``nothing`` or ``failed``. Gives False, and changes nothing,
        where it had been given up as abandoned meanwhile, or forgotten (see ``knows``).
        """
        with self._record.writing() as session:
            if not lockout.is_open(session.db, number):
                return False
            if verdict == "match":
                lockout.succeed(session.db, number, identity)
            elif verdict == "nothing":
                lockout.give_back(session.db, number)
            else:
                lockout.fail(session.db, number, self._clock.moment())
            session.journal.add(event, {"attempt": number, **_who(identity), **about})
            return True

    def knows(self, number: int) -> bool:
        """Whether an attempt that has not matched is in the record; False where it was forgotten, because its person
        was removed or the PIN was given while it went on.
        """
        with self._record.reading() as session:
            return lockout.is_there(session.db, number)

    def set_pin(self, new: str, old: str | None = None) -> None:
        """Set the PIN, or change it. Raises ``UsageError`` where the old one is missing or wrong, or the new one is too
        plain; ``LockedOut`` while somebody is: the first PIN must not be how a lock-out ends.
        """
        pin.check_form(new)
        if self.has_pin:
            if old is None:
                raise UsageError("There is a PIN already", "Give the old one too.")
            self._show(old)
        with self._record.writing() as session:
            if old is None and pin.is_set(session.db):  # somebody was faster
                raise UsageError("There is a PIN already", "Give the old one too.")
            if old is None and self._anybody_waits(session):
                raise AttemptsError(
                    "Somebody is locked out, and a first PIN cannot end that", "Set the PIN when the time is over."
                )
            pin.keep(session.db, new)
            session.journal.add("pin_set", {"uid": os.geteuid(), "changed": old is not None})

    @property
    def has_pin(self) -> bool:
        """Whether there is a PIN."""
        with self._record.reading() as session:
            return pin.is_set(session.db)

    def unlock(self, identity: str, given: str) -> int:
        """Forget the failures of a person, for the PIN; gives how many that were. Raises ``UsageError`` where there is
        none, ``AttemptsError`` for a wrong one, ``LockedOut`` after too many of these.
        """
        if not self.has_pin:
            raise UsageError(
                "No PIN has been set, so only waiting helps", "Set one for the next time: `earmark unlock --set-pin`."
            )
        self._show(given)
        with self._record.writing() as session:
            forgotten = lockout.unlock(session.db, identity, self._clock.moment())
            session.journal.add("unlocked", {**_who(identity), "uid": os.geteuid(), "failures": forgotten})
        return forgotten

    def forget(self, identity: str) -> int:
        """A person was removed: forget what was counted of them, and overwrite it; gives how many attempts that were.

        The audit log keeps its lines, which name nobody (only the id); it would not hold together without them.
        """
        with self._record.writing() as session:
            session.db.execute("PRAGMA secure_delete = ON")
            gone = lockout.forget(session.db, identity)
            session.journal.add("removed", {**_who(identity), "uid": os.geteuid(), "attempts": gone})
        self._record.scrub()
        return gone

    def _show(self, given: str) -> None:
        """Check the PIN, counted like any attempt: as failed before it is looked at."""
        taken = self.begin(lockout.PIN, {"uid": os.geteuid()}, called=THE_PIN)
        with self._record.reading() as session:
            row = session.db.execute("SELECT salt, digest, n, r, p FROM pin").fetchone()
        right = row is not None and pin.fits(row, given)
        self.end(
            taken.number, lockout.PIN, "pin", "match" if right else "failed",
            {"uid": os.geteuid(), "outcome": "match" if right else "no_match"},
        )  # fmt: skip
        if not right:
            raise WrongPin("That is not the PIN", "Try again; after five wrong ones it takes waiting.")

    def _anybody_waits(self, session: Session) -> bool:
        now = self._clock.moment()
        rows = session.db.execute("SELECT DISTINCT identity FROM attempts").fetchall()
        waits = [lockout.wait(session.db, str(row[0]), now) for row in rows]
        return any(found is not None for found in waits)

    def _note_abandoned(self, session: Session) -> None:
        for number, identity in lockout.abandon(session.db, self._clock.moment()):
            session.journal.add(
                "attempt", {"attempt": number, **_who(identity), "outcome": "abandoned", "reason": "cut_off"}
            )


class WrongPin(AttemptsError):
    """That was not the PIN."""

    exit_code = 1
    code = "wrong_pin"


def locked_out(refusal: Wait, called: str) -> LockedOut:
    """The error for people."""
    if refusal.seconds is None:
        cause = f"{called} has to give the PIN first: it was not given since the last restart, or not for a while"
        return LockedOut(refusal.reason, None, cause, f"`earmark unlock {shlex.quote(called)}` takes it.")
    time = duration(refusal.seconds)
    remedy = f"Wait, or give the PIN: `earmark unlock {shlex.quote(called)}`." if called != THE_PIN else "Wait."
    if refusal.reason == "failures":
        cause = f"{called} is locked out for {time} after {refusal.failures} failed attempts in a row"
        return LockedOut(refusal.reason, refusal.seconds, cause, remedy)
    if refusal.reason == "busy":
        cause = f"There were {lockout.FAILURES_AN_HOUR} failed attempts within an hour: nobody is recognised for {time}"
        return LockedOut(refusal.reason, refusal.seconds, cause, remedy)
    cause = (
        f"There were {lockout.SILENCES_AN_HOUR} attempts without speech within an hour: nobody is recognised for {time}"
    )
    return LockedOut(refusal.reason, refusal.seconds, cause, "Ask only when somebody is there to speak.")


def _who(identity: str) -> dict[str, str]:
    return {"person": identity} if identity else {}
