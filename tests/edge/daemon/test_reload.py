"""A reload: what it refuses, and what was chosen while one station takes the place of the other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from edge.clock import SystemClock
from edge.daemon.service import Service
from edge.daemon.station import Station
from edge.settings import Audio, Models, Mqtt, Node, Settings
from tests.broker import HOST, free_port
from tests.edge.cli import voice_bundle
from tests.edge.daemon.room import Stage


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
