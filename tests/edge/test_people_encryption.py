"""The people database under its key: migrated without loss, bound to row and device, revoked for good."""

from __future__ import annotations

import shutil
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from edge.errors import PeopleError, UnknownPersonError, VaultError
from edge.people import PeopleStore
from edge.vault import KEY_FILE, keys
from tests.edge.people_clips import ENCODER, clip, clips
from tests.edge.people_plain import old_database

ROOT = Path(__file__).parents[2]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "state" / "people.sqlite"


def tables(path):
    with sqlite3.connect(path) as connection:
        version = connection.execute("PRAGMA user_version").fetchone()[0]
    connection.close()
    return version


def rows(path, columns, table="exemplars"):
    with sqlite3.connect(path) as connection:
        found = connection.execute(f"SELECT {columns} FROM {table} ORDER BY rowid").fetchall()
    connection.close()
    return found


def change(path, statement, *values):
    with sqlite3.connect(path) as connection:
        connection.execute(statement, values)
    connection.close()


def everything(store):
    return [
        (r.id, r.name, r.created, r.consent, [(e.vector.tobytes(), e.encoder, e.digest) for e in r.exemplars])
        for r in store.records()
    ]


def traces(folder):
    """What of the old database's people can be read in any file of the folder."""
    raw = b"".join(file.read_bytes() for file in folder.iterdir())
    words = [b"ilhelmina", b"enedict", b"note of", b"digest-1", b"USB Audio"]
    words += [clip(number).vector.tobytes()[8:24] for number in (0, 3, 10, 13)]
    return [word for word in words if word in raw]


@pytest.mark.parametrize("schema", [1, 2])
def test_a_database_from_before_encryption_is_read_as_it_is_and_encrypted_by_the_first_change(path, schema):
    old_database(path, schema=schema)
    raw = path.read_bytes()
    with PeopleStore(path) as store:
        before = everything(store)
        assert not store.encrypted
        assert [len(person.exemplars) for person in store.people(ENCODER)] == [4, 4]
        assert store.generation() == 7
    assert path.read_bytes() == raw, "an older version can still go back to it"
    assert len(traces(path.parent)) == 9
    with PeopleStore(path) as store:
        ada = store.add("Ada", clips(50))
        assert store.encrypted
        assert store.generation() > 7
        assert [one for one in everything(store) if one[0] != ada.id] == before
    assert traces(path.parent) == []
    assert tables(path) == 3


def test_protecting_encrypts_once_and_loses_nothing(path):
    old_database(path)
    with PeopleStore(path) as reader, PeopleStore(path) as store:
        before = everything(reader)
        assert store.protect()
        assert not store.protect()
        assert everything(reader) == everything(store) == before, "a daemon that had it open reads on"
        assert reader.encrypted
    assert sorted(file.name for file in path.parent.iterdir()) == ["people.sqlite", KEY_FILE]


def test_the_way_back_to_a_version_before_encryption_loses_nothing(path):
    """What is stored then is what that version had stored itself, to the bit."""
    old_database(path)
    columns = "person_id, vector, encoder, space, speech_seconds, snr_db, microphone, created, digest"
    before = sorted(rows(path, columns)), sorted(rows(path, "*", "people"))
    with PeopleStore(path) as reader, PeopleStore(path) as store:
        store.protect()
        generation, people = store.generation(), everything(store)
        assert store.unprotect()
        assert not store.unprotect()
        assert store.generation() > generation, "a daemon takes notice"
        assert everything(reader) == everything(store) == people, "and reads on"
    assert (sorted(rows(path, columns)), sorted(rows(path, "*", "people"))) == before
    assert tables(path) == 2
    with PeopleStore(path) as store:
        store.add("Ada", clips(50))
        assert store.encrypted
    assert traces(path.parent) == []


@pytest.mark.parametrize("where", ["plain tables", "wipe"])
def test_being_killed_on_the_way_back_leaves_the_one_or_the_other(path, where):
    with PeopleStore(path) as store:
        store.add("Ada", clips(1, 2))
        before = everything(store)
    kill(where, path, "unprotect")
    with PeopleStore(path) as store:
        assert store.encrypted == (where != "wipe")
        assert everything(store) == before


KILLED = """
import os, signal, sys
from pathlib import Path
from edge.people import PeopleStore, database, rows, store as module
from edge.vault import keys
where, path, act = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
places = {"row": (rows, "insert_exemplars"), "tables": (module, "make_tables"), "wipe": (database, "_zero"),
          "plain tables": (module, "make_plain_tables"), "settle": (keys, "settle"), "overwrite": (os, "pwrite"),
          "make": (os, "link"), "key": (keys, "successor")}
holder, name = places[where]
true = getattr(holder, name)
calls = 0
def killed(*arguments, **named):
    global calls
    calls += 1
    if where == "settle" and calls == 1:  # the one that looks for an earlier change that was cut off
        return true(*arguments, **named)
    if where in ("row", "key"):
        true(*arguments, **named)
    os.kill(os.getpid(), signal.SIGKILL)
setattr(holder, name, killed)
getattr(PeopleStore(path), act)()
"""


def kill(where, path, act):
    done = subprocess.run([sys.executable, "-c", KILLED, where, str(path), act], cwd=ROOT, check=False)
    assert done.returncode == -signal.SIGKILL


@pytest.mark.parametrize("where", ["make", "tables", "row", "wipe"])
def test_being_killed_while_it_is_encrypted_leaves_the_old_or_the_new(path, where):
    old_database(path)
    with PeopleStore(path) as store:
        before = everything(store)
    kill(where, path, "protect")
    with PeopleStore(path) as store:
        assert store.encrypted == (where == "wipe")
        assert everything(store) == before
        store.protect()
        assert everything(store) == before
        store.add("Ada", clips(50))
    assert traces(path.parent) == []


@pytest.mark.parametrize("where", ["key", "row", "settle", "overwrite"])
def test_being_killed_while_it_is_revoked_loses_nobody(path, where):
    """At every moment there is a file with the key that the database needs, and the next change tidies up."""
    with PeopleStore(path) as store:
        store.add("Ada", clips(1, 2))
        before, key = everything(store), store.key.ident
    kill(where, path, "revoke")
    with PeopleStore(path) as store:
        assert everything(store) == before
        assert (store.key.ident == key) == (where in ("key", "row"))
        now = store.key.ident
        store.add("Ben", clips(3))
        assert store.key.ident == now
    assert [file.name for file in path.parent.iterdir() if "key" in file.name] == [KEY_FILE]
    with PeopleStore(path) as store:
        assert len(store.people()) == 2


def test_a_row_belongs_to_its_person_its_model_and_its_database(path, tmp_path):
    with PeopleStore(path) as store:
        ada, ben = store.add("Ada", clips(1)), store.add("Ben", clips(2))
    before = path.read_bytes()
    swaps = {
        "person": ("UPDATE exemplars SET person_id = ? WHERE person_id = ?", ben.id, ada.id),
        "model": ("UPDATE exemplars SET encoder = 'another' WHERE person_id = ?", ada.id),
        "space": ("UPDATE exemplars SET space = 'voices-64/1' WHERE person_id = ?", ada.id),
    }
    for statement, *values in swaps.values():
        change(path, statement, *values)
        with PeopleStore(path) as store, pytest.raises(PeopleError, match="a row was changed, or belongs to another"):
            store.people()
        path.write_bytes(before)
    names = rows(path, "sealed", "people")
    change(path, "UPDATE people SET sealed = ? WHERE id = ?", names[1][0], ada.id)
    with PeopleStore(path) as store, pytest.raises(PeopleError, match="belongs to another"):
        store.people()
    path.write_bytes(before)
    other = tmp_path / "other" / "people.sqlite"
    other.parent.mkdir()
    shutil.copy(path.parent / KEY_FILE, other.parent)
    with PeopleStore(other) as store:  # the same key, and another database
        store.add("Ada", clips(1))
        person_id = store.find("Ada").id
    change(
        path,
        "UPDATE people SET id = ?, sealed = ? WHERE id = ?",
        person_id,
        rows(other, "sealed", "people")[0][0],
        ada.id,
    )
    change(path, "DELETE FROM exemplars WHERE person_id = ?", ada.id)
    with PeopleStore(path) as store, pytest.raises(PeopleError, match="belongs to another"):
        store.people()


def test_without_its_key_or_with_another_it_says_so_and_stays(path):
    with PeopleStore(path) as store:
        store.add("Ada", clips(1))
    before, key = path.read_bytes(), path.parent / KEY_FILE
    kept = key.read_bytes()
    key.unlink()
    with pytest.raises(VaultError, match="is missing"):
        PeopleStore(path)
    assert not key.exists(), "a fresh key would hide what is wrong"
    key.write_text("ab" * 32)
    with pytest.raises(VaultError, match="another key"):
        PeopleStore(path)
    key.write_text("a shopping list")
    with pytest.raises(VaultError, match="holds no key"):
        PeopleStore(path)
    assert path.read_bytes() == before
    key.write_bytes(kept)
    with PeopleStore(path) as store:
        assert len(store.people()) == 1


def test_revoking_keeps_people_and_makes_everything_of_before_useless(path, tmp_path):
    with PeopleStore(path) as store, PeopleStore(path) as daemon:
        store.add("Ada", clips(1, 2, 3))
        daemon.people()
        before, generation = everything(store), store.generation()
        stolen = rows(path, "sealed")
        old_key = (path.parent / KEY_FILE).read_bytes()
        old_file = path.read_bytes()
        assert store.revoke() == 1
        assert everything(daemon) == everything(store) == before
        assert store.generation() > generation
        left = b"".join(file.read_bytes() for file in path.parent.iterdir())
        assert not [sealed for (sealed,) in stolen if sealed[:48] in left]
        assert old_key.strip() not in left
        number = rows(path, "number")[0][0]
        change(path, "UPDATE exemplars SET sealed = ? WHERE number = ?", stolen[0][0], number)
        with pytest.raises(PeopleError, match="was changed"):
            store.people()
    path.write_bytes(old_file)
    with pytest.raises(VaultError, match="another key"):
        PeopleStore(path)


@pytest.mark.parametrize("look", ["open", "key"])
def test_a_revocation_does_not_come_between_a_look_at_the_row_and_one_at_the_key(path, monkeypatch, look):
    """Whoever is about to read the key of the row that they have seen would find another in its place."""
    with PeopleStore(path) as store, PeopleStore(path) as other:
        store.add("Ada", clips(1))
        other.revoke()
        other._connection.execute("PRAGMA busy_timeout = 0")
        known, refused = keys.known, []

        def revoked_before(folder, ident):
            patch.undo()
            with pytest.raises(PeopleError, match="another command") as caught:
                other.revoke()
            refused.append(caught)
            return known(folder, ident)

        with monkeypatch.context() as patch:
            patch.setattr(keys, "known", revoked_before)
            if look == "open":
                PeopleStore(path).close()
            else:
                assert store.key.ours
        assert len(refused) == 1
        assert other.revoke() == 1


@pytest.mark.parametrize(
    "act", [lambda s: s.add("Ben", clips(2)), lambda s: s.rename("Ada", "Zoe"), PeopleStore.revoke]
)
def test_a_change_that_finds_the_database_taken_back_is_refused_in_words_and_works_again(path, monkeypatch, act):
    with PeopleStore(path) as store, PeopleStore(path) as other:
        store.add("Ada", clips(1))
        encrypt = store._encrypt

        def taken_back_after() -> bool:
            done = encrypt()
            other.unprotect()
            return done

        with monkeypatch.context() as patch:
            patch.setattr(store, "_encrypt", taken_back_after)
            with pytest.raises(PeopleError, match="was changed by another command"):
                act(store)
        assert [person.name for person in store.people()] == ["Ada"]
        act(store)
        assert store.encrypted


def test_the_key_of_a_credential_wins_and_is_not_replaced(path, tmp_path, monkeypatch):
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    (credentials / "earmark-voiceprint-key").write_text("0f" * 32 + "\n")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(credentials))
    with PeopleStore(path) as store:
        store.add("Ada", clips(1))
        assert not store.key.ours
        stolen = rows(path, "sealed")
        store.revoke()
        assert len(store.people()) == 1
        number = rows(path, "number")[0][0]
        change(path, "UPDATE exemplars SET sealed = ? WHERE number = ?", stolen[0][0], number)
        with pytest.raises(PeopleError, match="was changed"):
            store.people()
    assert [file.name for file in path.parent.iterdir()] == ["people.sqlite"]
    monkeypatch.delenv("CREDENTIALS_DIRECTORY")
    with pytest.raises(VaultError, match="is missing"):
        PeopleStore(path)


def test_a_key_may_move_from_the_file_to_a_credential(path, tmp_path, monkeypatch):
    with PeopleStore(path) as store:
        store.add("Ada", clips(1))
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    (path.parent / KEY_FILE).rename(credentials / "earmark-voiceprint-key")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(credentials))
    with PeopleStore(path) as store:
        assert len(store.people()) == 1


def test_an_empty_credential_is_none(path, tmp_path, monkeypatch):
    (tmp_path / "earmark-voiceprint-key").write_text("\n")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    with PeopleStore(path) as store:
        assert store.key.ours


def test_two_installs_cannot_be_linked_though_one_can_compare(path, tmp_path):
    """Even whoever has opened the rows of two devices cannot tell that the same person is enrolled on both."""
    turned = []
    voices = [clip(n) for n in range(1, 9)]
    for name in ("one", "two"):
        with PeopleStore(tmp_path / name / "people.sqlite") as store:
            store.add("Ada", voices)
            vault = store._vault()
            turned.append([vault.turn(person.vector) for person in store.people()[0].exemplars])
    one, two = (np.stack(side) / np.linalg.norm(side, axis=1, keepdims=True) for side in turned)
    plain = np.stack([voice.vector / np.linalg.norm(voice.vector) for voice in voices])
    assert np.abs(one @ one.T - plain @ plain.T).max() < 1e-6
    assert np.abs(np.sum(one * two, axis=1)).max() < 0.6, "by chance, as 64 dimensions have it"
    assert np.abs(np.sum(one * plain, axis=1)).max() < 0.6
    assert np.abs(np.mean(np.sum(one * two, axis=1))) < 0.2


def test_the_unknown_stay_unknown_in_an_old_database(path):
    old_database(path)
    with PeopleStore(path) as store, pytest.raises(UnknownPersonError):
        store.find("Zoe")
    assert [file.name for file in path.parent.iterdir()] == ["people.sqlite"], "reading makes no key"
