"""Durable queue of MQTT messages between the pipeline and the broker, in one SQLite file.

Takes ``Message``s, gives them back in order until each is acknowledged. Must hold: a message that ``append``
returned for survives SIGKILL and a power cut; events keep their order and are never replaced; of a state only the
latest per topic counts, and it is remembered after delivery (``states``) so that a broker that forgot it can be told
again; the queue is bounded by dropping the oldest events, and what is dropped is counted for good.

Write-ahead log with ``synchronous=FULL``: one fsync per append (a rollback journal needs two or three).
Acknowledgements use ``NORMAL``, which costs no fsync: a power cut may forget them, and then the broker gets the
message once more, with the same id.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, TypeVar

from edge.errors import StorageError
from edge.records import Message

_LOG = logging.getLogger(__name__)
_Given = TypeVar("_Given")
_SCHEMA_VERSION: Final = 1
_PENDING, _DELIVERED, _REFUSED = 0, 1, 2
_DDL: Final = f"""
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS messages(
    id INTEGER PRIMARY KEY AUTOINCREMENT, topic TEXT NOT NULL, payload BLOB NOT NULL, qos INTEGER NOT NULL,
    retain INTEGER NOT NULL, kind TEXT NOT NULL CHECK(kind IN ('event', 'state')), status INTEGER NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX IF NOT EXISTS state_topics ON messages(topic) WHERE kind = 'state';
CREATE INDEX IF NOT EXISTS events ON messages(id) WHERE kind = 'event';
CREATE TABLE IF NOT EXISTS counters(name TEXT PRIMARY KEY, value INTEGER NOT NULL);
INSERT OR IGNORE INTO counters VALUES ('dropped', 0);
PRAGMA user_version = {_SCHEMA_VERSION};
COMMIT;
"""
_COLUMNS: Final = "id, topic, payload, qos, retain, kind"
_MEMORY_EVENTS: Final = 1000
"""Events held while the disk cannot be written; every append tries to write them all, so their number stays small."""


@dataclass(frozen=True, slots=True)
class OutboxCounters:
    """``pending``: waiting for the broker. ``refused``: set aside because the broker does not allow them. ``dropped``:
    events given up for lack of room, ever. ``in_memory``: not on the disk because it cannot be written.
    """

    pending: int
    refused: int
    dropped: int
    in_memory: int


class Outbox:
    """The queue. Safe to use from several threads; open it after forking, not before.

    Args:
        path: the SQLite file; it and its companions are readable by the owner alone.
        max_events: how many undelivered events are kept; beyond it the oldest go.
        now: UTC seconds, for the name of a corrupt file that is moved aside.

    Raises:
        StorageError: the file cannot be made or opened.
    """

    def __init__(self, path: Path | str, max_events: int = 10_000, *, now: Callable[[], float] = time.time) -> None:
        self.path = Path(path)
        self._max_events = max(1, max_events)
        self._now = now
        self._lock = threading.RLock()
        # What the disk would not take: messages, settlements (id -> status) and drops. Empty in good times.
        self._memory: dict[int, Message] = {}
        self._settled: dict[int, int] = {}
        self._unsaved_drops = 0
        self._last_id = 0
        try:
            self._db = self._open()
        except (sqlite3.Error, OSError) as error:
            raise StorageError(
                f"The outbox {self.path} cannot be opened: {error}",
                "Check that its folder exists, belongs to this user, and that the disk has room.",
            ) from error

    def append(self, message: Message) -> int:
        """Store a message; it is on the disk when this returns. Gives its id, which ascends.

        Raises ``StorageError`` where the disk cannot be written. The message is then kept in memory, and is
        delivered and later written like any other: do not append it again.
        """
        return self.append_all((message,))[0]

    def append_all(self, messages: Sequence[Message]) -> list[int]:
        """Store several messages in one transaction, for the price of one; otherwise as ``append``."""
        with self._lock:
            try:
                ids = self._write(lambda: [self._insert(None, message) for message in messages])
            except sqlite3.Error as error:
                for message in messages:
                    self._remember(message)
                raise StorageError(
                    f"The outbox {self.path} cannot be written ({error}); {len(self._memory)} messages wait in memory",
                    "Free some space on that disk; delivery goes on, but a restart would lose them.",
                ) from error
            self._last_id = max(self._last_id, *ids) if ids else self._last_id
            return ids

    def pending(self, limit: int = 100, after: int = 0) -> list[tuple[int, Message]]:
        """Undelivered messages in order, at most ``limit``, with ids above ``after``. Raises ``StorageError``."""
        query = f"SELECT {_COLUMNS} FROM messages WHERE status = {_PENDING} AND id > ? ORDER BY id LIMIT ?"
        with self._lock:
            newer = {message.topic for message in self._memory.values() if message.kind == "state"}
            # Rows that memory knows better are left out, so ask for that many more.
            rows = self._read(query, after, limit + len(self._settled) + len(newer))
            found = [
                (ident, one) for ident, one in map(_message, rows) if one.kind == "event" or one.topic not in newer
            ]
            found += [(ident, one) for ident, one in self._memory.items() if ident > after]
            return [(ident, one) for ident, one in found if ident not in self._settled][:limit]

    def states(self) -> list[tuple[int, Message]]:
        """The latest message of every retained topic, delivered or not, oldest first; cleared topics are left out.
        Raises ``StorageError``.
        """
        with self._lock:
            rows = self._read(f"SELECT {_COLUMNS} FROM messages WHERE kind = 'state' ORDER BY id")
            latest = {message.topic: (ident, message) for ident, message in map(_message, rows)}
            latest |= {one.topic: (ident, one) for ident, one in self._memory.items() if one.kind == "state"}
            return sorted((one for one in latest.values() if one[1].payload), key=lambda one: one[0])

    def acknowledge(self, *ids: int) -> None:
        """The broker has them: events go, states are remembered as delivered. Unknown ids are ignored."""
        self._settle(ids, _DELIVERED)

    def set_aside(self, *ids: int) -> None:
        """The broker refuses them for good: keep them out of the way until ``take_back``."""
        self._settle(ids, _REFUSED)

    def take_back(self) -> int:
        """Make refused messages pending again; gives how many there were."""
        change = f"UPDATE messages SET status = {_PENDING} WHERE status = {_REFUSED}"
        with self._lock, contextlib.suppress(sqlite3.Error):
            return self._write(lambda: self._db.execute(change).rowcount, durable=False)
        return 0

    @property
    def counters(self) -> OutboxCounters:
        """How full it is, and what was lost. Raises ``StorageError``."""
        with self._lock:
            status = {**dict(self._read("SELECT id, status FROM messages")), **dict.fromkeys(self._memory, _PENDING)}
            status |= {ident: new for ident, new in self._settled.items() if ident in status}
            dropped = self._read("SELECT value FROM counters WHERE name = 'dropped'")
            values = list(status.values())
            return OutboxCounters(
                pending=values.count(_PENDING),
                refused=values.count(_REFUSED),
                dropped=(dropped[0][0] if dropped else 0) + self._unsaved_drops,
                in_memory=len(self._memory),
            )

    def close(self) -> None:
        """Write what can still be written and close the file."""
        with self._lock:
            if self._memory or self._settled:
                with contextlib.suppress(sqlite3.Error):
                    self._write(lambda: None)
            if self._memory:
                _LOG.warning("%d messages could not be written to %s and are lost", len(self._memory), self.path)
            self._db.close()

    def __enter__(self) -> Outbox:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _insert(self, ident: int | None, message: Message) -> int:
        if message.kind == "state":
            self._db.execute("DELETE FROM messages WHERE kind = 'state' AND topic = ?", (message.topic,))
        (highest,) = self._db.execute("SELECT MAX(seq) FROM sqlite_sequence").fetchone()
        if ident is None or ident <= (highest or 0):
            # Ids given to messages in memory count as well, also when these never reached the disk.
            ident = max(highest or 0, self._last_id) + 1
        self._db.execute(
            "INSERT INTO messages(id, topic, payload, qos, retain, kind) VALUES (?, ?, ?, ?, ?, ?)",
            (ident, message.topic, message.payload, message.qos, message.retain, message.kind),
        )
        if message.kind == "event":
            (count,) = self._db.execute("SELECT COUNT(*) FROM messages WHERE kind = 'event'").fetchone()
            self._drop_oldest(count - self._max_events)
        return ident

    def _drop_oldest(self, surplus: int) -> None:
        if surplus <= 0:
            return
        self._db.execute(
            "DELETE FROM messages WHERE id IN (SELECT id FROM messages WHERE kind = 'event' ORDER BY id LIMIT ?)",
            (surplus,),
        )
        self._count_dropped(surplus)

    def _count_dropped(self, number: int) -> None:
        self._db.execute("UPDATE counters SET value = value + ? WHERE name = 'dropped'", (number,))

    def _remember(self, message: Message) -> None:
        """Keep a message that the disk would not take."""
        self._last_id += 1
        same = [
            ident
            for ident, one in self._memory.items()
            if message.kind == one.kind == "state" and one.topic == message.topic
        ]
        events = [ident for ident, one in self._memory.items() if one.kind == "event"]
        if message.kind == "event" and len(events) >= min(self._max_events, _MEMORY_EVENTS):
            same.append(events[0])
            self._unsaved_drops += 1
        for ident in same:
            del self._memory[ident]
        self._memory[self._last_id] = message

    def _settle(self, ids: Sequence[int], status: int) -> None:
        with self._lock:
            for ident in ids:
                if status == _DELIVERED and ident in self._memory and self._memory[ident].kind == "event":
                    del self._memory[ident]
                else:
                    self._settled[ident] = status
            if self._settled:
                with contextlib.suppress(sqlite3.Error):
                    self._write(lambda: None, durable=False)

    def _apply_settled(self) -> None:
        delivered = [(ident,) for ident, status in self._settled.items() if status == _DELIVERED]
        self._db.executemany("DELETE FROM messages WHERE id = ? AND (kind = 'event' OR length(payload) = 0)", delivered)
        self._db.executemany(
            "UPDATE messages SET status = ? WHERE id = ?", [(status, ident) for ident, status in self._settled.items()]
        )

    def _write(self, change: Callable[[], _Given], durable: bool = True) -> _Given:
        """Run ``change`` in a transaction, after what memory still holds. Raises ``sqlite3.Error``, with nothing
        changed.
        """
        try:
            return self._transaction(change, durable or bool(self._memory))
        except sqlite3.DatabaseError as error:
            if not _is_corrupt(error):
                raise
            self._start_over(error)
            return self._transaction(change, durable)

    def _transaction(self, change: Callable[[], _Given], durable: bool) -> _Given:
        self._db.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
        self._db.execute("BEGIN IMMEDIATE")
        try:
            for ident, message in self._memory.items():
                self._insert(ident, message)
            self._apply_settled()
            if self._unsaved_drops:
                self._count_dropped(self._unsaved_drops)
            given = change()
            self._db.execute("COMMIT")
        except BaseException:
            # SQLite rolls back by itself after some errors, and then this one fails.
            with contextlib.suppress(sqlite3.Error):
                self._db.execute("ROLLBACK")
            raise
        self._memory.clear()
        self._settled.clear()
        self._unsaved_drops = 0
        return given

    def _read(self, query: str, *values: int) -> list[tuple[Any, ...]]:
        try:
            return self._db.execute(query, values).fetchall()
        except sqlite3.DatabaseError as error:
            if not _is_corrupt(error):
                raise StorageError(f"The outbox {self.path} cannot be read: {error}", "Check the disk.") from error
            self._start_over(error)
            return []

    def _open(self) -> sqlite3.Connection:
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            return self._connect()
        except sqlite3.DatabaseError as error:
            if not _is_corrupt(error):
                raise
            self._move_aside(error)
            return self._connect()

    def _connect(self) -> sqlite3.Connection:
        # SQLite gives its companion files the mode of this one.
        os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))
        self.path.chmod(0o600)
        db = sqlite3.connect(self.path, timeout=5.0, isolation_level=None, check_same_thread=False)
        try:
            db.execute("PRAGMA journal_mode = WAL")
            (version,) = db.execute("PRAGMA user_version").fetchone()
            if version > _SCHEMA_VERSION:
                raise _CorruptError(f"made by a newer version of Earmark (format {version})")
            (verdict,) = db.execute("PRAGMA quick_check(1)").fetchone()
            if verdict != "ok":
                raise _CorruptError(verdict)
            if version < _SCHEMA_VERSION:
                db.executescript(_DDL)
            (last,) = db.execute("SELECT MAX(seq) FROM sqlite_sequence").fetchone()
            if self._last_id > (last or 0):
                # After a corrupt file was replaced: ids go on ascending for whoever remembers one.
                db.execute("DELETE FROM sqlite_sequence")
                db.execute("INSERT INTO sqlite_sequence(name, seq) VALUES ('messages', ?)", (self._last_id,))
            self._last_id = max(self._last_id, last or 0)
        except BaseException:
            db.close()
            raise
        return db

    def _start_over(self, error: sqlite3.Error) -> None:
        self._db.close()
        self._move_aside(error)
        self._db = self._connect()

    def _move_aside(self, error: sqlite3.Error) -> None:
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(self._now()))
        target = next(one for one in _names(self.path, stamp) if not one.exists())
        for suffix in ("-wal", "-shm", ""):
            companion = Path(f"{self.path}{suffix}")
            if companion.exists():
                companion.rename(f"{target}{suffix}")
        _LOG.warning("The outbox %s is damaged (%s): kept as %s, and a new one is begun", self.path, error, target.name)


class _CorruptError(sqlite3.DatabaseError):
    """A file that SQLite opens, but that is not a usable outbox."""


def peek(path: Path) -> OutboxCounters:
    """The counters of an outbox that a daemon may be using, without changing anything. Raises ``StorageError``."""
    try:
        with contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", timeout=5.0, uri=True)) as db:
            counts = dict(db.execute("SELECT status, COUNT(*) FROM messages GROUP BY status").fetchall())
            (dropped,) = db.execute("SELECT value FROM counters WHERE name = 'dropped'").fetchone()
    except sqlite3.Error as error:
        raise StorageError(
            f"The outbox {path} cannot be read: {error}",
            "Check that this user may read it; a damaged one is put aside and begun anew by `earmark run`.",
        ) from error
    return OutboxCounters(counts.get(_PENDING, 0), counts.get(_REFUSED, 0), int(dropped), 0)


def _is_corrupt(error: sqlite3.Error) -> bool:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return isinstance(error, _CorruptError) or code in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


def _names(path: Path, stamp: str) -> Iterator[Path]:
    yield path.with_name(f"{path.stem}.corrupt-{stamp}{path.suffix}")
    number = 2
    while True:
        yield path.with_name(f"{path.stem}.corrupt-{stamp}-{number}{path.suffix}")
        number += 1


def _message(row: tuple[Any, ...]) -> tuple[int, Message]:
    ident, topic, payload, qos, retain, kind = row
    return ident, Message(topic, bytes(payload), 1 if qos else 0, bool(retain), kind)
