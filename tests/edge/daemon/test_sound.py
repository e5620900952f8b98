"""How loud it is, said every five seconds, with the numbers that ``earmark top`` shows."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from jsonschema import Draft202012Validator

from edge.audio import read_samples
from edge.bundle import open_bundle
from edge.clock import ManualClock
from edge.daemon.recent import Recent
from edge.daemon.sound import EVERY_SECONDS, SoundTeller
from edge.demo.stage import ASSETS
from edge.events import schema
from edge.mqtt import Topics
from edge.pipeline import Pipeline
from edge.records import SAMPLE_RATE, AudioBlock, Float32, Message
from edge.settings import Settings
from tests.edge.cli import voice_bundle

LOOK_SECONDS = 0.5
SPEECH = read_samples(ASSETS / "stream.ogg")[: 20 * SAMPLE_RATE]


class Kitchen:
    """A device that looks twice a second at what it hears."""

    def __init__(self, bundle: Path) -> None:
        self.clock = ManualClock()
        self.pipeline = Pipeline(open_bundle(bundle, Settings().models), Settings())
        self.said: list[Message] = []
        self.listening = True
        self._teller = SoundTeller(
            Topics(node="kitchen"), self.clock, lambda *said: self.said.extend(said),
            lambda: self.pipeline if self.listening else None,
        )  # fmt: skip
        self._heard = 0

    def hear(self, samples: Float32) -> None:
        step = round(LOOK_SECONDS * SAMPLE_RATE)
        for start in range(0, len(samples), step):
            block = samples[start : start + step]
            self.pipeline.push(AudioBlock(block, self._heard))
            self._heard += len(block)
            self.pass_time(1)

    def pass_time(self, looks: int) -> None:
        for _ in range(looks):
            self.clock.advance(LOOK_SECONDS)
            self._teller.tick()

    def told(self) -> list[dict]:
        found = [json.loads(message.payload) for message in self.said]
        for one in found:
            Draft202012Validator(schema("audio")).validate(one)
        return found


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return voice_bundle.make(tmp_path_factory.mktemp("sound") / "voices")


@pytest.fixture
def kitchen(bundle: Path) -> Kitchen:
    return Kitchen(bundle)


def test_it_is_said_every_five_seconds_and_kept_nowhere(kitchen: Kitchen) -> None:
    kitchen.hear(SPEECH)
    assert len(kitchen.told()) == round(len(SPEECH) / SAMPLE_RATE / EVERY_SECONDS)
    for message in kitchen.said:
        assert (message.topic, message.qos, message.retain) == ("earmark/kitchen/audio", 0, False)
    assert any(one["speaking"] and one["snr_db"] > 10 for one in kitchen.told())


def test_a_steady_sound_has_the_level_that_top_shows(kitchen: Kitchen) -> None:
    kitchen.hear(np.random.default_rng(1).normal(0, 0.01, 10 * SAMPLE_RATE).astype(np.float32))
    shown, told = Recent().told(kitchen.pipeline), kitchen.told()[-1]
    assert told["level_dbfs"] == pytest.approx(shown["level_dbfs"], abs=2)
    assert told["noise_dbfs"] == shown["noise_dbfs"]
    assert told["snr_db"] == pytest.approx(max(0.0, told["level_dbfs"] - told["noise_dbfs"]), abs=0.1)
    assert not told["speaking"]


def test_digital_silence_has_a_level_that_json_can_write(kitchen: Kitchen) -> None:
    kitchen.hear(np.zeros(5 * SAMPLE_RATE, np.float32))
    assert [(one["level_dbfs"], one["snr_db"]) for one in kitchen.told()] == [(-120.0, 0.0)]


def test_where_nothing_is_heard_nothing_is_said(kitchen: Kitchen) -> None:
    """A microphone that was lost, and one that is switched off."""
    kitchen.hear(SPEECH[: 5 * SAMPLE_RATE])
    kitchen.pass_time(40)
    kitchen.listening = False
    kitchen.pass_time(40)
    assert len(kitchen.said) == 1
    kitchen.listening = True
    kitchen.hear(SPEECH[: 6 * SAMPLE_RATE])
    assert len(kitchen.said) == 2
