"""The SQLite file behind the fingerprints: made, opened, read and shortened, and its errors in words.

Takes a path and rows; gives rows. Must hold: file 0600, folder 0700; deleted rows are overwritten with zeros; a change
happens as a whole and is on the disk when it is done; a file of another program or a newer version is left alone.
"""

from __future__ import annotations

import secrets
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from edge.errors import StorageError
from edge.sqlite_files import check_content, make_state_file, marks, one_look, transaction

FILE_NAME: Final = "repeats.sqlite"
_APPLICATION_ID: Final = 0x45617252
"""``EarR``: tells our files from those of other programs."""
_VERSION: Final = 1
_SHORTEST_PAGE_BYTES: Final = 512
"""Of SQLite; a database is at least one page."""
_BUSY_SECONDS: Final = 10.0
_NO_DATE: Final = 2e11
"""Seconds since the epoch beyond which there is no date to tell."""
_SCHEMA: Final = (
    "CREATE TABLE secret (value BLOB NOT NULL)",
    """CREATE TABLE heard (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        created REAL NOT NULL,
        kind TEXT NOT NULL,
        person_id TEXT NOT NULL,
        print BLOB NOT NULL,
        note TEXT NOT NULL
    )""",
)


@dataclass(frozen=True, slots=True)
class Entry:
    """One fingerprint. ``created``: UTC seconds since the epoch. ``blob``: as ``fingerprint.packed`` gives it."""

    created: float
    kind: str
    person_id: str
    blob: bytes = b""
    note: str = ""


class Session:
    """The rows, while the file is open for one step."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def secret(self) -> bytes:
        """What the projections of this store are drawn by."""
        return bytes(self._connection.execute("SELECT value FROM secret").fetchone()[0])

    def entries(self, *, newer_than: float) -> list[Entry]:
        """All fingerprints that have not expired, in the order in which they came."""
        rows = self._connection.execute(
            "SELECT created, kind, person_id, print, note FROM heard WHERE created BETWEEN ? AND ? ORDER BY number",
            (newer_than, _NO_DATE),
        )
        return [Entry(*row) for row in rows]

    def add(self, entry: Entry) -> int:
        """Keep one more; gives its number, which no other ever has."""
        number = self._connection.execute(
            "INSERT INTO heard (created, kind, person_id, print, note) VALUES (?, ?, ?, ?, ?)",
            (entry.created, entry.kind, entry.person_id, entry.blob, entry.note),
        ).lastrowid
        return int(number or 0)

    def expire(self, *, older_than: float, most: int) -> None:
        """Delete what is too old, and the oldest beyond ``most``."""
        self._connection.execute("DELETE FROM heard WHERE created < ?", (older_than,))
        self._connection.execute(
            "DELETE FROM heard WHERE number NOT IN (SELECT number FROM heard ORDER BY number DESC LIMIT ?)", (most,)
        )

    def forget(self, person_id: str) -> int:
        """Delete a person's; gives how many."""
        return self._connection.execute("DELETE FROM heard WHERE person_id = ?", (person_id,)).rowcount

    def drop(self, number: int) -> None:
        """Delete one."""
        self._connection.execute("DELETE FROM heard WHERE number = ?", (number,))

    def count(self) -> int:
        """How many there are."""
        return int(self._connection.execute("SELECT count(*) FROM heard").fetchone()[0])


class Store:
    """One open file. Raises ``StorageError``."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.RLock()
        make_state_file(path, "the fingerprints of earlier recordings")
        with self._in_words():
            _refuse_scraps(path)
            # Autocommit: transactions are begun by hand. Threads: there is a lock.
            self._connection = sqlite3.connect(
                path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
        try:
            with self._in_words():
                self._prepare()
        except BaseException:
            self._connection.close()
            raise

    def close(self) -> None:
        """Close the file; safe to call twice."""
        with self._lock:
            self._connection.close()

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """For questions."""
        with self._lock, self._in_words():
            yield Session(self._connection)

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """For changes: all of them or none, and nobody else's in between."""
        with self._lock, self._in_words(), transaction(self._connection):
            yield Session(self._connection)

    def _prepare(self) -> None:
        self._connection.execute("PRAGMA secure_delete = ON")
        self._connection.execute("PRAGMA temp_store = MEMORY")
        with one_look(self._connection):
            self._refuse_foreign()
        if self._number("user_version") == _VERSION:
            return
        with self.writing():
            if self._number("user_version") == _VERSION:  # another process was faster
                return
            for statement in _SCHEMA:
                self._connection.execute(statement)
            self._connection.execute("INSERT INTO secret VALUES (?)", (secrets.token_bytes(32),))
            self._connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
            self._connection.execute(f"PRAGMA user_version = {_VERSION}")

    def _refuse_foreign(self) -> None:
        version, owner, tables = marks(self._connection)
        if not tables and version == 0 and owner == 0:
            return
        if owner != _APPLICATION_ID or version > _VERSION:
            raise StorageError(
                f"{self._path} is a file of another program, or of a newer version of Earmark",
                "Move it away, update Earmark, or name another folder with --state.",
            )
        check_content(self._connection, _SCHEMA, free=("heard.note",))
        if self._connection.execute("SELECT count(*) FROM secret").fetchone()[0] != 1:
            raise damaged(self._path, "the secret is missing")

    def _number(self, pragma: str) -> int:
        return int(self._connection.execute(f"PRAGMA {pragma}").fetchone()[0])

    @contextmanager
    def _in_words(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as error:
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF
            if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                raise StorageError(f"{self._path} is being written by another process", "Try again.") from error
            if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT):
                raise damaged(self._path, str(error)) from error
            raise StorageError(
                f"the fingerprints in {self._path} cannot be written or read: {error}",
                "Check that the disk is not full and that this user may write the file and its folder.",
            ) from error


def damaged(path: Path, what: str) -> StorageError:
    """The error for a file that makes no sense."""
    return StorageError(
        f"the fingerprints of earlier recordings in {path} are damaged: {what}",
        "Move the file away: earlier recordings are then no longer known.",
    )


def _refuse_scraps(path: Path) -> None:
    """A file shorter than any page, whose bytes SQLite might take for an empty database; of others it tells itself.

    It is not opened for this: closing it would drop the locks that this process has on it, also those of a connection
    in another thread that is writing.
    """
    try:
        size = path.stat().st_size
    except OSError as error:
        raise StorageError(
            f"the fingerprints of earlier recordings {path} cannot be read: {error.strerror}",
            "Check that this user may read the file.",
        ) from error
    if 0 < size < _SHORTEST_PAGE_BYTES:
        raise damaged(path, "it is no database")
