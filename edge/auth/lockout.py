"""The rules of lock-out, over the rows of the record.

Takes a connection inside a transaction, an identity and the moment; gives how long it has to wait. Must hold: an open
attempt counts as a failure; delays count seconds since the boot alone (after a restart the whole delay begins again),
so that setting the clock changes nothing; a match clears what came before it and nothing else does but the PIN.

Figures: five failures in a row and at least 30 s that grow exponentially are NIST SP 800-63B (revision 3), 5.2.3.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import Final, Literal

from edge.auth.clock import Moment

FAILURES_IN_A_ROW: Final = 5
"""From this many on, each further attempt of the identity has to wait."""
FIRST_DELAY_SECONDS: Final = 30.0
"""After the fifth failure; doubled by each further one."""
LONGEST_DELAY_SECONDS: Final = 3600.0
HOUR_SECONDS: Final = 3600.0
FAILURES_AN_HOUR: Final = 20
"""Of all identities together; the PIN is counted apart."""
SILENCES_AN_HOUR: Final = 360
"""Attempts that came to no decision and were given back. Nothing is learnt by them; this bounds what they cost."""
ABANDONED_SECONDS: Final = 600.0
"""An attempt that is still open after this long, or after a restart, has been abandoned: it has failed."""
KEPT_FAILURES: Final = 16
"""Of one identity; the delay has long reached its limit."""

PIN: Final = ""
"""The identity under which attempts at the PIN are counted."""

Refusal = Literal["failures", "busy", "silences", "other_factor"]


@dataclass(frozen=True, slots=True)
class Wait:
    """Why an attempt is refused now. ``seconds``: until one is allowed, None where only the PIN helps. ``failures``: in
    a row, of this identity.
    """

    reason: Refusal
    seconds: float | None
    failures: int


@dataclass(frozen=True, slots=True)
class Taken:
    """An attempt that was counted. ``refused``: how many were refused since the one before."""

    number: int
    refused: int


def delay_seconds(failures: int) -> float:
    """How long after the last of so many failures in a row the next attempt has to wait."""
    if failures < FAILURES_IN_A_ROW:
        return 0.0
    return float(min(LONGEST_DELAY_SECONDS, FIRST_DELAY_SECONDS * 2.0 ** min(30, failures - FAILURES_IN_A_ROW)))


def failures(db: sqlite3.Connection, identity: str) -> int:
    """Failures in a row, open attempts included."""
    return len(_moments(db, "identity = ? AND state IN ('open', 'failed')", identity))


def wait(db: sqlite3.Connection, identity: str, now: Moment, fallback_seconds: float = 0.0) -> Wait | None:
    """Why ``identity`` may not try now; None where it may.

    ``fallback_seconds``: the PIN must have been given within this time and since the last restart; 0 asks for no such.
    """
    own = _moments(db, "identity = ? AND state IN ('open', 'failed')", identity)
    if own:
        left = delay_seconds(len(own)) - min(now.since(moment) for moment in own)
        if left > 0:
            return Wait("failures", left, len(own))
    if identity == PIN:
        return None
    left = _over(db, "identity != '' AND state IN ('open', 'failed', 'cleared')", FAILURES_AN_HOUR, now)
    if left > 0:
        return Wait("busy", left, len(own))
    left = _over(db, "identity != '' AND state = 'nothing'", SILENCES_AN_HOUR, now)
    if left > 0:
        return Wait("silences", left, len(own))
    if fallback_seconds > 0 and not _shown(db, identity, now, fallback_seconds):
        return Wait("other_factor", None, len(own))
    return None


def take(db: sqlite3.Connection, identity: str, now: Moment) -> Taken:
    """Count an attempt as begun, which is as failed."""
    _expire(db, now)
    row = db.execute("SELECT count FROM refusals WHERE identity = ?", (identity,)).fetchone()
    db.execute("DELETE FROM refusals WHERE identity = ?", (identity,))
    refused = int(row[0]) if row else 0
    number = db.execute(
        "INSERT INTO attempts (identity, state, boot, seconds, refused) VALUES (?, 'open', ?, ?, ?)",
        (identity, now.boot, now.seconds, refused),
    ).lastrowid
    return Taken(int(number or 0), refused)


def refuse(db: sqlite3.Connection, identity: str) -> bool:
    """Count a refusal; gives whether it is the first since the last attempt, and so worth a line."""
    db.execute("INSERT INTO refusals VALUES (?, 1) ON CONFLICT (identity) DO UPDATE SET count = count + 1", (identity,))
    return bool(db.execute("SELECT count FROM refusals WHERE identity = ?", (identity,)).fetchone()[0] == 1)


def is_open(db: sqlite3.Connection, number: int) -> bool:
    """Whether an attempt is still waiting for its judgement."""
    return db.execute("SELECT 1 FROM attempts WHERE number = ? AND state = 'open'", (number,)).fetchone() is not None


def is_there(db: sqlite3.Connection, number: int) -> bool:
    """Whether an attempt is known at all, which one is not that ``unlock`` or ``forget`` took along."""
    return db.execute("SELECT 1 FROM attempts WHERE number = ?", (number,)).fetchone() is not None


def fail(db: sqlite3.Connection, number: int, now: Moment) -> None:
    """The attempt has failed; the delay counts from now."""
    db.execute(
        "UPDATE attempts SET state = 'failed', boot = ?, seconds = ? WHERE number = ?", (now.boot, now.seconds, number)
    )


def give_back(db: sqlite3.Connection, number: int) -> None:
    """The attempt came to nothing: no failure, and no success either."""
    db.execute("UPDATE attempts SET state = 'nothing' WHERE number = ?", (number,))


def succeed(db: sqlite3.Connection, number: int, identity: str) -> None:
    """The attempt matched: it and the failures of this identity before it are no longer in a row. Attempts that were
    begun later stay what they are, and failures go on counting for the hour.
    """
    db.execute("DELETE FROM attempts WHERE number = ?", (number,))
    db.execute(
        "UPDATE attempts SET state = 'cleared' WHERE identity = ? AND number < ? AND state IN ('open', 'failed')",
        (identity, number),
    )


def unlock(db: sqlite3.Connection, identity: str, now: Moment) -> int:
    """Another factor was shown: forget this identity's failures, of the hour too; gives how many that were."""
    count = failures(db, identity)
    db.execute("DELETE FROM attempts WHERE identity = ? AND state != 'nothing'", (identity,))
    db.execute("DELETE FROM refusals WHERE identity = ?", (identity,))
    db.execute("INSERT OR REPLACE INTO factors VALUES (?, ?, ?)", (identity, now.boot, now.seconds))
    return count


def forget(db: sqlite3.Connection, identity: str) -> int:
    """A person is enrolled no more: nothing that was counted of them stays; gives how many attempts that were."""
    gone = db.execute("DELETE FROM attempts WHERE identity = ?", (identity,)).rowcount
    db.execute("DELETE FROM refusals WHERE identity = ?", (identity,))
    db.execute("DELETE FROM factors WHERE identity = ?", (identity,))
    return gone


def abandon(db: sqlite3.Connection, now: Moment) -> list[tuple[int, str]]:
    """Mark attempts that nobody will judge any more as failed; gives their numbers and identities."""
    rows = db.execute("SELECT number, identity, boot, seconds FROM attempts WHERE state = 'open'").fetchall()
    gone = [
        (int(number), str(identity))
        for number, identity, boot, seconds in rows
        if boot != now.boot or now.since(Moment(boot, seconds)) > ABANDONED_SECONDS
    ]
    db.executemany("UPDATE attempts SET state = 'failed' WHERE number = ?", [(number,) for number, _ in gone])
    return gone


def _moments(db: sqlite3.Connection, where: str, *values: str) -> list[Moment]:
    # ``where`` comes from this module alone.
    return [
        Moment(str(boot), float(at))
        for boot, at in db.execute(f"SELECT boot, seconds FROM attempts WHERE {where}", values)
    ]


def _over(db: sqlite3.Connection, where: str, most: int, now: Moment) -> float:
    """Seconds until fewer than ``most`` such attempts lie within the last hour; 0 where that is so."""
    ages = sorted(age for age in map(now.since, _moments(db, where)) if age < HOUR_SECONDS)
    return HOUR_SECONDS - ages[most - 1] if len(ages) >= most else 0.0


def _shown(db: sqlite3.Connection, identity: str, now: Moment, within_seconds: float) -> bool:
    row = db.execute("SELECT boot, seconds FROM factors WHERE identity = ?", (identity,)).fetchone()
    if row is None or row[0] != now.boot:
        return False
    return now.since(Moment(row[0], row[1])) < within_seconds


def _expire(db: sqlite3.Connection, now: Moment) -> None:
    """Forget what can no longer matter."""
    rows = db.execute("SELECT number, boot, seconds FROM attempts WHERE state IN ('cleared', 'nothing')").fetchall()
    old = [(n,) for n, boot, seconds in rows if now.since(Moment(boot, seconds)) >= HOUR_SECONDS]
    db.executemany("DELETE FROM attempts WHERE number = ?", old)
    rows = db.execute(
        "SELECT number, boot, seconds FROM (SELECT *, row_number() OVER (PARTITION BY identity ORDER BY number DESC) "
        "AS place FROM attempts WHERE state = 'failed') WHERE place > ?",
        (KEPT_FAILURES,),
    ).fetchall()
    many = [(n,) for n, boot, seconds in rows if now.since(Moment(boot, seconds)) >= HOUR_SECONDS]
    db.executemany("DELETE FROM attempts WHERE number = ?", many)
