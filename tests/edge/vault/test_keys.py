"""The device's key: made once, for the owner alone, never shown, and never lost while it is replaced."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from edge.errors import StorageError, VaultError
from edge.vault import CREDENTIAL, KEY_FILE, Vault, keys

ROOT = Path(__file__).parents[3]


def test_a_key_is_made_once_and_for_the_owner_alone(tmp_path):
    folder = tmp_path / "state"
    first = keys.current(folder, {})
    path = folder / KEY_FILE
    assert (path.stat().st_mode & 0o777, folder.stat().st_mode & 0o777) == (0o600, 0o700)
    assert keys.current(folder, {}).secret == first.secret
    assert len(first.secret) == 32
    assert keys.known(folder, first.ident, {}).secret == first.secret
    assert [entry.name for entry in folder.iterdir()] == [KEY_FILE]


def test_a_key_that_others_could_read_is_closed(tmp_path):
    keys.current(tmp_path, {})
    (tmp_path / KEY_FILE).chmod(0o644)
    keys.current(tmp_path, {})
    assert (tmp_path / KEY_FILE).stat().st_mode & 0o777 == 0o600


def test_processes_that_make_it_at_once_get_the_same(tmp_path):
    child = (
        "import sys; from pathlib import Path; from edge.vault import keys\n"
        "print(keys.current(Path(sys.argv[1]), {}).ident)"
    )
    running = [
        subprocess.Popen([sys.executable, "-c", child, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    assert len({one.communicate()[0] for one in running}) == 1
    assert [entry.name for entry in tmp_path.iterdir()] == [KEY_FILE]


def test_a_reader_finds_the_key_while_its_successor_takes_its_place(tmp_path, monkeypatch):
    old, following = keys.current(tmp_path, {}), keys.successor(tmp_path)
    read, done = keys._read, []

    def settle_first(path, *, ours):
        if path == following.path and not done:
            done.append(path)
            keys.settle(tmp_path, following.ident)
        return read(path, ours=ours)

    monkeypatch.setattr(keys, "_read", settle_first)
    assert keys.known(tmp_path, following.ident, {}).secret == following.secret
    assert done
    with pytest.raises(VaultError):
        keys.known(tmp_path, old.ident, {})


def test_a_key_is_in_no_message_and_no_repr(tmp_path):
    key = keys.current(tmp_path, {})
    shown = f"{key!r} {key} {Vault(key, b's' * 16)!r} {key.ident}"
    assert key.secret.hex() not in shown
    assert repr(key.secret) not in shown
    (tmp_path / KEY_FILE).write_text(key.secret.hex() + "ff")
    with pytest.raises(VaultError) as caught:
        keys.current(tmp_path, {})
    assert key.secret.hex() not in caught.value.sentence()


@pytest.mark.parametrize("text", ["", "\n", "ab" * 31, "ab" * 33, "xy" * 32, "ab" * 32 + "\nab"])
def test_what_is_no_key_is_refused_and_kept(tmp_path, text):
    (tmp_path / KEY_FILE).write_text(text)
    with pytest.raises(VaultError, match="holds no key"):
        keys.current(tmp_path, {})
    assert (tmp_path / KEY_FILE).read_text() == text


@pytest.mark.parametrize("make", [lambda path: path.symlink_to("/etc/hostname"), Path.mkdir, os.mkfifo])
def test_only_a_plain_file_will_do(tmp_path, make):
    make(tmp_path / KEY_FILE)
    with pytest.raises((StorageError, VaultError)):
        keys.current(tmp_path, {})


def test_a_credential_wins_where_it_holds_a_key(tmp_path):
    folder, given = tmp_path / "state", tmp_path / "credentials"
    given.mkdir()
    own = keys.current(folder, {})
    environ = {"CREDENTIALS_DIRECTORY": str(given)}
    assert keys.current(folder, environ).secret == own.secret
    (given / CREDENTIAL).write_text("\n")
    assert keys.current(folder, environ).secret == own.secret
    (given / CREDENTIAL).write_text("0F" * 32)
    assert keys.current(folder, environ).secret == bytes([15]) * 32
    assert keys.known(folder, own.ident, environ).secret == own.secret, "whichever the database belongs to"


def test_a_successor_takes_over_only_where_the_database_says_so(tmp_path):
    before = keys.current(tmp_path, {})
    following = keys.successor(tmp_path)
    assert keys.known(tmp_path, before.ident, {}).secret == before.secret
    assert keys.known(tmp_path, following.ident, {}).secret == following.secret
    keys.settle(tmp_path, before.ident)
    assert keys.current(tmp_path, {}).secret == before.secret
    following = keys.successor(tmp_path)
    keys.settle(tmp_path, following.ident)
    assert keys.current(tmp_path, {}).secret == following.secret
    assert [entry.name for entry in tmp_path.iterdir()] == [KEY_FILE]


def test_the_key_that_goes_is_overwritten_where_it_lay(tmp_path):
    keys.current(tmp_path, {})
    held = (tmp_path / KEY_FILE).open("rb")
    with held:
        keys.settle(tmp_path, keys.successor(tmp_path).ident)
        assert set(held.read()) == {0}
