"""The SQLite file behind the outbox: made, opened, checked, moved aside when it is damaged, and looked at from outside.

Takes a path; gives a connection with the schema of this version. Must hold: the files are readable by the owner alone;
a damaged file is kept for whoever wants to look at it, but not more than ``_KEPT`` of them.

Write-ahead log with ``synchronous=FULL``: one fsync per append (a rollback journal needs two or three). The log is
written back into the file every 256 pages, so it stays near 1 MiB, and shrinks to that after a burst.
"""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from edge.errors import StorageError
from edge.sqlite_files import check_content, make_private, marks, one_look

_LOG = logging.getLogger(__name__)
SCHEMA_VERSION: Final = 1
PENDING, DELIVERED, REFUSED = 0, 1, 2
_LOG_PAGES: Final = 256
_KEPT: Final = 3
"""Damaged files that are kept; a card that dies slowly must not fill itself with them."""
_SCHEMA: Final = (
    """CREATE TABLE IF NOT EXISTS messages(
    id INTEGER PRIMARY KEY AUTOINCREMENT, topic TEXT NOT NULL, payload BLOB NOT NULL, qos INTEGER NOT NULL,
    retain INTEGER NOT NULL, kind TEXT NOT NULL CHECK(kind IN ('event', 'state')), status INTEGER NOT NULL DEFAULT 0
)""",
    "CREATE UNIQUE INDEX IF NOT EXISTS state_topics ON messages(topic) WHERE kind = 'state'",
    "CREATE INDEX IF NOT EXISTS events ON messages(id) WHERE kind = 'event'",
    "CREATE TABLE IF NOT EXISTS counters(name TEXT PRIMARY KEY, value INTEGER NOT NULL)",
)
_DDL: Final = f"""
BEGIN IMMEDIATE;
{"".join(f"{statement};" for statement in _SCHEMA)}
INSERT OR IGNORE INTO counters VALUES ('dropped', 0);
PRAGMA user_version = {SCHEMA_VERSION};
COMMIT;
"""
_NO_TOPIC: Final = "topic = '' OR length(CAST(topic AS BLOB)) > 65535 OR topic GLOB '*[+#]*'"


class CorruptError(sqlite3.DatabaseError):
    """A file that SQLite opens, but that is not a usable outbox."""


@dataclass(frozen=True, slots=True)
class OutboxCounters:
    """``pending``: waiting for the broker. ``refused``: set aside because the broker does not allow them. ``dropped``:
    events given up for lack of room, ever. ``in_memory``: not on the disk because it cannot be written.
    """

    pending: int
    refused: int
    dropped: int
    in_memory: int


def connect(path: Path, last_id: int) -> tuple[sqlite3.Connection, int]:
    """Open or make the file; gives the connection and the highest id ever given. Ids after ``last_id`` ascend, also
    where a damaged file was replaced. Raises ``sqlite3.Error`` (see ``is_corrupt``) or ``OSError``.
    """
    make_private(path)  # SQLite gives its companion files the mode of this one
    db = sqlite3.connect(path, timeout=5.0, isolation_level=None, check_same_thread=False)
    try:
        with one_look(db):
            version, _, _ = marks(db)
        if version > SCHEMA_VERSION:
            raise CorruptError(f"made by a newer version of Earmark (format {version})")
        db.execute("PRAGMA journal_mode = WAL")
        db.execute(f"PRAGMA wal_autocheckpoint = {_LOG_PAGES}")
        db.execute(f"PRAGMA journal_size_limit = {_LOG_PAGES * 4096}")
        if version < SCHEMA_VERSION:
            db.executescript(_DDL)
        check_content(db, _SCHEMA)
        if db.execute(f"SELECT 1 FROM messages WHERE {_NO_TOPIC} OR kind = 'event' AND id < 1").fetchone():
            raise CorruptError("it holds what is no message")
        (last,) = db.execute("SELECT MAX(seq) FROM sqlite_sequence").fetchone()
        if last_id > (last or 0):
            db.execute("DELETE FROM sqlite_sequence")
            db.execute("INSERT INTO sqlite_sequence(name, seq) VALUES ('messages', ?)", (last_id,))
        return db, max(last_id, last or 0)
    except BaseException:
        db.close()
        raise


def move_aside(path: Path, error: sqlite3.Error, now: float) -> None:
    """Keep a damaged file under another name; of several, the latest. ``now``: UTC seconds. Raises ``OSError``."""
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
    target = next(one for one in _names(path, stamp) if not one.exists())
    for suffix in ("-wal", "-shm", ""):
        companion = Path(f"{path}{suffix}")
        if companion.exists():
            companion.rename(f"{target}{suffix}")
    _LOG.warning("The outbox %s is damaged (%s): kept as %s, and a new one is begun", path, error, target.name)
    kept = sorted(path.parent.glob(f"{path.stem}.corrupt-*{path.suffix}"), key=lambda one: (one != target, one.name))
    for old in sorted(kept[1:], key=lambda one: one.name, reverse=True)[_KEPT - 1 :]:
        for suffix in ("-wal", "-shm", ""):
            with contextlib.suppress(OSError):
                Path(f"{old}{suffix}").unlink(missing_ok=True)


def is_corrupt(error: sqlite3.Error) -> bool:
    """Whether the file is damaged, as opposed to busy, unwritable or on a full disk."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return isinstance(error, CorruptError) or code in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


def is_full(error: Exception) -> bool:
    """Whether more room on the disk may help."""
    # A file system that has no room for the log's index answers with an I/O error.
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return isinstance(error, OSError) or code in {
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PROTOCOL,
    }


def examine(db: sqlite3.Connection) -> bool:
    """Refuse a file that is no outbox of ours, before anything else is done with it. Gives whether there is something
    in it: another process may be about to make its tables. Raises ``sqlite3.Error``.
    """
    with one_look(db):
        if marks(db) == (0, 0, False):
            return False
        check_content(db, _SCHEMA)
    return True


def peek(path: Path) -> OutboxCounters:
    """The counters of an outbox that a daemon may be using, without changing anything. Raises ``StorageError``."""
    try:
        with contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", timeout=5.0, uri=True)) as db:
            if not examine(db):
                return OutboxCounters(0, 0, 0, 0)
            counts = dict(db.execute("SELECT status, COUNT(*) FROM messages GROUP BY status").fetchall())
            dropped = db.execute("SELECT value FROM counters WHERE name = 'dropped'").fetchone() or (0,)
    except sqlite3.Error as error:
        raise StorageError(
            f"The outbox {path} cannot be read: {error}",
            "Check that this user may read it; a damaged one is put aside and begun anew by `earmark run`.",
        ) from error
    return OutboxCounters(counts.get(PENDING, 0), counts.get(REFUSED, 0), int(dropped[0]), 0)


def _names(path: Path, stamp: str) -> Iterator[Path]:
    yield path.with_name(f"{path.stem}.corrupt-{stamp}{path.suffix}")
    number = 2
    while True:
        yield path.with_name(f"{path.stem}.corrupt-{stamp}-{number}{path.suffix}")
        number += 1
