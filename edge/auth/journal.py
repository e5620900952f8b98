"""The audit log being written: append-only lines of JSON in ``audit.jsonl``, whose head stands in the record.

Takes events; gives lines in files, and the head (how many entries, the latest hash and lines) in the transaction that
they belong to. Must hold: after a power cut between the two, the lines are written from the head; a log that somebody
changed is not "mended" but left as evidence; rotation carries the chain over; no sound and no names are written.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from edge.auth import chain, files
from edge.auth.clock import AttemptClock
from edge.whole_file import sync

LONGEST_BYTES: Final = 1_000_000
"""A file longer than this is rotated before the next entry; about 3000 attempts."""
KEPT_FILES: Final = 8
"""Rotated files that are kept."""


@dataclass(frozen=True, slots=True)
class Head:
    """What the record knows of the log. ``entries``: number of the last one. ``latest``: the lines of the last
    transaction, ``before`` the hash of the line before these. ``first``: number of the first entry that is still kept,
    ``first_prev`` the hash that it names as the one before.
    """

    entries: int
    hash: str
    latest: bytes
    before: str
    first: int
    first_prev: str


def head(db: sqlite3.Connection) -> Head:
    """Read the head."""
    row = db.execute("SELECT entries, hash, latest, before, first, first_prev FROM head").fetchone()
    return Head(*row)


class Journal:
    """One use of the log, by whoever holds the lock (see ``files.locked``)."""

    def __init__(self, folder: Path, db: sqlite3.Connection, clock: AttemptClock) -> None:
        self.folder = folder
        self._db = db
        self._clock = clock
        self._events: list[tuple[str, Mapping[str, Any]]] = []
        self._lines = b""
        self._expired: list[Path] = []

    def add(self, event: str, values: Mapping[str, Any]) -> None:
        """An entry; it gets its time, number and hashes when the transaction is sealed."""
        self._events.append((event, values))

    def seal(self) -> None:
        """Put the head of what was added into the running transaction."""
        if not self._events:
            return
        known = head(self._db)
        number, digest = known.entries, known.hash
        moment = self._clock.moment()
        when = datetime.fromtimestamp(self._clock.now(), UTC).isoformat(timespec="milliseconds")
        stamp = {"time": when.replace("+00:00", "Z"), "boot": moment.boot[:8], "up": round(moment.seconds, 3)}
        for event, values in self._events:
            number += 1
            line, digest = chain.link(number, digest, {**stamp, "event": event, **values})
            self._lines += line
        self._events.clear()
        self._db.execute(
            "UPDATE head SET entries = ?, hash = ?, latest = ?, before = ?", (number, digest, self._lines, known.hash)
        )

    def write(self) -> None:
        """Append what was sealed; after the transaction. Raises ``OSError``; ``mend`` writes it then."""
        if self._lines:
            path = self.folder / files.LOG
            files.append(path, (b"" if _ends_well(path) else b"\n") + self._lines)
            self._lines = b""
        for path in self._expired:
            path.unlink(missing_ok=True)
        self._expired.clear()

    def mend(self) -> bool:
        """Write what the last transaction promised and a power cut prevented; gives whether there was such.

        Only where what is there is exactly the log without these lines: whatever else is missing or differs stays.
        """
        known = head(self._db)
        there = files.logs(self.folder)
        if not known.latest:
            return False
        text = there[-1].read_bytes()[-len(known.latest) - 200 :] if there else b""
        if text.endswith(known.latest):
            return False
        before = chain.ending(b"}", known.before)[1:] if known.before != chain.START else b""
        for size in range(len(known.latest) - 1, -1, -1):
            part = known.latest[:size]
            rest = text[: len(text) - size]
            fits = rest.endswith(before) if rest else known.before in {chain.START, _last_hash(there[:-1])}
            if text.endswith(part) and fits:
                files.append(self.folder / files.LOG if not there else there[-1], known.latest[size:])
                return True
        return False

    def rotate_if_long(self) -> None:
        """Begin a new file where the current one is long, and drop the oldest beyond ``KEPT_FILES``."""
        current = self.folder / files.LOG
        if not current.exists() or current.stat().st_size < LONGEST_BYTES:
            return
        with current.open("rb") as file:
            entry = chain.read(file.readline().rstrip(b"\n"))
        # A first line that somebody has spoilt must not stop the log: any number that is not taken will do.
        first = entry.number if entry is not None and entry.number > 0 else head(self._db).entries
        target = files.rotated(self.folder, first)
        if target.exists():
            return
        current.rename(target)
        sync(self.folder)
        old = files.logs(self.folder)
        if len(old) > KEPT_FILES:
            with old[-KEPT_FILES].open("rb") as file:
                oldest = chain.read(file.readline().rstrip(b"\n"))
            self._db.execute(
                "UPDATE head SET first = ?, first_prev = ?",
                (files.first_number(old[-KEPT_FILES]), oldest.prev if oldest else ""),
            )
            self._expired = old[:-KEPT_FILES]


def carried_on(folder: Path) -> tuple[int, str, int, str]:
    """Where a new record takes up the log that is there: number and hash of its last entry, number of its first one and
    the hash that it names as the one before; of an empty log 0, zeros, 1, zeros.
    """
    entries = [entry for path in files.logs(folder) for entry in map(chain.read, _lines(path)) if entry is not None]
    if not entries:
        return 0, chain.START, 1, chain.START
    return entries[-1].number, entries[-1].hash, entries[0].number, entries[0].prev


def _lines(path: Path) -> list[bytes]:
    return path.read_bytes().split(b"\n")


def _last_hash(paths: list[Path]) -> str:
    for path in reversed(paths):
        for line in reversed(_lines(path)):
            if line:
                entry = chain.read(line)
                return entry.hash if entry else ""
    return ""


def _ends_well(path: Path) -> bool:
    """Whether a file is absent, empty, or ends with a line feed."""
    if not path.exists() or path.stat().st_size == 0:
        return True
    with path.open("rb") as file:
        file.seek(-1, 2)
        return file.read(1) == b"\n"
