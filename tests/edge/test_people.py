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

from edge.errors import PeopleError, UnknownPersonError
from edge.people import PeopleStore, check_name, transfer
from edge.people.names import LONGEST_NOTE, name_key
from edge.people.rows import Record
from edge.records import Exemplar
from tests.edge.people_clips import ENCODER, clip, clips

ROOT = Path(__file__).parents[2]


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
        for name in ("encoder", "space", "speech_seconds", "snr_db", "microphone", "created", "digest")
    )


def test_what_is_added_comes_back_to_the_bit(store, path):
    given = [clip(1), replace(clip(2), space="voices-64/1")]
    ada = store.add("Ada", given, consent="said yes on 2026-11-21")
    store.close()
    with PeopleStore(path) as again:
        (found,) = again.people()
        assert (found.id, found.name, found.created) == (ada.id, "Ada", ada.created)
        assert all(map(same, found.exemplars, given))
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
    assert sorted(entry.name for entry in path.parent.iterdir()) == ["people.sqlite", "voiceprint.key"]


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


def sealed(path, person_id):
    """The bytes of a person's rows as they lie in the file."""
    with sqlite3.connect(path) as connection:
        rows = connection.execute("SELECT sealed FROM people WHERE id = ?", (person_id,)).fetchall()
        rows += connection.execute("SELECT sealed FROM exemplars WHERE person_id = ?", (person_id,)).fetchall()
    connection.close()
    return [row[0] for row in rows]


def test_nobody_is_named_in_the_file(store, path):
    """Neither name nor note, neither circumstances nor voiceprints are there in clear, nor beside it."""
    store.add("Wilhelmina", clips(*range(12)), consent="note of consent")
    store.rename("Wilhelmina", "Charlotte")
    for file in path.parent.iterdir():
        raw = file.read_bytes()
        assert not [word for word in (b"ilhelmina", b"harlotte", b"note of", b"digest-", b"mic:") if word in raw]
        assert not [n for n in range(12) if clip(n).vector.tobytes()[8:24] in raw]


def test_what_is_removed_is_gone_from_the_file(store, path):
    """Not only from the tables: its bytes are nowhere in the folder, while those of the others still are."""
    people = [
        store.add(name, clips(*range(100 * number, 100 * number + 12)), consent=f"note of {name}")
        for number, name in enumerate(("Benedict", "Wilhelmina", "Charlotte"))
    ]
    secret = [part[at : at + 48] for part in sealed(path, people[1].id) for at in range(0, len(part) - 48, 48)]
    others = sealed(path, people[0].id)
    assert len(secret) > 50
    assert all(part in path.read_bytes() for part in secret[:5])
    store.remove("Wilhelmina")
    left = b"".join(file.read_bytes() for file in path.parent.iterdir())
    assert not [part for part in secret if part in left]
    assert all(part[:48] in left for part in others)
    assert people[1].id.encode() not in left
    assert len(store.people()) == 2


def test_an_old_name_and_replaced_clips_are_gone_from_the_file(store, path):
    ada = store.add("Wilhelmina", clips(1))
    before = sealed(path, ada.id)
    store.rename("Wilhelmina", "Ada")
    store.add_exemplars("Ada", clips(2), replace=True)
    left = path.read_bytes()
    assert not [part for part in before if part[:48] in left]
    assert all(part[:48] in left for part in sealed(path, ada.id))


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


SPACE = "voices-64/1"


def spaced(number: int, encoder: str, space: str = SPACE) -> Exemplar:
    return replace(clip(number, encoder), space=space)


def test_a_voiceprint_is_given_out_to_every_encoder_of_its_space(store):
    store.add("Ada", [spaced(1, "accurate"), spaced(2, "accurate")])
    store.add("Ben", [spaced(3, "compact")])
    store.add("Cleo", [clip(4, "accurate"), spaced(5, "accurate", "voices-64/2")])
    (ada, ben) = store.people("compact", SPACE)
    assert (ada.name, ben.name) == ("Ada", "Ben")
    assert {(one.encoder, one.space) for one in ada.exemplars} == {("accurate", SPACE)}
    assert [person.name for person in store.others("compact", SPACE)] == ["Cleo"]
    assert [person.name for person in store.people("accurate")] == ["Ada", "Cleo"], "the hash alone binds as before"
    assert [person.name for person in store.people("compact", "")] == ["Ben"]
    assert len(store.people("accurate", SPACE)[2].exemplars) == 2, "its own encoder's count, whatever space they name"


def test_a_recording_counts_once_in_a_space_and_by_the_encoder_that_listens(store):
    store.add("Ada", [spaced(1, "accurate"), spaced(2, "accurate")])
    store.add_exemplars("Ada", [spaced(1, "compact")])
    for encoder, wanted in (("compact", ["accurate", "compact"]), ("accurate", ["accurate", "accurate"])):
        (ada,) = store.people(encoder, SPACE)
        assert sorted(one.encoder for one in ada.exemplars) == wanted
        assert {one.digest for one in ada.exemplars} == {"digest-1", "digest-2"}
    (third,) = store.people("third", SPACE)
    assert {one.digest for one in third.exemplars} == {"digest-1", "digest-2"}


def test_replacing_clips_replaces_those_of_the_space(store):
    store.add("Ada", [spaced(1, "accurate"), clip(2, "foreign")])
    store.add_exemplars("Ada", [spaced(3, "compact")], replace=True)
    assert [one.digest for one in store.find("Ada").exemplars] == ["digest-2", "digest-3"]
    store.add_exemplars("Ada", [clip(4, "foreign")], replace=True)
    assert [one.digest for one in store.find("Ada").exemplars] == ["digest-3", "digest-4"]


def test_voiceprints_from_before_spaces_get_theirs_from_their_encoder(store, path):
    """At once where they are read, in the file with the next change, and only where they named none."""
    store.add("Ada", [clip(1, "accurate"), spaced(2, "accurate", "voices-64/2")])
    generation = store.generation()
    with PeopleStore(path, {"accurate": SPACE}) as told:
        assert [one.space for one in told.people("compact", SPACE)[0].exemplars] == [SPACE]
        assert told.generation() == generation, "reading changes nothing"
        assert store.people("compact", SPACE) == ()
        told.add("Ben", [clip(3, "foreign")])
    assert [one.space for one in store.find("Ada").exemplars] == [SPACE, "voices-64/2"]
    assert [one.space for one in store.find("Ben").exemplars] == [""]


def test_a_note_that_no_file_of_people_could_hold_is_refused_at_enrolment(store):
    with pytest.raises(PeopleError, match="the note on consent has 4001 characters"):
        store.add("Ada", clips(1), consent="x" * (LONGEST_NOTE + 1))
    store.add("Ada", clips(1), consent="x" * LONGEST_NOTE)
    assert len(transfer.parsed(transfer.document(store.records()))) == 1


@pytest.mark.parametrize(
    "record",
    [
        Record("p0001", "Ada", "2026-11-21T10:00:00Z", "x" * (LONGEST_NOTE + 1), clips(1)),
        Record("p0001", "Ada", "2026-11-21T10:00:00Z", "", clips(*range(1001))),
        Record("p0001", "Ada", "2026-11-21T10:00:00Z", "", [replace(clip(1), snr_db=float("inf"))]),
        Record("p0001", "Ada", "2026-11-21T10:00:00Z", "", [replace(clip(1), speech_seconds=float("nan"))]),
    ],
    ids=["note", "clips", "snr", "seconds"],
)
def test_nothing_is_exported_that_could_not_be_imported(record):
    with pytest.raises(PeopleError, match="Ada cannot be exported: "):
        transfer.document([record])
