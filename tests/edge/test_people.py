"""The people store: atomic, owner-only, bound to the encoder, and what is removed is gone."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.errors import PeopleError, StorageError, UnknownPersonError
from edge.people import PeopleStore, check_name, database
from edge.people.names import name_key
from edge.records import Exemplar

ROOT = Path(__file__).parents[2]
ENCODER = "0123456789abcdef"


def clip(number: int, encoder: str = ENCODER) -> Exemplar:
    vector = np.random.default_rng(number).normal(size=64).astype(np.float32)
    return Exemplar(
        vector,
        encoder,
        2.5 + number,
        20.25,
        "mic:USB Audio",
        f"2026-11-21T10:00:{number % 60:02d}Z",
        f"digest-{number}",
    )


def clips(*numbers: int, encoder: str = ENCODER) -> list[Exemplar]:
    return [clip(number, encoder) for number in numbers]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "state" / "people.sqlite"


@pytest.fixture
def store(path):
    with PeopleStore(path) as opened:
        yield opened


def same(left: Exemplar, right: Exemplar) -> bool:
    return np.array_equal(left.vector, right.vector) and all(
        getattr(left, name) == getattr(right, name)
        for name in ("encoder", "speech_seconds", "snr_db", "microphone", "created", "digest")
    )


def test_what_is_added_comes_back_to_the_bit(store, path):
    ada = store.add("Ada", clips(1, 2), consent="said yes on 2026-11-21")
    store.close()
    with PeopleStore(path) as again:
        (found,) = again.people()
        assert (found.id, found.name, found.created) == (ada.id, "Ada", ada.created)
        assert all(map(same, found.exemplars, clips(1, 2)))
        assert found.exemplars[0].vector.dtype == np.float32
        assert again.consent("ada") == "said yes on 2026-11-21"
    assert ada.id[0] == "p"
    assert len(ada.id) == 5


def test_only_the_owner_can_read(path):
    with PeopleStore(path) as store:
        store.add("Ada", clips(1))
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    path.chmod(0o644)
    PeopleStore(path).close()
    assert path.stat().st_mode & 0o777 == 0o600


def test_nothing_else_is_left_beside_the_file(store, path):
    """No journal and no log that would keep what was removed."""
    store.add("Ada", clips(1))
    store.remove("Ada")
    assert [entry.name for entry in path.parent.iterdir()] == ["people.sqlite"]


def test_a_folder_stands_for_the_file_in_it(tmp_path):
    with PeopleStore(tmp_path) as store:
        assert store.path == tmp_path / "people.sqlite"


@pytest.mark.parametrize("who", ["Ada", "ada", "  ADA ", "id"])
def test_people_are_found_by_name_or_id(store, who):
    ada = store.add("Ada", clips(1))
    store.add("Ben", clips(2))
    assert store.find(ada.id if who == "id" else who).id == ada.id


def test_an_unknown_person_names_the_nearest(store):
    with pytest.raises(UnknownPersonError, match="nor anybody else"):
        store.find("Ada")
    store.add("Charlotte", clips(1))
    store.add("Ben", clips(2))
    with pytest.raises(UnknownPersonError) as caught:
        store.find("Charlote")
    assert caught.value.remedy == "Did you mean Charlotte?"
    with pytest.raises(UnknownPersonError, match="nobody called 'Zoe' is enrolled") as caught:
        store.find("Zoe")
    assert caught.value.remedy == "Enrolled are Ben, Charlotte."
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("name", ["Ada", "Jean-Luc", "O'Neil", "Dr. No_1", "Zoë", "Łukasz", "田中", "x" * 32, " Ada "])
def test_good_names(name):
    assert check_name(name) == name.strip()


@pytest.mark.parametrize(
    "name",
    [
        "",
        "   ",
        "x" * 33,
        "a/b",
        "a\nb",
        "a\tb",
        "<b>",
        "+",
        "#",
        "...",
        "a\0",
        "💡",
        "Unknown",
        "nobody",
        "p7c1e",
        "P7C1E",
    ],
)
def test_bad_names_are_refused(store, name):
    with pytest.raises(PeopleError, match="cannot be used as a name"):
        store.add(name, clips(1))
    assert store.people() == ()


def test_a_decomposed_name_is_the_same_name(store):
    store.add("Zoe\u0308", clips(1))
    assert store.find("ZOË").name == "Zo\u00eb"


@given(st.text(max_size=40))
def test_a_name_is_kept_safe_or_refused(name):
    """What is kept can be kept again, and has the key of what was given."""
    try:
        kept = check_name(name)
    except PeopleError:
        return
    assert check_name(kept) == kept
    assert 1 <= len(kept) <= 32
    assert name_key(kept) == name_key(name)
    assert kept.isprintable()


def test_a_name_is_taken_whatever_its_case(store):
    store.add("Ada", clips(1))
    with pytest.raises(PeopleError, match="somebody called Ada is enrolled already"):
        store.add("ADA", clips(2))
    assert len(store.people()) == 1


def test_adding_is_all_or_nothing(store):
    """The third clip is the first again: neither person nor clips remain, and the generation stays."""
    before = store.generation()
    with pytest.raises(PeopleError, match="same recording"):
        store.add("Ada", clips(1, 2, 1))
    assert store.people() == ()
    ada = store.add("Ada", clips(1))
    with pytest.raises(PeopleError, match="same recording"):
        store.add_exemplars("Ada", clips(2, 1))
    assert len(store.find(ada.id).exemplars) == 1
    assert store.generation() == before + 1


def test_two_people_may_share_a_recording(store):
    """A digest is unique per person; whether two people are one is for enrolment to say."""
    store.add("Ada", clips(1))
    store.add("Ben", clips(1))
    assert len(store.people()) == 2


@pytest.mark.parametrize(
    ("faulty", "words"),
    [
        ([], "at least one clip"),
        ([replace(clip(1), vector=np.full(4, np.nan, np.float32))], "finite"),
        ([replace(clip(1), vector=np.zeros((2, 2), np.float32))], "not a vector"),
        ([replace(clip(1), vector=np.zeros(0, np.float32))], "not a vector"),
        ([replace(clip(1), digest="")], "digest"),
        ([replace(clip(1), encoder="")], "encoder"),
    ],
)
def test_clips_that_make_no_sense_are_refused(store, faulty, words):
    with pytest.raises(PeopleError, match=words):
        store.add("Ada", faulty)
    assert store.people() == ()


def test_voiceprints_are_only_given_out_for_their_encoder(store):
    store.add("Ada", clips(1))
    store.add("Ben", clips(2, encoder="another"))
    both = store.add("Cleo", clips(3))
    store.add_exemplars("Cleo", clips(3, encoder="another"))
    assert [person.name for person in store.people(encoder=ENCODER)] == ["Ada", "Cleo"]
    assert [person.name for person in store.others(ENCODER)] == ["Ben"]
    assert [person.name for person in store.others("third")] == ["Ada", "Ben", "Cleo"]
    (cleo,) = (person for person in store.people(encoder=ENCODER) if person.id == both.id)
    assert {one.encoder for one in cleo.exemplars} == {ENCODER}
    assert len(store.find("Cleo").exemplars) == 2


def test_clips_are_added_and_replaced(store):
    store.add("Ada", clips(1, 2))
    store.add_exemplars("Ada", clips(1, encoder="another"))
    store.add_exemplars("Ada", clips(3))
    assert [one.digest for one in store.people(encoder=ENCODER)[0].exemplars] == ["digest-1", "digest-2", "digest-3"]
    store.add_exemplars("Ada", clips(2, 4), replace=True)
    assert [one.digest for one in store.people(encoder=ENCODER)[0].exemplars] == ["digest-2", "digest-4"]
    assert len(store.people(encoder="another")) == 1


def test_renaming_keeps_the_id(store):
    ada = store.add("Ada", clips(1))
    store.add("Ben", clips(2))
    assert store.rename("ada", "Ada Lovelace").id == ada.id
    assert store.rename("Ada Lovelace", "ada lovelace").name == "ada lovelace"
    with pytest.raises(PeopleError, match="Ben is enrolled already"):
        store.rename(ada.id, "BEN")
    with pytest.raises(UnknownPersonError):
        store.rename("Ada", "Zoe")


def test_what_is_removed_is_gone_from_the_file(store, path):
    """Not only from the tables: the bytes of name, note, circumstances and voiceprints are nowhere in the file."""
    for number, name in enumerate(("Benedict", "Wilhelmina", "Charlotte")):
        store.add(name, clips(*range(100 * number, 100 * number + 12)), consent=f"note of {name}")
    secret = [
        b"Wilhelmina",
        b"wilhelmina",
        b"note of Wilhelmina",
        b"digest-105",
        *(clip(number).vector.tobytes()[8:24] for number in range(100, 112)),
    ]
    assert all(part in path.read_bytes() for part in secret)
    store.remove("Wilhelmina")
    left = path.read_bytes()
    assert not [part for part in secret if part in left]
    assert b"Benedict" in left
    assert len(store.people()) == 2


def test_an_old_name_and_replaced_clips_are_gone_from_the_file(store, path):
    store.add("Wilhelmina", clips(1))
    store.rename("Wilhelmina", "Ada")
    store.add_exemplars("Ada", clips(2), replace=True)
    left = path.read_bytes()
    assert b"ilhelmina" not in left
    assert clip(1).vector.tobytes()[8:24] not in left
    assert clip(2).vector.tobytes() in left


def test_every_change_raises_the_generation_for_other_processes(store, path):
    with PeopleStore(path) as other:
        seen = [other.generation()]
        for change in (
            lambda: store.add("Ada", clips(1)),
            lambda: store.add_exemplars("Ada", clips(2)),
            lambda: store.rename("Ada", "Zoe"),
            lambda: store.remove("Zoe"),
        ):
            change()
            seen.append(other.generation())
        assert seen == sorted(set(seen))
        store.people()
        assert other.generation() == seen[-1]


def test_two_processes_and_threads_write_at_once(path):
    """Nobody's change is lost, and no reader sees a person without clips."""
    PeopleStore(path).close()
    child = (
        "import sys; from pathlib import Path; from edge.people import PeopleStore; from tests.edge.test_people "
        "import clips\n"
        "store = PeopleStore(Path(sys.argv[1]))\n"
        "for number in range(15): store.add(f'{sys.argv[2]} {number}', clips(number, number + 1))\n"
    )
    children = [
        subprocess.Popen([sys.executable, "-c", child, str(path), name], cwd=ROOT) for name in ("left", "right")
    ]
    halves = []
    with PeopleStore(path) as store:

        def write():
            for number in range(15):
                store.add(f"thread {number}", clips(number, number + 1))

        thread = threading.Thread(target=write)
        thread.start()
        while thread.is_alive() or any(one.poll() is None for one in children):
            halves += [person for person in store.people() if len(person.exemplars) != 2]
        thread.join()
        assert [one.wait() for one in children] == [0, 0]
        assert len(store.people()) == 45
    assert not halves


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


@pytest.mark.parametrize("blob", [b"", b"abc", np.array([np.nan], "<f4").tobytes()])
def test_a_voiceprint_that_makes_no_sense_is_noticed(path, blob):
    with PeopleStore(path) as store:
        store.add("Ada", clips(1))
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


def test_an_older_schema_is_migrated_and_keeps_its_people(path, monkeypatch):
    with PeopleStore(path) as store:
        store.add("Ada", clips(1))
    later = (*database.MIGRATIONS, ("ALTER TABLE people ADD COLUMN nickname TEXT NOT NULL DEFAULT ''",))
    monkeypatch.setattr(database, "MIGRATIONS", later)
    for _ in range(2):
        with PeopleStore(path) as store:
            assert [person.name for person in store.people()] == ["Ada"]
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (2,)
    connection.close()


def test_a_failed_migration_leaves_the_file_as_it_was(path, monkeypatch):
    with PeopleStore(path) as store:
        store.add("Ada", clips(1))
    monkeypatch.setattr(database, "MIGRATIONS", (*database.MIGRATIONS, ("DROP TABLE counter", "nonsense")))
    refusal(path)
    monkeypatch.undo()
    with PeopleStore(path) as store:
        assert store.generation() == 1


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
        "from edge.people import PeopleStore; from tests.edge.test_people import clips\n"
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
        "from tests.edge.test_people import clips\n"
        "store = PeopleStore(Path(sys.argv[1])); store.add('Ada', clips(1))\n"
        "insert = module._insert\n"
        "def crash(*arguments): insert(*arguments); os._exit(9)\n"
        "module._insert = crash\n"
        "store.add('Ben', clips(*range(300)))\n"
    )
    done = subprocess.run([sys.executable, "-c", child, str(path)], cwd=ROOT, check=False)
    assert done.returncode == 9
    with PeopleStore(path) as store:
        assert [person.name for person in store.people()] == ["Ada"]
        store.add("Ben", clips(2))


def test_closing_twice_is_fine_and_a_closed_store_says_so(path):
    store = PeopleStore(path)
    store.close()
    store.close()
    with pytest.raises(PeopleError, match="closed"):
        store.people()
