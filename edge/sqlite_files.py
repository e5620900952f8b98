"""What the databases of the state folder have in common: files for the owner alone, all-or-nothing changes, and doubt.

Takes paths and connections. Must hold: a file is never readable by others, not even for a moment while it is made; a
change that fails leaves nothing behind; a file that somebody else has made or changed runs nothing of theirs (views,
triggers), and holds what its columns say or is refused.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Collection, Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from edge.errors import StorageError

LARGEST_VALUE_BYTES: Final = 1 << 20
"""Of a text, a blob or a row; the largest that is ever written is a few dozen kilobytes."""

_NO_TYPE: Final = {
    "TEXT": "typeof({c}) != 'text' OR instr(CAST({c} AS BLOB), x'00')",
    "BLOB": "typeof({c}) != 'blob'",
    "INTEGER": "typeof({c}) != 'integer'",
    "REAL": "typeof({c}) NOT IN ('real', 'integer') OR abs({c}) > 1e300",
}
"""What a value of a column is not. SQLite itself takes any value in any column, and infinity for a number."""
_CONTROL: Final = " OR {c} GLOB '*[' || char(1) || '-' || char(31) || ']*'"


class DamagedFileError(sqlite3.DatabaseError):
    """A file that SQLite opens, and that is not as this program wrote it. Looks like SQLite's own word for damage."""

    sqlite_errorcode = sqlite3.SQLITE_CORRUPT


def distrust(connection: sqlite3.Connection) -> None:
    """Take a file for one that anybody may have made; before anything is read from it."""
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LARGEST_VALUE_BYTES)
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.execute("PRAGMA cell_size_check = ON")
    connection.text_factory = _text


def check_content(connection: sqlite3.Connection, statements: Iterable[str], free: Collection[str] = ()) -> None:
    """Refuse a file whose tables and indices are not those that ``statements`` make, or whose values are not what their
    columns say. ``free``: columns (``table.column``) whose text may hold line breaks and the like.

    Raises ``sqlite3.DatabaseError``, with the code of damage (``DamagedFileError``) where that is what it is.
    """
    with closing(sqlite3.connect(":memory:")) as model:
        for statement in statements:
            model.execute(statement)
        if _schema(connection) != _schema(model):
            raise DamagedFileError("it holds other tables, indices, views or triggers than it should")
        faults = [str(row[0]) for row in connection.execute("PRAGMA quick_check(1)")]
        if faults != ["ok"]:
            raise DamagedFileError(" ".join(" ".join(faults).split())[:120] or "it cannot be checked")
        tables = [row[0] for row in model.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        for table in (name for name in tables if not name.startswith("sqlite_")):
            _check_values(connection, table, model.execute(f"PRAGMA table_info({table})").fetchall(), free)


def _check_values(
    connection: sqlite3.Connection, table: str, columns: list[tuple[object, ...]], free: Collection[str]
) -> None:
    wrong = []
    for _, name, kind, never_null, _, key in columns:
        fault = _NO_TYPE[str(kind)]
        if kind == "TEXT" and f"{table}.{name}" not in free:
            fault += _CONTROL
        fault = f"({fault})".format(c=f'"{name}"')
        wrong.append(fault if never_null or key else f'("{name}" IS NOT NULL AND {fault})')
    try:
        found = connection.execute(f'SELECT 1 FROM "{table}" WHERE {" OR ".join(wrong)} LIMIT 1').fetchone()
    except sqlite3.DataError as error:  # beyond LARGEST_VALUE_BYTES
        raise DamagedFileError(f"a value in its table {table} is absurdly large") from error
    if found is not None:
        raise DamagedFileError(f"its table {table} holds a value of another kind than it should")


def _schema(connection: sqlite3.Connection) -> set[tuple[str, ...]]:
    """Kind, name, table and SQL of everything that there is; spaces make no difference, statistics are nothing."""
    try:
        rows = connection.execute("SELECT type, name, tbl_name, coalesce(sql, '') FROM sqlite_schema").fetchall()
    except (UnicodeError, sqlite3.DataError) as error:
        raise DamagedFileError("its list of tables is damaged") from error
    return {
        (str(kind), str(name), str(table), "".join(str(sql).split()))
        for kind, name, table, sql in rows
        if not str(name).startswith("sqlite_stat")
    }


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def make_private(path: Path) -> None:
    """Make folder (0700) and file (0600) where they are missing, and close a file of ours that others could read.

    A file that is there is not opened: closing it would drop every lock that this process has on it, also those of
    another connection. SQLite would not know, and the next process might delete the log that this one writes to.

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
    """``user_version``, ``application_id``, and whether there are tables: whose file this is. Three questions: where
    another process may be making the file, ask them inside ``one_look``.
    """
    distrust(connection)
    version, owner = (
        int(connection.execute(f"PRAGMA {name}").fetchone()[0]) for name in ("user_version", "application_id")
    )
    try:
        return version, owner, bool(connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0])
    except UnicodeError as error:  # SQLite quotes what it cannot understand
        raise DamagedFileError("its list of tables is damaged") from error


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
def one_look(connection: sqlite3.Connection) -> Iterator[None]:
    """Let everything that is read inside be of one moment, whatever another process makes of the file meanwhile."""
    connection.execute("BEGIN")
    try:
        yield
    finally:
        if connection.in_transaction:  # SQLite ends it by itself after some errors
            connection.execute("ROLLBACK")


@contextmanager
def transaction(connection: sqlite3.Connection, *, alone: bool = False) -> Iterator[None]:
    """All or nothing: commit at the end, roll back on any exception. ``alone``: nobody else may read meanwhile."""
    connection.execute(f"BEGIN {'EXCLUSIVE' if alone else 'IMMEDIATE'}")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # a full disk may have rolled back already
            connection.execute("ROLLBACK")
        raise
