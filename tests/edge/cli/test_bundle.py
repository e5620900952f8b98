"""``earmark bundle`` without a daemon, and the account that it works as; with a daemon see tests/deploy/fleet."""

from __future__ import annotations

import argparse
import os
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from edge.bundle import fingerprint, pack, read_card
from edge.bundle.shelf import Shelf
from edge.cli import bundle_change
from edge.cli.at_account import in_folder_of
from edge.cli.bundle_change import Running
from edge.cli.reload import Outcome, hang_up
from edge.control import Peer
from edge.errors import StorageError
from edge.settings import Settings
from tests.edge.cli.conftest import Done
from tests.edge.small_bundles import make

Earmark = Callable[..., Done]


@pytest.fixture
def small(tmp_path: Path, environment: None, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file with the bundle that the settings name; there is no daemon."""
    monkeypatch.setenv("EARMARK_MODELS__BUNDLE", "small")
    pack(make(tmp_path / "new", "statistics", version="2"), tmp_path / "new.earmark")
    return tmp_path / "new.earmark"


def test_check_tells_what_a_bundle_is(earmark: Earmark, small: Path) -> None:
    told = earmark("bundle", "check", small, "--json").json
    assert (told["name"], told["version"], told["space"]) == ("small", "2", "")
    assert len(told["sha256"]) == 64
    assert "small-2" in earmark("bundle", "check", small).out


def test_a_damaged_bundle_and_another_than_was_meant_are_refused(earmark: Earmark, small: Path) -> None:
    done = earmark("bundle", "install", small, "--sha256", "0" * 64)
    assert done.code == 5
    assert "not the SHA-256" in done.err
    data = bytearray(small.read_bytes())
    data[data.index(b"head.npz") + 60] ^= 1
    small.write_bytes(data)
    assert earmark("bundle", "check", small).code == 5
    assert earmark("bundle", "install", small).code == 5


def test_without_a_daemon_it_is_put_in_place_and_taken_back(earmark: Earmark, small: Path, tmp_path: Path) -> None:
    done = earmark("bundle", "install", small, "--json")
    assert done.code == 0, done.err
    assert done.json == {
        "action": "install", "name": "small", "before": None, "after": None, "changed": True, "enrol_again": 0,
    }  # fmt: skip
    link = tmp_path / "state" / "bundles" / "small.earmark"
    assert link.is_symlink()
    assert earmark("bundle", "back", "small").code == 0
    assert not link.is_symlink()
    assert earmark("bundle", "back", "small").code == 5


def test_a_bundle_of_another_name_is_refused(earmark: Earmark, small: Path, tmp_path: Path) -> None:
    pack(make(tmp_path / "other", "statistics", name="other"), tmp_path / "other.earmark")
    done = earmark("bundle", "install", tmp_path / "other.earmark")
    assert done.code == 5
    assert "models.bundle" in done.err


@pytest.fixture
def daemon(monkeypatch: pytest.MonkeyPatch, small: Path, tmp_path: Path) -> Callable[[str], None]:
    """``daemon(why)``: one that listens with ``small``, and is not well after the next reload for the reason ``why``,
    or well where there is none.
    """
    (tmp_path / "state").mkdir(mode=0o700)
    status = {"state": str(tmp_path / "state"), "bundle": "small", "model": "small-0", "fingerprint": "0" * 16}
    found = Running(status | {"enrolled": 0}, Peer(os.getpid(), os.geteuid(), frozenset()))
    told: list[str] = []
    monkeypatch.setattr(bundle_change, "_running", lambda settings, args: found)
    monkeypatch.setattr(bundle_change, "hang_up", lambda peer: None)
    monkeypatch.setattr(
        bundle_change, "wait_for_reload", lambda *_: Outcome({"enrolled": 0}, told.pop() if told else "")
    )
    return told.append


def stored(state: Path) -> list[Path]:
    """The bundles that were put there, in use or not."""
    return [*(state / "bundles").rglob("*.earmark"), *(state / "bundles").rglob("*.part")]


def version_in_use(tmp_path: Path) -> str:
    return str(read_card(tmp_path / "state" / "bundles" / "small.earmark").raw["version"])


def test_a_bundle_that_does_not_do_leaves_the_one_before_in_use_whichever_that_was(
    earmark: Earmark, small: Path, daemon: Callable[[str], None], tmp_path: Path
) -> None:
    """Also where it is the very same once more: the way back from that is none."""
    pack(make(tmp_path / "first", "statistics", version="1"), tmp_path / "first.earmark")
    assert earmark("bundle", "install", tmp_path / "first.earmark").code == 0
    assert earmark("bundle", "install", small).code == 0
    for offer in (tmp_path / "first.earmark", small):
        daemon("it stumbles")
        done = earmark("bundle", "install", offer, "--force")
        assert (done.code, version_in_use(tmp_path)) == (1, "2")
        assert "it stumbles" in done.err and "the former bundle is in use again" in done.err


def test_back_to_a_bundle_with_which_the_daemon_is_not_well_says_what_is_in_place(
    earmark: Earmark, small: Path, daemon: Callable[[str], None], tmp_path: Path
) -> None:
    pack(make(tmp_path / "first", "statistics", version="1"), tmp_path / "first.earmark")
    for offer in (tmp_path / "first.earmark", small):
        assert earmark("bundle", "install", offer).code == 0
    daemon("it stumbles")
    done = earmark("bundle", "back", "small")
    assert (done.code, version_in_use(tmp_path)) == (5, "1")
    assert "small-1 is in place again, but the daemon is not well: it stumbles" in done.err


def test_from_the_first_look_to_the_daemons_last_word_no_other_command_changes_the_bundles(
    earmark: Earmark, small: Path, daemon: Callable[[str], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise its `tidy` removes what this one has put there, and its way back takes back what this one did."""
    shelf, seen = Shelf(tmp_path / "state" / "bundles"), list[str]()

    def also(where: object, name: str) -> None:
        does = getattr(where, name)

        def watched(*args: object, **words: object) -> object:
            with pytest.raises(StorageError, match="another command"), shelf.alone(0):
                raise AssertionError("a second one came in")
            seen.append(name)
            return does(*args, **words)

        monkeypatch.setattr(where, name, watched)

    also(bundle_change, "verify")
    also(bundle_change, "wait_for_reload")
    for name in ("put", "use", "tidy", "back"):
        also(Shelf, name)
    assert earmark("bundle", "install", small).code == 0
    assert seen == ["verify", "put", "use", "wait_for_reload", "tidy"]
    seen.clear()
    pack(make(tmp_path / "third", "statistics", version="3"), tmp_path / "third.earmark")
    daemon("it stumbles")
    assert earmark("bundle", "install", tmp_path / "third.earmark").code == 1
    assert seen == ["verify", "put", "use", "wait_for_reload", "back"]
    seen.clear()
    assert earmark("bundle", "install", tmp_path / "third.earmark").code == 0
    seen.clear()
    assert earmark("bundle", "back", "small").code == 0
    assert seen == ["back", "wait_for_reload"]
    with shelf.alone(0):
        done = earmark("bundle", "back", "small", "--wait", 0.01, "--settle", 0.01)
    assert done.code == 5 and "another command is changing the bundles" in done.err and "Try again." in done.err


def test_whoever_had_to_wait_goes_by_what_the_daemon_says_then(
    earmark: Earmark, small: Path, daemon: Callable[[str], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other command has installed the very same."""
    found = bundle_change._running(Settings(), argparse.Namespace())
    assert found is not None
    now = replace(found, status=found.status | {"fingerprint": fingerprint(read_card(small).raw)})  # type: ignore[operator]
    looks = iter((found, now))
    monkeypatch.setattr(bundle_change, "_running", lambda settings, args: next(looks))
    assert earmark("bundle", "install", small, "--json").json["changed"] is False
    assert not stored(tmp_path / "state")
    elsewhere = replace(found, status=found.status | {"state": str(tmp_path)})  # type: ignore[operator]
    looks = iter((found, elsewhere))
    done = earmark("bundle", "install", small)
    assert (done.code, stored(tmp_path / "state"), stored(tmp_path)) == (5, [], [])
    assert "Try again." in done.err


def test_what_took_the_place_of_a_bundle_that_does_not_do_is_left_in_use(
    earmark: Earmark, small: Path, daemon: Callable[[str], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As by the daemon, which takes back what it was trying before it ended, and asks nobody."""
    pack(make(tmp_path / "first", "statistics", version="1"), tmp_path / "first.earmark")
    assert earmark("bundle", "install", tmp_path / "first.earmark").code == 0
    waits = bundle_change.wait_for_reload

    def meanwhile(*args: object) -> Outcome:
        monkeypatch.setattr(bundle_change, "wait_for_reload", waits)
        Shelf(tmp_path / "state" / "bundles").back("small")
        return Outcome(None, "it does not answer")

    monkeypatch.setattr(bundle_change, "wait_for_reload", meanwhile)
    done = earmark("bundle", "install", small)
    assert (done.code, version_in_use(tmp_path)) == (1, "1")
    assert "the former bundle is in use again" in done.err


def test_a_daemon_whose_process_cannot_be_seen_is_told_nothing() -> None:
    """Of a process in another namespace the kernel says 0, which as a target means everybody here."""
    with pytest.raises(StorageError, match="container"):
        hang_up(Peer(0, os.geteuid(), frozenset()))


def test_status_without_a_daemon_says_so(earmark: Earmark) -> None:
    done = earmark("status", "--json")
    assert done.code == 5
    assert done.json["error"]["code"] == "control"
    assert "systemctl start earmark" in done.json["error"]["remedy"]


def test_root_installs_a_file_that_the_daemons_account_cannot_read(
    earmark: Earmark, small: Path, tmp_path: Path
) -> None:
    """As a fleet does: it lies in the home of whoever brought it."""
    if os.geteuid() != 0:
        pytest.skip("only root can be somebody else")
    state, home = tmp_path / "state", tmp_path / "home"
    for folder in (state, home):
        folder.mkdir(mode=0o700)
    os.chown(state, 12345, 12345)
    done = earmark("bundle", "install", small.rename(home / small.name))
    assert done.code == 0, done.err
    assert (state / "bundles" / "small.earmark").lstat().st_uid == 12345


def test_root_computes_with_nothing_that_the_daemons_account_could_swap(
    earmark: Earmark, small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The network is verified in a folder of root's own, and the same bytes are what is put to use."""
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    verified: list[bytes] = []

    def verify(path: Path, settings: Settings, place: Path) -> None:
        assert not path.resolve().is_relative_to(state.resolve())
        assert (path.parent.stat().st_mode & 0o077, path.parent.stat().st_uid) == (0, os.geteuid())
        assert not stored(state), "nothing is put there before it is verified"
        verified.append(path.read_bytes())

    monkeypatch.setattr(bundle_change, "verify", verify)
    done = earmark("bundle", "install", small)
    assert done.code == 0, done.err
    assert [(state / "bundles" / "small.earmark").read_bytes()] == verified


def test_a_file_that_changes_while_it_is_copied_is_refused(
    earmark: Earmark, small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copied = shutil.copyfile

    def late(source: Path, target: Path) -> None:
        copied(source, target)
        with zipfile.ZipFile(target, "a") as archive:
            archive.comment = b"another file with the same card"

    monkeypatch.setattr(shutil, "copyfile", late)
    done = earmark("bundle", "install", small)
    assert done.code == 5 and "changed while it was being read" in done.err
    assert not stored(tmp_path / "state")


def test_root_works_as_the_owner_of_a_folder_and_is_root_again(tmp_path: Path) -> None:
    """Also where the folder above is closed to that account, as systemd's /var/lib/private is."""
    if os.geteuid() != 0:
        pytest.skip("only root can be somebody else")
    private = tmp_path / "private"
    state = private / "state"
    state.mkdir(parents=True)
    os.chown(state, 12345, 12345)
    private.chmod(0o700)
    outside, here = tmp_path / "secret", Path.cwd()
    outside.write_text("root's")
    outside.chmod(0o600)
    (state / "link").symlink_to(outside)
    with in_folder_of(12345, state) as folder:
        (folder / "made").write_text("x")
        with pytest.raises(PermissionError):
            (folder / "link").write_text("theirs")
    assert (state / "made").stat().st_uid == 12345
    assert (os.geteuid(), os.getegid(), Path.cwd()) == (0, 0, here)
    assert outside.read_text() == "root's"
    with pytest.raises(StorageError, match="cannot be entered"), in_folder_of(12345, private / "absent"):
        raise AssertionError("entered")
    assert os.geteuid() == 0
