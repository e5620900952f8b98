"""A reload: what it refuses, and what was chosen while one station takes the place of the other."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from edge.clock import SystemClock
from edge.daemon.service import Service
from edge.daemon.station import Station
from edge.mqtt import Command
from edge.outbox import Outbox
from edge.people import PeopleStore
from edge.settings import Audio, Models, Mqtt, Node, Settings
from tests.broker import HOST, free_port
from tests.edge.cli import voice_bundle
from tests.edge.daemon.room import Stage
from tests.edge.people_clips import clips


class Microphone(Stage):
    """One that tells whether it is open."""

    def __init__(self) -> None:
        super().__init__()
        self.closed = False

    def close(self) -> None:
        self.closed = True
        super().close()


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return voice_bundle.make(tmp_path_factory.mktemp("reload") / "voices")


@pytest.fixture
def settings(bundle: Path) -> Settings:
    """A device whose broker is away, and which obeys commands."""
    return Settings(
        node=Node(name="kitchen"),
        audio=Audio(source="mic:stage"),
        models=Models(bundle=str(bundle)),
        mqtt=Mqtt(host=HOST, port=free_port(), commands=True),
    )


@pytest.fixture
def microphones(monkeypatch: pytest.MonkeyPatch) -> list[Microphone]:
    """Every one that was made."""
    made: list[Microphone] = []

    def open_source(*_: object, **__: object) -> Microphone:
        made.append(Microphone())
        return made[-1]

    monkeypatch.setattr("edge.daemon.station.open_source", open_source)
    return made


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "state"
    made.mkdir()
    return made


@pytest.fixture
def old(settings: Settings, folder: Path, microphones: list[Microphone]) -> Iterator[Station]:
    """A station that listens."""
    station = Station(settings, folder, SystemClock(), realtime=False)
    station.start()
    yield station
    if not station._commands._ended:
        station.stop(10)


@pytest.mark.parametrize("broken", [{"username": "u", "password_file": "none"}, {"tls": True, "ca_file": "none"}])
def test_a_secret_that_cannot_be_read_refuses_the_reload_and_the_old_settings_stay(
    old: Station, settings: Settings, folder: Path, caplog: pytest.LogCaptureFixture, broken: dict[str, object]
) -> None:
    wrong = replace(settings, mqtt=replace(settings.mqtt, **broken))  # type: ignore[arg-type]
    service = Service(lambda: wrong, folder)
    service._station = old
    service._do_reload()
    assert service._station is old
    assert old.settings.mqtt == settings.mqtt
    assert old._publisher is not None and not old._publisher._stopping.is_set()
    assert not old.ended
    assert "reload refused" in caplog.text


def told(folder: Path, name: str) -> bytes:
    """The value of a setting as it stands at the broker, or will."""
    with Outbox(folder / "outbox.sqlite") as outbox:
        return {message.topic: message.payload for _, message in outbox.states()}[f"earmark/kitchen/cfg/{name}/state"]


def choose(station: Station, name: str, value: str) -> None:
    station._command(Command("set", name, value.encode()))


@pytest.mark.parametrize(("before", "chosen"), [("ON", "OFF"), ("OFF", "ON")])
def test_what_is_chosen_while_a_reload_is_under_way_holds_afterwards(
    old: Station, settings: Settings, folder: Path, microphones: list[Microphone], before: str, chosen: str
) -> None:
    choose(old, "listening", before)
    choose(old, "profile", "relaxed")
    fresh = Station(settings, folder, SystemClock(), realtime=False)
    choose(old, "listening", chosen)
    choose(old, "profile", "balanced")
    choose(old, "hold_time", "50")
    old.stop(10)
    fresh.start()
    try:
        assert (fresh._listening, fresh.settings.decide.profile) == (chosen == "ON", "balanced")
        assert fresh.settings.homeassistant.hold_seconds == 50
        assert (fresh._listener._thread.ident is not None) == (chosen == "ON")
    finally:
        fresh.stop(10)
    assert (told(folder, "listening"), told(folder, "profile")) == (chosen.encode(), b"balanced")
    assert all(one.closed for one in microphones)


def test_what_is_chosen_while_a_station_ends_holds_from_the_next_on_and_opens_no_microphone(
    old: Station, settings: Settings, folder: Path, microphones: list[Microphone], monkeypatch: pytest.MonkeyPatch
) -> None:
    choose(old, "listening", "OFF")
    end = old._listener.stop

    def stop(timeout_seconds: float) -> bool:
        ended = end(timeout_seconds)
        choose(old, "listening", "ON")
        choose(old, "profile", "strict")
        return ended

    monkeypatch.setattr(old._listener, "stop", stop)
    fresh = Station(settings, folder, SystemClock(), realtime=False)
    old.stop(10)
    assert len(microphones) == 2 and microphones[0].closed, "the fresh station's, beside that of the old one"
    assert (told(folder, "listening"), told(folder, "profile")) == (b"OFF", b"balanced")
    fresh.start()
    try:
        assert fresh._listening and fresh.settings.decide.profile == "strict"
    finally:
        fresh.stop(10)


def test_a_command_waits_until_the_station_has_begun(
    settings: Settings, folder: Path, microphones: list[Microphone], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else its listener would be begun twice, or an old value told after the new one."""
    first = Station(settings, folder, SystemClock(), realtime=False)
    choose(first, "listening", "OFF")
    first.stop(10)
    station = Station(settings, folder, SystemClock(), realtime=False)
    connected: list[threading.Thread] = []
    introduce = station._introduce

    def in_between() -> None:
        connected.append(threading.Thread(target=choose, args=(station, "listening", "ON")))
        connected[0].start()
        introduce()
        assert station._commands.turn.locked() and not station._listening

    monkeypatch.setattr(station, "_introduce", in_between)
    station.start()
    connected[0].join()
    try:
        assert station._listening and station._listener._thread.ident is not None
    finally:
        station.stop(10)
    assert told(folder, "listening") == b"ON"


def test_what_is_told_of_somebody_who_is_removed_while_a_reload_is_under_way_is_not_sent(
    old: Station, settings: Settings, folder: Path, microphones: list[Microphone]
) -> None:
    with PeopleStore(folder) as store:
        ada, ben = (store.add(name, clips(*which)).id for name, which in (("Ada", (1, 2)), ("Ben", (3, 4))))
        old.refresh_people()
        fresh = Station(settings, folder, SystemClock(), realtime=False)
        store.remove("Ada")
    about = {one: old._topics.message("auth", json.dumps({"person_id": one}).encode()) for one in (ada, ben)}
    old._publish(*about.values())
    old.stop(10)
    fresh.start()
    try:
        assert fresh._outbox is not None
        waiting = [message for _, message in fresh._outbox.pending(1000) if message.topic == about[ben].topic]
        assert waiting == [about[ben]]
    finally:
        fresh.stop(10)
