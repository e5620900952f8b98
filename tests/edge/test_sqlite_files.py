"""What all databases of the state folder rest on."""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress
from pathlib import Path

import pytest

from edge.sqlite_files import marks, one_look


def made_between(path: Path, asked: sqlite3.Connection) -> None:
    """Let another process make the file's tables between two questions of ``asked``."""

    def another(question: str) -> None:
        if "application_id" not in question:
            return
        with (
            closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as other,
            suppress(sqlite3.OperationalError),
        ):
            other.executescript("BEGIN; CREATE TABLE t (a); PRAGMA application_id = 7; PRAGMA user_version = 1; COMMIT")

    asked.set_trace_callback(another)


@pytest.mark.parametrize("journal", ["delete", "wal"])
def test_what_is_asked_in_one_look_is_of_one_moment(tmp_path: Path, journal: str) -> None:
    path = tmp_path / "some.sqlite"
    with closing(sqlite3.connect(path, isolation_level=None)) as asked:
        asked.execute(f"PRAGMA journal_mode = {journal}")
        made_between(path, asked)
        with one_look(asked):
            assert marks(asked) == (0, 0, False)
        assert not asked.in_transaction
        asked.set_trace_callback(None)
        with one_look(asked):
            assert marks(asked) == ((1, 7, True) if journal == "wal" else (0, 0, False))


def test_without_it_a_file_may_seem_to_be_of_nobody(tmp_path: Path) -> None:
    """What the look is for: should this fail one day, SQLite asks all at once and the look can go."""
    with closing(sqlite3.connect(tmp_path / "some.sqlite", isolation_level=None)) as asked:
        made_between(tmp_path / "some.sqlite", asked)
        assert marks(asked) == (0, 7, True)


def test_an_error_leaves_no_look_open(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "some.sqlite", isolation_level=None)) as asked:
        with pytest.raises(sqlite3.OperationalError), one_look(asked):
            asked.execute("SELECT * FROM nothing")
        assert not asked.in_transaction
