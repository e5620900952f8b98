"""The SQLite file that counts attempts and remembers the head of the audit log.

Takes the state folder; gives a ``Record``, whose ``writing`` gives a ``Session``. Must hold: what a session wrote is on
the disk when it ends (write-ahead log, ``synchronous=FULL``), counts and the line about them together or not at all; a
file that is damaged, of another program, newer, or missing although there is an audit log refuses everybody.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from edge.auth import files
from edge.auth.clock import AttemptClock
from edge.auth.journal import Journal, carried_on
from edge.errors import AttemptsError, EarmarkError, StorageError
from edge.sqlite_files import check_content, make_private, marks, transaction
from edge.whole_file import sync

_APPLICATION_ID: Final = 0x45614174
"""``EaAt``: tells our files from those of other programs."""
_VERSION: Final = 1
_BUSY_SECONDS: Final = 10.0

_SCHEMA: Final = (
    """CREATE TABLE attempts (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        identity TEXT NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('open', 'failed', 'cleared', 'nothing')),
        boot TEXT NOT NULL,
        seconds REAL NOT NULL,
        refused INTEGER NOT NULL DEFAULT 0
    )""",
    "CREATE INDEX attempts_of ON attempts (identity, state)",
    "CREATE TABLE refusals (identity TEXT PRIMARY KEY, count INTEGER NOT NULL)",
    "CREATE TABLE factors (identity TEXT PRIMARY KEY, boot TEXT NOT NULL, seconds REAL NOT NULL)",
    """CREATE TABLE pin (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        salt BLOB NOT NULL, digest BLOB NOT NULL, n INTEGER NOT NULL, r INTEGER NOT NULL, p INTEGER NOT NULL
    )""",
    """CREATE TABLE head (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        entries INTEGER NOT NULL, hash TEXT NOT NULL,
        latest BLOB NOT NULL, before TEXT NOT NULL,
        first INTEGER NOT NULL, first_prev TEXT NOT NULL
    )""",
)

_STORAGE: Final = frozenset(
    {
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
    }
)
_SET_RIGHT: Final = (
    "Nobody is recognised until it is set right: restore the state folder from a backup, or let its owner run "
    "`earmark unlock --new-record`."
)


class Session:
    """One transaction. ``db``: the connection. ``journal``: where lines are added that become part of it. ``mended``:
    the log lacked lines, as after a power cut.
    """

    __slots__ = ("db", "journal", "mended")

    def __init__(self, db: sqlite3.Connection, journal: Journal, mended: bool) -> None:
        self.db = db
        self.journal = journal
        self.mended = mended


class Record:
    """The file, opened, or made where there is nothing yet. Threads may share one; processes open their own.

    Raises ``AttemptsError`` where it cannot be trusted, ``StorageError`` where it cannot be read or written.
    """

    def __init__(self, folder: Path, clock: AttemptClock) -> None:
        self.folder = folder
        self.path = folder / files.RECORD
        self._clock = clock
        self._thread = threading.RLock()
        with files.locked(folder):
            self._db = self._open()

    def close(self) -> None:
        """Close the file; safe to call twice."""
        with self._thread:
            self._db.close()

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """A transaction that nobody else's comes between: on the disk at the end, or undone by an exception."""
        with self._thread, files.locked(self.folder), _in_words(self.path):
            journal = Journal(self.folder, self._db, self._clock)
            mended = journal.mend()
            journal.rotate_if_long()
            with transaction(self._db):
                yield Session(self._db, journal, mended)
                journal.seal()
            journal.write()

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """Counts and log as they are, with the log mended where a power cut had come between the two."""
        with self._thread, files.locked(self.folder), _in_words(self.path):
            journal = Journal(self.folder, self._db, self._clock)
            yield Session(self._db, journal, journal.mend())

    def scrub(self) -> None:
        """Overwrite what was deleted, in the file and in its log."""
        with self._thread, files.locked(self.folder), _in_words(self.path):
            self._db.execute("PRAGMA secure_delete = ON")
            self._db.execute("PRAGMA temp_store = MEMORY")
            self._db.execute("VACUUM")
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def _open(self) -> sqlite3.Connection:
        there = bool(files.logs(self.folder))
        if there and not self.path.exists():
            raise AttemptsError(
                f"The record of attempts {self.path} is missing, though there is an audit log", _SET_RIGHT
            )
        _make_file(self.path)
        with _in_words(self.path):
            db = sqlite3.connect(self.path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        try:
            with _in_words(self.path):
                new = _check(db, self.path)
                if new and there:
                    raise AttemptsError(
                        f"The record of attempts {self.path} is empty, though there is an audit log", _SET_RIGHT
                    )
                db.execute("PRAGMA journal_mode = WAL")
                db.execute("PRAGMA synchronous = FULL")
                if new:
                    self._make(db, "record_made")
        except BaseException:
            db.close()
            raise
        return db

    def _make(self, db: sqlite3.Connection, event: str) -> None:
        number, digest, first, first_prev = carried_on(self.folder)
        with transaction(db):
            for statement in _SCHEMA:
                db.execute(statement)
            db.execute("INSERT INTO head VALUES (1, ?, ?, x'', ?, ?, ?)", (number, digest, digest, first, first_prev))
            db.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
            db.execute(f"PRAGMA user_version = {_VERSION}")
            journal = Journal(self.folder, db, self._clock)
            journal.add(event, {"uid": os.geteuid()})
            journal.seal()
        journal.write()
        sync(self.folder)

    @classmethod
    def anew(cls, folder: Path, clock: AttemptClock) -> Path | None:
        """Set a record that cannot be trusted aside and begin another one, on the same audit log.

        Gives where the old one is now, None where it was missing. Raises ``AttemptsError`` for a record that is sound,
        or where somebody else owns the folder.
        """
        if os.geteuid() not in {0, folder.stat().st_uid}:
            raise AttemptsError(f"{folder} belongs to somebody else", "Let its owner or root do this.")
        path = folder / files.RECORD
        new = cls.__new__(cls)
        new.folder, new.path, new._clock = folder, path, clock
        # One lock for the look and the change: else the sound record that somebody has just begun would be set aside.
        with files.locked(folder):
            try:
                new._open().close()
            except AttemptsError:
                pass
            else:
                raise AttemptsError(
                    "The record of attempts is sound, so nothing was changed", "Unlock with the PIN instead."
                )
            aside = folder / f"{files.RECORD}.set-aside-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
            moved = path.exists()
            if moved:
                path.rename(aside)
            for tail in ("-wal", "-shm"):
                path.with_name(path.name + tail).unlink(missing_ok=True)
            _make_file(path)
            with _in_words(path):
                db = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None)
                try:
                    db.execute("PRAGMA journal_mode = WAL")
                    db.execute("PRAGMA synchronous = FULL")
                    new._make(db, "record_made_anew")
                finally:
                    db.close()
        return aside if moved else None


@contextmanager
def _in_words(path: Path) -> Iterator[None]:
    """Turn SQLite's and the system's errors into ours."""
    try:
        yield
    except sqlite3.Error as error:
        raise _translate(error, path) from error
    except OSError as error:
        raise files.unusable(Path(error.filename) if error.filename else path, error) from error


def _translate(error: sqlite3.Error, path: Path) -> EarmarkError:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the primary code of an extended one
    if code in _STORAGE:
        return StorageError(
            f"The record of attempts {path} cannot be written or read: {error}",
            "Check that the disk is not full and that this user may write the file and its folder.",
        )
    return damaged(path, str(error))


def damaged(path: Path, what: str) -> AttemptsError:
    """The error for a file that makes no sense."""
    return AttemptsError(f"The record of attempts {path} is damaged: {what}", _SET_RIGHT)


def _make_file(path: Path) -> None:
    try:
        make_private(path)
    except OSError as error:
        raise files.unusable(path, error) from error


def _check(db: sqlite3.Connection, path: Path) -> bool:
    """Refuse what is not ours before anything is written; gives whether the file is new."""
    version, owner, tables = marks(db)
    if not tables and version == 0 and owner == 0:
        return True
    if owner != _APPLICATION_ID:
        raise AttemptsError(f"{path} is a database of another program", _SET_RIGHT)
    if version != _VERSION:
        raise AttemptsError(
            f"The record of attempts {path} has schema {version}, and this version of Earmark knows {_VERSION}",
            "Update Earmark, or restore the backup that fits.",
        )
    check_content(db, _SCHEMA)
    if db.execute("SELECT count(*) FROM head").fetchone()[0] != 1:
        raise damaged(path, "it lacks the head of the audit log")
    return False
