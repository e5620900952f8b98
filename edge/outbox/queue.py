"""The queue itself: stores, hands out, settles and counts.

Takes ``Message``s, gives them back in order until each is acknowledged. Must hold: a message that ``append``
returned for survives SIGKILL and a power cut; events keep their order and are never replaced; of a state only the
latest per topic counts, and it is remembered after delivery (``states``) so that a broker that forgot it can be told
again; the queue is bounded by dropping the oldest events, and what is dropped is counted for good.

Appending is one fsync (see ``database``). Acknowledgements use ``synchronous=NORMAL``, which costs none: a power cut
may forget them, and then the broker gets the message once more, with the same id. A full disk is met with the room in
``reserve`` first; only when that is used up do messages wait in memory, which dies with the process.
"""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, TypeVar

from edge.errors import StorageError
from edge.outbox.database import (
    DELIVERED,
    PENDING,
    REFUSED,
    OutboxCounters,
    connect,
    is_corrupt,
    is_full,
    move_aside,
)
from edge.outbox.reserve import Reserve
from edge.records import Message

_LOG = logging.getLogger(__name__)
_Given = TypeVar("_Given")
_COLUMNS: Final = "id, topic, payload, qos, retain, kind"
_MEMORY_EVENTS: Final = 1000
"""Events held while the disk cannot be written; every append tries to write them all, so their number stays small."""


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
        self._damage: sqlite3.Error | None = None
        """Why the file is closed and must be put aside; None in good times."""
        self._reserve = Reserve(self.path.with_suffix(".reserve"))
        try:
            self._db = self._open()
        except (sqlite3.Error, OSError) as error:
            raise StorageError(
                f"The outbox {self.path} cannot be opened: {error}",
                "Check that its folder exists, belongs to this user, and that the disk has room.",
            ) from error

    @property
    def on_reserve(self) -> bool:
        """Whether the disk is full, and what is stored goes to the room that was kept for that."""
        return self._reserve.used

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
        query = f"SELECT {_COLUMNS} FROM messages WHERE status = {PENDING} AND id > ? ORDER BY id LIMIT ?"
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

    def forget(self, topic: str) -> None:
        """Say the state of ``topic`` no more, and leave what stands at the broker. Raises ``StorageError``."""
        with self._lock:
            for ident in [i for i, one in self._memory.items() if one.kind == "state" and one.topic == topic]:
                del self._memory[ident]
            drop = "DELETE FROM messages WHERE kind = 'state' AND topic = ?"
            try:
                self._write(lambda: self._db.execute(drop, (topic,)))
            except sqlite3.Error as error:
                raise StorageError(f"The outbox {self.path} cannot be written: {error}", "Check the disk.") from error

    def acknowledge(self, *ids: int) -> None:
        """The broker has them: events go, states are remembered as delivered. Unknown ids are ignored."""
        self._settle(ids, DELIVERED)

    def set_aside(self, *ids: int) -> None:
        """The broker refuses them for good: keep them out of the way until ``take_back``."""
        self._settle(ids, REFUSED)

    def take_back(self) -> int:
        """Make refused messages pending again; gives how many there were."""
        change = f"UPDATE messages SET status = {PENDING} WHERE status = {REFUSED}"
        with self._lock, contextlib.suppress(sqlite3.Error):
            return self._write(lambda: self._db.execute(change).rowcount, durable=False)
        return 0

    @property
    def counters(self) -> OutboxCounters:
        """How full it is, and what was lost. Raises ``StorageError``."""
        with self._lock:
            status = {**dict(self._read("SELECT id, status FROM messages")), **dict.fromkeys(self._memory, PENDING)}
            status |= {ident: new for ident, new in self._settled.items() if ident in status}
            dropped = self._read("SELECT value FROM counters WHERE name = 'dropped'")
            values = list(status.values())
            return OutboxCounters(
                pending=values.count(PENDING),
                refused=values.count(REFUSED),
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
                if status == DELIVERED and ident in self._memory and self._memory[ident].kind == "event":
                    del self._memory[ident]
                else:
                    self._settled[ident] = status
            if self._settled:
                with contextlib.suppress(sqlite3.Error):
                    self._write(lambda: None, durable=False)

    def _apply_settled(self) -> None:
        delivered = [(ident,) for ident, status in self._settled.items() if status == DELIVERED]
        self._db.executemany("DELETE FROM messages WHERE id = ? AND (kind = 'event' OR length(payload) = 0)", delivered)
        self._db.executemany(
            "UPDATE messages SET status = ? WHERE id = ?", [(status, ident) for ident, status in self._settled.items()]
        )

    def _write(self, change: Callable[[], _Given], durable: bool = True) -> _Given:
        """Run ``change`` in a transaction, after what memory still holds. Raises ``sqlite3.Error``, with nothing
        changed.
        """
        durable = durable or bool(self._memory)
        if self._damage is not None:
            self._start_over(self._damage)
        try:
            given = self._transaction(change, durable)
        except sqlite3.DatabaseError as error:
            if is_corrupt(error):
                self._start_over(error)
            elif not (is_full(error) and self._reserve.give()):
                raise
            return self._transaction(change, durable)
        if not self._reserve.held:
            self._reserve.keep()
        return given

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
            if self._damage is not None:
                self._start_over(self._damage)
            try:
                return self._db.execute(query, values).fetchall()
            except sqlite3.DatabaseError as error:
                if not is_corrupt(error):
                    raise
                self._start_over(error)
                return []
        except sqlite3.Error as error:
            raise StorageError(f"The outbox {self.path} cannot be read: {error}", "Check the disk.") from error

    def _open(self) -> sqlite3.Connection:
        try:
            db = self._connect()
        except (sqlite3.DatabaseError, OSError) as error:
            if isinstance(error, sqlite3.Error) and is_corrupt(error):
                move_aside(self.path, error, self._now())
            elif not (is_full(error) and self._reserve.give()):
                raise
            db = self._connect()
        self._reserve.keep()
        return db

    def _connect(self) -> sqlite3.Connection:
        db, self._last_id = connect(self.path, self._last_id)
        return db

    def _start_over(self, error: sqlite3.Error) -> None:
        """Put the damaged file aside and begin a new one. Raises ``sqlite3.Error`` where the disk does not allow that;
        it is tried again before the next change or look.
        """
        self._db.close()
        self._damage = error
        try:
            move_aside(self.path, error, self._now())
            self._db = self._connect()
        except OSError as fault:
            raise sqlite3.OperationalError(f"{error}; it cannot be put aside: {fault.strerror}") from fault
        self._damage = None


def _message(row: tuple[Any, ...]) -> tuple[int, Message]:
    ident, topic, payload, qos, retain, kind = row
    return ident, Message(topic, bytes(payload), 1 if qos else 0, bool(retain), kind)
