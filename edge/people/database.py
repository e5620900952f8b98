"""The SQLite file behind the people: made, opened, wiped, and its errors in words.

Takes: a path. Gives: a connection to a database of this version, or of an earlier one that is still unencrypted.
Must hold: file 0600, folder 0700; a file that is damaged, of another program or of a newer version is refused and not
touched; opening an earlier version changes nothing; deleted content is overwritten with zeros.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from edge.errors import EarmarkError, PeopleError, StorageError
from edge.sqlite_files import check_content, make_state_file, marks, one_look, transaction

FILE_NAME: Final = "people.sqlite"
VERSION: Final = 3
"""The schema that is written. 1 had no spaces, 2 was not encrypted; both are read, and change with the first change."""
_APPLICATION_ID: Final = 0x4561724D
"""``EarM``: tells our files from those of other programs."""
_BUSY_SECONDS: Final = 10.0

_SCHEMA: Final = (
    "CREATE TABLE people (id TEXT PRIMARY KEY, mark BLOB NOT NULL UNIQUE, sealed BLOB NOT NULL)",
    """CREATE TABLE exemplars (
        number INTEGER PRIMARY KEY,
        person_id TEXT NOT NULL REFERENCES people (id) ON DELETE CASCADE,
        encoder TEXT NOT NULL,
        space TEXT NOT NULL,
        mark BLOB NOT NULL UNIQUE,
        sealed BLOB NOT NULL
    )""",
    "CREATE TABLE counter (generation INTEGER NOT NULL)",
    "CREATE TABLE vault (salt BLOB NOT NULL, key TEXT NOT NULL)",
)

_EARLIER: Final = (
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
    ),
    ("ALTER TABLE exemplars ADD COLUMN space TEXT NOT NULL DEFAULT ''",),
)
"""What made the tables of the versions 1 and 2, by which they are known when they are read."""

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
    """Open the database, an empty one where there is none yet. Raises ``PeopleError`` or ``StorageError``."""
    make_state_file(path, "the people database")
    with in_words(path):
        # Autocommit: transactions are begun by hand. Threads: the store has a lock.
        connection = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        with in_words(path):
            with one_look(connection):
                _check(connection, path)
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute("PRAGMA secure_delete = ON")
            # No write-ahead log: its file would keep removed voiceprints. No voiceprints in /tmp either.
            connection.execute("PRAGMA temp_store = MEMORY")
    except BaseException:
        connection.close()
        raise
    return connection


def version(connection: sqlite3.Connection) -> int:
    """The schema of the file as it is now, 0 of an empty one; another process may have changed it meanwhile."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def make_tables(connection: sqlite3.Connection, generation: int, salt: bytes, key: str) -> None:
    """The tables of this version, inside a transaction. ``salt`` and ``key``: of the vault that the rows belong to."""
    for statement in _SCHEMA:
        connection.execute(statement)
    connection.execute("INSERT INTO counter VALUES (?)", (generation,))
    connection.execute("INSERT INTO vault VALUES (?, ?)", (salt, key))
    connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {VERSION}")


def make_plain_tables(connection: sqlite3.Connection, generation: int) -> None:
    """The tables of the last version that was not encrypted, inside a transaction."""
    for statement in (one for step in _EARLIER for one in step):
        connection.execute(statement)
    connection.execute("INSERT INTO counter VALUES (?)", (generation,))
    connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {len(_EARLIER)}")


@contextmanager
def wiping(connection: sqlite3.Connection, path: Path) -> Iterator[None]:
    """A transaction that leaves no trace of what it changes, neither in free pages nor in the journal that is deleted
    at its end: both are overwritten while nobody else can come between.
    """
    try:
        with transaction(connection, alone=True):
            # Not before: whoever still waited for his turn would keep a lock meanwhile, and two would wait for each
            # other until both are refused.
            connection.execute("PRAGMA locking_mode = EXCLUSIVE")
            connection.execute("PRAGMA journal_mode = PERSIST")
            yield
        # The change is done; wiping what is left of it must not make it look as if it were not.
        with suppress(sqlite3.Error):
            connection.execute("VACUUM")
        with suppress(OSError):
            _zero(path.with_name(f"{path.name}-journal"))
    finally:
        with suppress(sqlite3.Error):
            connection.execute("PRAGMA locking_mode = NORMAL")
            connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()  # lets go of the lock
            connection.execute("PRAGMA journal_mode = DELETE")


def _zero(path: Path) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        left, block = os.fstat(handle).st_size, bytes(1 << 16)
        while left > 0:
            left -= os.write(handle, block[:left])
        os.fsync(handle)
    finally:
        os.close(handle)


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


def _check(connection: sqlite3.Connection, path: Path) -> None:
    """Refuse what is not ours before anything is written."""
    found, owner, tables = marks(connection)
    if not tables and found == 0 and owner == 0:
        return  # new
    if owner != _APPLICATION_ID:
        raise PeopleError(
            f"{path} is a database of another program", "Move it away, or name another folder with --state."
        )
    if found > VERSION:
        raise PeopleError(
            f"the people database {path} has schema {found}, and this version of Earmark knows {VERSION}",
            "Update Earmark, or restore the backup that fits.",
        )
    check_content(
        connection,
        _SCHEMA if found == VERSION else [one for step in _EARLIER[:found] for one in step],
        free=("people.consent",),
    )
    lone = ("counter", "vault") if found == VERSION else ("counter",)
    if any(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] != 1 for table in lone):
        raise damaged(path, "it lacks its counter or the name of its key")
