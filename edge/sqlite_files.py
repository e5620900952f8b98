"""What the databases of the state folder have in common: files for the owner alone, and all-or-nothing changes.

Takes paths and connections. Must hold: a file is never readable by others, not even for a moment while it is made; a
change that fails leaves nothing behind.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edge.errors import StorageError


def make_private(path: Path) -> None:
    """Make folder (0700) and file (0600) where they are missing, and close a file of ours that others could read.

    Raises ``OSError``: what it means to whoever wants the file, he knows best.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        status = path.stat()
        if status.st_mode & 0o077 and status.st_uid == os.geteuid():
            path.chmod(0o600)


def marks(connection: sqlite3.Connection) -> tuple[int, int, bool]:
    """``user_version``, ``application_id``, and whether there are tables: whose file this is."""
    version, owner = (
        int(connection.execute(f"PRAGMA {name}").fetchone()[0]) for name in ("user_version", "application_id")
    )
    return version, owner, bool(connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0])


def make_state_file(path: Path, what: str) -> None:
    """``make_private`` for a file of the state folder that ``what`` names in an error.

    Raises ``StorageError``.
    """
    try:
        make_private(path)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise StorageError(
            f"{what} {path} cannot be made: {reason}",
            "Name a folder that this user may write, with --state or $EARMARK_STATE.",
        ) from error


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All or nothing: commit at the end, roll back on any exception."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # a full disk may have rolled back already
            connection.execute("ROLLBACK")
        raise
