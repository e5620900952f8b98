"""A daemon in this process, at a microphone that hears what a test says.

Gives the fixture ``room``, and ``stage_home``, ``stage_settings``, ``stage_folder`` behind it.
"""

from __future__ import annotations

import queue
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge.audio import OnProblem, read_samples
from edge.auth.attempt import Gate
from edge.cli import main
from edge.clock import SystemClock
from edge.daemon.station import Station
from edge.demo.stage import ASSETS
from edge.errors import MicrophoneError
from edge.people import PeopleStore
from edge.records import SAMPLE_RATE, AudioBlock, Float32
from edge.settings import Models, Mqtt, Settings
from tests.broker import wait_for
from tests.edge.cli import voice_bundle
from tests.edge.control.service import Raw, verify

BLOCK = 1600
SILENCE = np.zeros(SAMPLE_RATE, np.float32)


def clip(name: str) -> Float32:
    return np.concatenate([SILENCE, read_samples(ASSETS / name), SILENCE])


class Stage:
    """A microphone that hears what the test says."""

    name, live = "mic:stage", True

    def __init__(self) -> None:
        self._said: queue.SimpleQueue[Float32 | None] = queue.SimpleQueue()
        self.on_problem: OnProblem = lambda problem: None

    def say(self, samples: Float32) -> None:
        for start in range(0, len(samples), BLOCK):
            self._said.put(samples[start : start + BLOCK])

    def lose(self) -> None:
        """The microphone is lost."""
        self._said.put(np.zeros(0, np.float32))

    def blocks(self) -> Iterator[AudioBlock]:
        start = 0
        while (part := self._said.get()) is not None:
            if not len(part):
                self.on_problem(MicrophoneError("unplugged"))
                continue
            yield AudioBlock(part, start)
            start += len(part)

    def close(self) -> None:
        self._said.put(None)


@pytest.fixture(scope="session")
def stage_home(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A bundle, and a state folder in which it knows Ada and Ben."""
    folder = tmp_path_factory.mktemp("verification")
    bundle = voice_bundle.make(folder / "voices")
    for name in ("ada", "ben"):
        clips = [str(path) for path in sorted(ASSETS.glob(f"{name}-enrol-*.ogg"))]
        place = ["--bundle", str(bundle), "--state", str(folder / "state"), "--quiet"]
        assert main(["enroll", name.capitalize(), *clips, *place]) == 0
    return bundle, folder / "state"


class Room:
    """A station at a stage, and whoever asks it."""

    def __init__(self, settings: Settings, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.stage = Stage()
        self.folder = folder
        self.events: list[tuple[str, float]] = []

        def open_source(*_: object, on_problem: OnProblem, **__: object) -> Stage:
            self.stage.on_problem = on_problem
            return self.stage

        monkeypatch.setattr("edge.daemon.station.open_source", open_source)
        self.station = Station(
            settings, folder, SystemClock(), realtime=False,
            on_event=lambda event, _: self.events.append((event.event_type, event.probability)),
        )  # fmt: skip
        self.station.start()
        self.path = folder / "control.sock"

    def failures(self, name: str = "Ada") -> int:
        with PeopleStore(self.folder) as store, Gate(self.folder, Settings()) as gate:
            return gate.failures(store.find(name).id)

    def verify(self, samples: Float32, **request: Any) -> dict[str, Any]:
        """Ask, say something once it listens, and give the answer."""
        with Raw(self.path) as client:
            assert client.ask(**verify(**request))["stage"] == "listening"
            self.stage.say(samples)
            told = client.line()
            assert told is not None
            return told

    @property
    def tapped(self) -> bool:
        """Whether a verification hears what is said from now on."""
        return bool(self.station._listener._taps)

    def heard_all(self) -> None:
        """Until the feed has heard what was said."""
        wait_for(self.stage._said.empty, "the feed has heard it")


@pytest.fixture
def stage_settings(stage_home: tuple[Path, Path]) -> Settings:
    return Settings(models=Models(bundle=str(stage_home[0])), mqtt=Mqtt(enabled=False))


@pytest.fixture
def stage_folder(stage_home: tuple[Path, Path], tmp_path: Path) -> Path:
    return Path(shutil.copytree(stage_home[1], tmp_path / "state"))


@pytest.fixture
def room(stage_settings: Settings, stage_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Room]:
    made = Room(stage_settings, stage_folder, monkeypatch)
    try:
        yield made
    finally:
        made.station.stop(10)
