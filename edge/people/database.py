"""The SQLite file behind the people: made, opened, migrated, and its errors in words.

Takes: a path. Gives: a connection with the schema of this version.
Must hold: file 0600, folder 0700; a file that is damaged, of another program or of a newer version is refused and not
touched; deleted content is overwritten with zeros.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from edge.errors import EarmarkError, PeopleError, StorageError
from edge.sqlite_files import make_state_file, marks, transaction

FILE_NAME: Final = "people.sqlite"
_APPLICATION_ID: Final = 0x4561724D
"""``EarM``: tells our files from those of other programs."""
_BUSY_SECONDS: Final = 10.0

MIGRATIONS: Final[tuple[tuple[str, ...], ...]] = (
    (
        """CREATE TABLE people (
            id TEXT PRIMARY KEY,
            name TEXT NOT NULL,
            name_key TEXT NOT NULL UNIQUE,
            created TEXT NOT NULL,
            consent TEXT NOT NULL
        )""",
        """CREATE TABLE exemplars (
            number INTEGER PRIMARY KEY,
            person_id TEXT NOT NULL REFERENCES people (id) ON DELETE CASCADE,
            vector BLOB NOT NULL,
            encoder TEXT NOT NULL,
            speech_seconds REAL NOT NULL,
            snr_db REAL NOT NULL,
            microphone TEXT NOT NULL,
            created TEXT NOT NULL,
            digest TEXT NOT NULL,
            UNIQUE (person_id, encoder, digest)
        )""",
        "CREATE TABLE counter (generation INTEGER NOT NULL)",
        "INSERT INTO counter VALUES (0)",
    ),
    ("ALTER TABLE exemplars ADD COLUMN space TEXT NOT NULL DEFAULT ''",),
)
"""Statements that lead from each schema version to the next; the length is the version that this program writes. An
entry is never changed once it has been released; a new version is a new entry."""

_STORAGE: Final = frozenset(
    {
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_NOLFS,
    }
)
_BUSY: Final = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
_DAMAGE: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT})


def connect(path: Path) -> sqlite3.Connection:
    """Open or make the database. Raises ``PeopleError`` or ``StorageError``."""
    make_state_file(path, "the people database")
    with in_words(path):
        # Autocommit: transactions are begun by hand. Threads: the store has a lock.
        connection = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        with in_words(path):
            _check(connection, path)
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute("PRAGMA secure_delete = ON")
            # No write-ahead log: its file would keep removed voiceprints. No voiceprints in /tmp either.
            connection.execute("PRAGMA temp_store = MEMORY")
            _migrate(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


@contextmanager
def in_words(path: Path) -> Iterator[None]:
    """Turn SQLite's errors into ours."""
    try:
        yield
    except sqlite3.Error as error:
        raise _translate(error, path) from error


def _translate(error: sqlite3.Error, path: Path) -> EarmarkError:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the primary code of an extended one
    if code in _STORAGE:
        return StorageError(
            f"the people database {path} cannot be written or read: {error}",
            "Check that the disk is not full and that this user may write the file and its folder.",
        )
    if code in _BUSY:
        return PeopleError(f"the people database {path} is being written by another command", "Try again.")
    if code in _DAMAGE:
        return damaged(path, str(error))
    return PeopleError(f"the people database {path} cannot be used: {error}", _MOVE)


_MOVE: Final = "Restore the file from a backup, or move it away and enrol again."


def damaged(path: Path, what: str) -> PeopleError:
    """The error for a file that makes no sense."""
    return PeopleError(f"the people database {path} is damaged: {what}", _MOVE)


def _number(connection: sqlite3.Connection, pragma: str) -> int:
    return int(connection.execute(f"PRAGMA {pragma}").fetchone()[0])


def _check(connection: sqlite3.Connection, path: Path) -> None:
    """Refuse what is not ours before anything is written."""
    version, owner, tables = marks(connection)
    if not tables and version == 0 and owner == 0:
        return  # new
    if owner != _APPLICATION_ID:
        raise PeopleError(
            f"{path} is a database of another program", "Move it away, or name another folder with --state."
        )
    if version > len(MIGRATIONS):
        raise PeopleError(
            f"the people database {path} has schema {version}, and this version of Earmark knows {len(MIGRATIONS)}",
            "Update Earmark, or restore the backup that fits.",
        )
    faults = [row[0] for row in connection.execute("PRAGMA quick_check(1)")]
    if faults != ["ok"]:
        raise damaged(path, str(faults[0])[:120] if faults else "it cannot be checked")


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    if _number(connection, "user_version") == len(MIGRATIONS):
        return
    with transaction(connection):
        version = _number(connection, "user_version")  # again: another process may have been faster
        for step in MIGRATIONS[version:]:
            for statement in step:
                connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
