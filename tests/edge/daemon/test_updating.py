"""Which bundle is offered as an update, what is told of it, and the way back; with a daemon: tests/scenarios."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from edge.bundle import fingerprint, open_bundle, pack, read_card
from edge.bundle.arrivals import Arrivals, newer
from edge.bundle.files import card_and_signature, put_signature
from edge.bundle.shelf import Shelf
from edge.bundle.signature import signature_of
from edge.daemon.installing import Installer
from edge.daemon.updating import Updater
from edge.events import schema
from edge.mqtt import Topics
from edge.settings import Models, Mqtt, Settings
from edge.vault import signing
from tests.broker import wait_for
from tests.edge.small_bundles import make

ON = Settings(mqtt=Mqtt(updates=True), models=Models(bundle="small"))


class Place:
    """A state folder in which version 1.0 is in use."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "state"
        self.updates = self.folder / "updates"
        for one in (self.folder, self.updates, self.folder / "bundles"):
            one.mkdir(mode=0o700)
        self._made = folder / "made"
        pack(make(self._made / "1.0", "statistics", version="1.0"), self.folder / "bundles" / "small.earmark")
        self.used = open_bundle("small", directories=(self.folder / "bundles",))

    def bring(self, version: str, file: str = "", **changes: object) -> Path:
        target = self.updates / f"{file or version}.earmark"
        pack(make(self._made / f"{version}-{file}", "statistics", version=version, **changes), target)
        return target

    def offered(self, *trusted: str) -> list[str]:
        return [one.version for one in Arrivals(self.updates, trusted).offers(self.used)]

    def updater(self, settings: Settings = ON) -> tuple[Updater, list[dict[str, object]]]:
        told: list[dict[str, object]] = []

        def publish(message: object) -> None:
            told.append(json.loads(message.payload))
            Draft202012Validator(schema("update")).validate(told[-1])

        made = Updater(settings, self.folder, self.used, Installer(self.folder), Topics(), publish=publish)
        return made, told


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_newer_versions_of_the_bundle_in_use_are_offered_the_newest_first(place: Place) -> None:
    for version in ("1.9", "1.10", "1.0", "0.9", "2-rc1"):
        place.bring(version)
    assert place.offered() == ["1.10", "1.9"]


def test_other_names_other_embeddings_links_and_what_is_no_bundle_are_not(place: Place, tmp_path: Path) -> None:
    """A bundle with another encoder and no space that both name makes other embeddings."""
    pack(make(tmp_path / "other", "statistics", version="2.0", name="other"), place.updates / "other.earmark")
    pack(make(tmp_path / "network", "network", version="2.0"), place.updates / "network.earmark")
    (place.updates / "half.earmark").write_bytes(b"PK\x03\x04 half a file")
    (place.updates / "folder.earmark").mkdir()
    pack(make(tmp_path / "fine", "statistics", version="2.0"), tmp_path / "fine.earmark")
    (place.updates / "link.earmark").symlink_to(tmp_path / "fine.earmark")
    assert place.offered() == []
    (tmp_path / "fine.earmark").rename(place.updates / "fine.earmark")
    assert place.offered() == ["2.0"], "which the link leads to no more"


def test_with_trusted_keys_only_what_one_of_them_has_signed_is_offered(place: Place) -> None:
    pem, other = signing.new_private_key(), signing.new_private_key()
    key = signing.public_key(pem)
    unsigned, foreign, signed = (place.bring(version) for version in ("1.1", "1.2", "1.3"))
    for path, by in ((foreign, other), (signed, pem)):
        put_signature(path, signature_of(card_and_signature(path)[0], by))
    assert place.offered(key) == ["1.3"]
    assert place.offered() == ["1.3", "1.2", "1.1"]
    assert unsigned.exists()


def test_a_file_that_is_replaced_is_looked_at_again(place: Place) -> None:
    arrivals = Arrivals(place.updates, ())
    target = place.bring("1.1", "same")
    assert [one.version for one in arrivals.offers(place.used)] == ["1.1"]
    place.bring("1.2", "same")
    assert [one.version for one in arrivals.offers(place.used)] == ["1.2"]
    target.write_bytes(b"")
    assert arrivals.offers(place.used) == []


versions = st.lists(st.integers(0, 30), min_size=1, max_size=4).map(lambda parts: ".".join(map(str, parts)))


@given(one=versions, other=versions)
def test_versions_are_ordered_by_their_numbers(one: str, other: str) -> None:
    a, b = ([*map(int, version.split(".")), 0, 0, 0][:4] for version in (one, other))
    assert newer(one, other) == (a > b)
    assert not newer(f"{one}-beta", other) and not newer(one, "one")


def test_what_is_offered_is_told_once_and_a_bundle_that_is_opened_by_its_path_stays(place: Place) -> None:
    updater, told = place.updater()
    for _ in range(3):
        updater.tick()
    assert told == [{"v": 1, "installed_version": "1.0", "latest_version": "1.0", "in_progress": False,
                     "title": "Earmark model small"}]  # fmt: skip
    place.bring("1.1", summary="x" * 400 + "\x1b")
    (fresh, told), (by_path, nothing) = (place.updater(one) for one in (ON, Settings(mqtt=Mqtt(updates=True))))
    fresh.tick()
    by_path.tick()
    assert told[0]["latest_version"] == "1.1"
    assert len(str(told[0]["release_summary"])) <= 255
    assert nothing[0]["latest_version"] == "1.0"


@pytest.mark.parametrize("speech", [True, False])
def test_whoever_installs_another_encoder_of_the_space_is_told_what_that_costs(
    place: Place, tmp_path: Path, speech: bool
) -> None:
    """Without the head for speech it is another encoder, and people would be compared with voiceprints of the other."""
    place.used = open_bundle(make(tmp_path / "used", "statistics", version="1.0", space="small-24/1"))
    place.bring("1.1", space="small-24/1", speech=speech, summary="Hears better.")
    updater, told = place.updater()
    updater.tick()
    warning = "" if speech else "People may be named less often with it until they enrol again. "
    assert (told[0]["latest_version"], told[0]["release_summary"]) == ("1.1", f"{warning}Hears better.")


def test_without_the_setting_there_is_no_folder_no_topic_and_no_command(place: Place) -> None:
    place.updates.rmdir()
    updater, told = place.updater(Settings())
    updater.install()
    updater.tick()
    assert (told, dict(updater.handlers), place.updates.exists()) == ([], {}, False)


def test_a_damaged_one_is_refused_by_the_command_and_not_offered_until_its_file_changes(place: Place) -> None:
    """The command runs as a process of its own, as under a daemon; there is none here."""
    target = place.bring("1.1")
    good = target.read_bytes()
    data = bytearray(good)
    data[data.index(b"head.npz") + 60] ^= 1
    target.write_bytes(data)
    updater, told = place.updater()
    updater.install()
    updater.tick()
    assert told[0]["in_progress"] is True
    wait_for(lambda: updater.tick() or not told[-1]["in_progress"], f"its end: {told}")
    assert (told[-1]["reason"], told[-1]["latest_version"]) == ("refused", "1.0")
    assert "1.1" in str(told[-1]["release_summary"]) and str(place.folder) not in json.dumps(told)
    assert Installer(place.folder).failed, "also after a restart"
    target.write_bytes(good)
    os.utime(target, ns=(1, 1))
    again, told = place.updater()
    again.tick()
    assert told[0]["latest_version"] == "1.1"


def test_what_was_cut_off_is_taken_back_before_the_next_start(place: Place) -> None:
    """By a crash of the new bundle, or a power cut: whether it was in use already or not."""
    offered = place.bring("1.1")
    shelf, link = Shelf(place.folder / "bundles"), place.folder / "bundles" / "small.earmark"
    (offer,) = Arrivals(place.updates, ()).offers(place.used)
    trying = {"name": "small", "fingerprint": fingerprint(offer.card.raw), "stamp": offer.stamp}
    for in_use in (False, True):
        (place.folder / "updates.json").write_text(json.dumps({"trying": trying}))
        if in_use:
            with offered.open("rb") as stream:
                shelf.use("small", shelf.put(stream))
            assert read_card(link).raw["version"] == "1.1"
        installer = Installer(place.folder)
        installer.recover()
        assert read_card(link).raw["version"] == "1.0"
        assert installer.failed == ({offer.stamp: "taken_back"} if in_use else {}), "what was not tried can be"
        installer.recover()
        assert read_card(link).raw["version"] == "1.0"


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"trying": 1}', '{"trying": {"name": "../x", "fingerprint": "", "stamp": ""}}',
             '{"failed": [1]}', '{"failed": {"a": "b"}}', "[" * 9000],
)  # fmt: skip
def test_a_record_that_is_none_changes_nothing(place: Place, text: str) -> None:
    (place.folder / "updates.json").write_text(text)
    Installer(place.folder).recover()
    assert read_card(place.folder / "bundles" / "small.earmark").raw["version"] == "1.0"
    updater, told = place.updater()
    updater.tick()
    assert told[0]["in_progress"] is False


def test_nothing_is_installed_where_it_cannot_be_noted(
    place: Place, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Without the note nothing would lead back after a crash."""

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    place.bring("1.1")
    monkeypatch.setattr("edge.daemon.installing.replace_whole", full)
    updater, told = place.updater()
    updater.install()
    updater.tick()
    assert "not installed" in caplog.text and told[-1]["in_progress"] is False


def test_a_folder_that_cannot_be_made_is_told_once(
    place: Place, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The daemon looks every few seconds, for years."""
    monkeypatch.setattr("edge.daemon.updating._LOOK_SECONDS", 0.0)
    place.updates.rmdir()
    place.updates.write_text("")
    updater, _ = place.updater()
    for _ in range(3):
        updater.tick()
    assert caplog.text.count("cannot be made") == 1
    place.updates.unlink()
    updater.tick()
    assert place.updates.is_dir()


def test_what_was_installed_when_the_daemon_ends_is_not_taken_back(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.bring("1.1")
    (offer,) = Arrivals(place.updates, ()).offers(place.used)
    at_work = place.folder / "at-work"
    succeed = (
        "import signal, sys, time; from pathlib import Path; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
        "(Path(sys.argv[4]) / 'at-work').touch(); time.sleep(0.3)"
    )
    monkeypatch.setattr("edge.daemon.installing._COMMAND", (sys.executable, "-c", succeed))
    installer = Installer(place.folder)
    installer.begin(offer, None)
    wait_for(at_work.exists, "it is at work")
    installer.stop()
    wait_for(lambda: not installer.running, "its end")
    assert json.loads((place.folder / "updates.json").read_text()) == {"failed": {}}


def test_where_the_command_is_killed_the_former_bundle_comes_back_and_the_daemon_reloads(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As by a system that has no memory left, after it has put the new bundle to use."""
    place.bring("1.1")
    (offer,) = Arrivals(place.updates, ()).offers(place.used)
    reloads: list[bool] = []
    swap = (
        "import os, signal, sys; from pathlib import Path; from edge.bundle.shelf import Shelf; "
        "shelf = Shelf(Path(sys.argv[4]) / 'bundles'); shelf.use('small', shelf.put(open(sys.argv[1], 'rb'))); "
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    monkeypatch.setattr("edge.daemon.installing._COMMAND", (sys.executable, "-c", swap))
    installer = Installer(place.folder, lambda: reloads.append(True))
    installer.begin(offer, None)
    wait_for(lambda: not installer.running, "its end")
    assert read_card(place.folder / "bundles" / "small.earmark").raw["version"] == "1.0"
    assert (installer.failed, reloads) == ({offer.stamp: "taken_back"}, [True])
