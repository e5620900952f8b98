"""The file behind the people store: damaged, foreign, old, read-only or on a full disk, it is never made worse."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
import pytest

from edge.errors import PeopleError, StorageError
from edge.people import PeopleStore, database
from edge.sqlite_files import transaction
from tests.edge.people_clips import clips
from tests.edge.people_plain import old_database

ROOT = Path(__file__).parents[2]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "state" / "people.sqlite"


def refusal(path, kind=PeopleError):
    before = path.read_bytes()
    with pytest.raises(kind) as caught:
        PeopleStore(path).people()
    assert path.read_bytes() == before, "a file that cannot be understood must stay as it is"
    return caught.value.sentence()


def fill(path):
    with PeopleStore(path) as store:
        for number in range(30):
            store.add(f"Person {number}", clips(*range(10 * number, 10 * number + 10)))


def test_a_file_that_is_no_database_is_refused_and_kept(path):
    path.parent.mkdir()
    path.write_bytes(b"my shopping list " * 100)
    assert "is damaged" in refusal(path)
    assert "move it away" in refusal(path)


@pytest.mark.parametrize("share", [0.02, 0.3, 0.7, 0.95])
def test_a_truncated_database_is_refused_and_kept(path, share):
    fill(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    assert "is damaged" in refusal(path)


def test_an_overwritten_page_is_noticed(path):
    fill(path)
    raw = bytearray(path.read_bytes())
    raw[4096 * 3 : 4096 * 5] = b"\xaa" * 8192
    path.write_bytes(raw)
    assert "is damaged" in refusal(path)


@pytest.mark.parametrize("blob", [b"", b"abc", "text", bytes(400)])
def test_a_voiceprint_that_makes_no_sense_is_noticed(path, blob):
    with PeopleStore(path) as store:
        store.add("Ada", clips(1))
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE exemplars SET sealed = ?", (blob,))
    connection.close()
    assert ("another kind" if blob == "text" else "a row was changed") in refusal(path)


@pytest.mark.parametrize("blob", [b"", b"abc", np.array([np.nan], "<f4").tobytes()])
def test_a_voiceprint_of_before_encryption_that_makes_no_sense_is_noticed(path, blob):
    old_database(path)
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE exemplars SET vector = ?", (blob,))
    connection.close()
    assert "a voiceprint" in refusal(path)


def test_a_database_of_another_program_is_refused_and_kept(path):
    path.parent.mkdir()
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE notes (text)")
    connection.close()
    assert "of another program" in refusal(path)


def test_a_newer_schema_is_refused_and_kept(path):
    PeopleStore(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    assert "has schema 99" in refusal(path)
    assert "Update Earmark" in refusal(path)


def test_an_empty_file_is_a_new_database(path):
    path.parent.mkdir()
    path.touch()
    with PeopleStore(path) as store:
        store.add("Ada", clips(1))
        assert len(store.people()) == 1


def test_a_folder_that_cannot_be_made_is_a_storage_error(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="cannot be made"):
        PeopleStore(tmp_path / "file" / "people.sqlite")
    with pytest.raises(StorageError, match="cannot be made"):
        PeopleStore(Path("/proc/earmark/people.sqlite"))


def test_a_file_that_cannot_be_written_can_still_be_read(path):
    """A read-only disk: the daemon goes on, a change is a StorageError."""
    with PeopleStore(path) as store:
        store.add("Ada", clips(1))
        store._connection.execute("PRAGMA query_only = ON")
        assert len(store.people()) == 1
        with pytest.raises(StorageError, match="cannot be written") as caught:
            store.add("Ben", clips(2))
        assert caught.value.exit_code == 5


def test_a_full_disk_changes_nothing(path):
    """A limit on the size of files stands for a full disk: the enrolment fails as a whole and the store goes on."""
    child = (
        "import resource, sys; from pathlib import Path; from edge.errors import StorageError\n"
        "from edge.people import PeopleStore; from tests.edge.people_clips import clips\n"
        "store = PeopleStore(Path(sys.argv[1])); store.add('Ada', clips(1))\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))\n"
        "try: store.add('Ben', clips(*range(500)))\n"
        "except StorageError as error: print(error.sentence())\n"
        "assert [person.name for person in store.people()] == ['Ada']\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", child, str(path)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "cannot be written" in done.stdout
    with PeopleStore(path) as store:
        assert [person.name for person in store.people()] == ["Ada"]


def test_a_crash_in_the_middle_of_a_change_leaves_the_state_before(path):
    child = (
        "import os, sys; from pathlib import Path; from edge.people import PeopleStore, store as module\n"
        "from tests.edge.people_clips import clips\n"
        "store = PeopleStore(Path(sys.argv[1])); store.add('Ada', clips(1))\n"
        "insert = module.rows.insert\n"
        "def crash(*arguments): insert(*arguments); os._exit(9)\n"
        "module.rows.insert = crash\n"
        "store.add('Ben', clips(*range(300)))\n"
    )
    done = subprocess.run([sys.executable, "-c", child, str(path)], cwd=ROOT, check=False)
    assert done.returncode == 9
    with PeopleStore(path) as store:
        assert [person.name for person in store.people()] == ["Ada"]
        store.add("Ben", clips(2))


def test_whoever_waits_to_remove_somebody_keeps_nobody_from_finishing(path, monkeypatch):
    """Two removals at once would wait for each other until both are refused."""
    held = []

    @contextmanager
    def refused_while_it_waits(connection, *, alone=False):
        try:
            with transaction(connection, alone=alone):
                yield
        except sqlite3.OperationalError:
            held.append(other.in_transaction)
            other.execute("COMMIT")  # refused by a lock on the file that is kept
            raise

    monkeypatch.setattr(database, "transaction", refused_while_it_waits)
    with PeopleStore(path) as store, closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as other:
        store.add("Ada", clips(1))
        store._connection.execute("PRAGMA busy_timeout = 0")
        other.execute("BEGIN IMMEDIATE")
        other.execute("UPDATE counter SET generation = generation + 1")
        with pytest.raises(PeopleError, match="is being written by another command"):
            store.remove("Ada")
        assert held == [True]
        assert not other.in_transaction
        store.remove("Ada")


def test_the_journal_is_overwritten_before_it_is_deleted_and_nobody_comes_between(path, monkeypatch):
    """A deleted file leaves its content on the disk."""
    zero, seen = database._zero, []

    def watched(journal):
        before = journal.read_bytes()
        zero(journal)
        seen.append((any(before), any(journal.read_bytes()), len(before) == journal.stat().st_size))
        with closing(sqlite3.connect(path, timeout=0)) as other, pytest.raises(sqlite3.OperationalError, match="lock"):
            other.execute("SELECT * FROM counter")

    monkeypatch.setattr(database, "_zero", watched)
    with PeopleStore(path) as store:
        store.add("Ada", clips(1))
        store.remove("Ada")
        assert seen == [(True, False, True)]
        assert not path.with_name("people.sqlite-journal").exists()
        store.revoke()
        assert seen == [(True, False, True)] * 2


def test_closing_twice_is_fine_and_a_closed_store_says_so(path):
    store = PeopleStore(path)
    store.close()
    store.close()
    with pytest.raises(PeopleError, match="closed"):
        store.people()
