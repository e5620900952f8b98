"""What all databases of the state folder rest on."""

from __future__ import annotations

import os
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge.auth.clock import BootClock
from edge.auth.gate import Counter
from edge.outbox import Outbox
from edge.outbox.database import peek
from edge.people import PeopleStore
from edge.records import Message
from edge.spoof import Repeats
from edge.sqlite_files import marks, one_look
from tests.edge.people_clips import clips


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


class Opened:
    """The databases in ``folder`` that Python itself opens; what SQLite opens is not among them."""

    def __init__(self) -> None:
        self.folder: Path | None = None
        self.names: list[str] = []

    def __call__(self, happened: str, about: tuple[Any, ...]) -> None:
        if self.folder is None or happened != "open" or not isinstance(about[0], (str, os.PathLike)):
            return
        path, makes = Path(about[0]), bool(about[2] & os.O_EXCL)
        # The log's index has the locks of a database with a log. A file that is made has none yet.
        if path.parent == self.folder and path.name.endswith((".sqlite", ".sqlite-shm")) and not makes:
            self.names.append(path.name)


OPENED = Opened()


@pytest.fixture(scope="module")
def _watched() -> None:
    sys.addaudithook(OPENED)  # for good: there is no way to take one back


@pytest.fixture
def opened(_watched: None, tmp_path: Path) -> Iterator[list[str]]:
    OPENED.folder, OPENED.names = tmp_path, []
    yield OPENED.names
    OPENED.folder = None


def use_outbox(folder: Path) -> None:
    with Outbox(folder / "outbox.sqlite") as outbox:
        outbox.append(Message("t", b"", 1, False, "event"))
        peek(folder / "outbox.sqlite")


def use_people(folder: Path) -> None:
    with PeopleStore(folder) as store:
        store.add("Ada", clips(1))
        store.remove("Ada")
        store.revoke()


def use_repeats(folder: Path) -> None:
    with Repeats(folder) as repeats:
        repeats.meet(np.zeros(16_000, np.float32))


def use_attempts(folder: Path) -> None:
    counter = Counter(folder, BootClock())
    counter.begin("p0001", {}, called="Ada")
    counter.close()


@pytest.mark.parametrize("use", [use_outbox, use_people, use_repeats, use_attempts])
def test_no_database_is_opened_but_by_sqlite(opened: list[str], tmp_path: Path, use: Callable[[Path], None]) -> None:
    """A process that closes any descriptor of a file loses all its locks on it; SQLite would not know, and others could
    write in the middle of a change, or delete a log that is in use.
    """
    use(tmp_path)
    use(tmp_path)
    assert opened == []
    (found,) = tmp_path.glob("*.sqlite")
    found.read_bytes()
    assert opened == [found.name], "it would have been noticed"
