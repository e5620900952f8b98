"""Forgetting a person in the outbox: what still waits about them, and what is left of it in free pages and log.

Takes the path of the file and what the person is called in messages; gives counts. Must hold: a daemon that has the
file open is not disturbed; messages about others, and states, are not touched; what was deleted is nowhere in the file
or beside it, unless a reader is in the way at that moment, and then it says so.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

from edge.errors import StorageError
from edge.outbox.database import examine

_BUSY_SECONDS: Final = 5.0
_ABOUT: Final = ("speaker_id", "speaker", "runner_up", "person_id", "person")

_ENTITIES: Final = (" heard", " room")
"""What stands after a name in that of a person's entity, of a device and of a house."""


def drop_events(path: Path, called: Collection[str]) -> int:
    """Delete the events that wait and name somebody in ``called`` (id and name); gives how many.

    Raises ``StorageError``.
    """
    with _opened(path) as db:
        if db is None:
            return 0
        rows = db.execute("SELECT id, payload FROM messages WHERE kind = 'event'").fetchall()
        about = [(ident,) for ident, payload in rows if names(payload, called)]
        with db:
            db.executemany("DELETE FROM messages WHERE id = ? AND kind = 'event'", about)
    return len(about)


def mentioned(path: Path, person_id: str, called: Collection[str]) -> bool:
    """Whether a message that waits, or a state that stands at the broker, is about the person. Raises ``StorageError``.

    A state that is to be cleared counts until the broker has taken that.
    """
    with _opened(path) as db:
        rows = db.execute("SELECT topic, payload FROM messages").fetchall() if db is not None else []
    return any(f"/{person_id}/" in f"{topic}/" or _holds(_parsed(payload), set(called)) for topic, payload in rows)


def scrub(path: Path) -> bool:
    """Overwrite what was deleted earlier; gives whether all of it could be. Raises ``StorageError``."""
    with _opened(path) as db:
        if db is None:
            return True
        db.execute("VACUUM")
        busy, _, _ = db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    return not busy


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection | None]:
    """None of a file in which there is nothing yet. Turns SQLite's errors into ours."""
    try:
        with closing(sqlite3.connect(path, timeout=_BUSY_SECONDS)) as db:
            if not examine(db):
                yield None
                return
            db.execute("PRAGMA secure_delete = ON")
            db.execute("PRAGMA temp_store = MEMORY")
            yield db
    except sqlite3.Error as error:
        raise _unusable(path, error) from error


def names(payload: bytes, called: Collection[str]) -> bool:
    """Whether an event is about somebody. The discovery document is none: Home Assistant needs it to forget, too."""
    raw = _parsed(payload)
    if not isinstance(raw, dict):
        return False
    # ``data``: the answer to a request.
    about = any(raw.get(key) in called for key in _ABOUT if isinstance(raw.get(key), str))
    return about or _holds(raw.get("data"), set(called))


def _holds(raw: Any, called: set[str]) -> bool:
    """Whether one of the words stands anywhere among the values, alone or as part of an entity's name."""
    if isinstance(raw, dict):
        return any(_holds(value, called) for value in raw.values())
    if isinstance(raw, list):
        return any(_holds(value, called) for value in raw)
    return isinstance(raw, str) and (raw in called or any(raw.removesuffix(one) in called for one in _ENTITIES))


def _parsed(payload: bytes) -> Any:
    try:
        return json.loads(payload)
    except (ValueError, RecursionError):
        return None


def _unusable(path: Path, error: sqlite3.Error) -> StorageError:
    return StorageError(
        f"the outbox {path} cannot be cleaned: {error}", "Try again when nothing else uses it, and see its disk."
    )
