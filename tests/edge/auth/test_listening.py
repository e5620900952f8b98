"""When an attempt has heard enough."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from edge.audio import read_samples
from edge.auth.listening import PAUSE_SECONDS, hear
from edge.bundle import Bundle, open_bundle
from edge.demo.stage import ASSETS
from edge.people import PeopleStore
from edge.pipeline import Pipeline
from edge.records import SAMPLE_RATE, AudioBlock, Float32
from edge.scoring import voiceprint
from edge.settings import Settings

BLOCK = 1600


@pytest.fixture
def pipeline(stage_home: tuple[Path, Path]) -> Pipeline:
    bundle: Bundle = open_bundle(str(stage_home[0]))
    with PeopleStore(stage_home[1]) as store:
        people = store.people(bundle.encoder, bundle.space)
        ada = store.find("Ada").id
    return Pipeline(bundle, Settings(), [voiceprint(person) for person in people], claim=ada)


class Sound:
    """Seconds of silence and clips in a row, and how much of them was taken."""

    def __init__(self, *parts: float | str) -> None:
        pieces = [
            np.zeros(round(part * SAMPLE_RATE), np.float32) if isinstance(part, float) else read_samples(ASSETS / part)
            for part in parts
        ]
        self.samples: Float32 = np.concatenate(pieces)
        self.taken_seconds = 0.0

    def blocks(self) -> Iterator[AudioBlock]:
        for start in range(0, len(self.samples), BLOCK):
            part = self.samples[start : start + BLOCK]
            self.taken_seconds = (start + len(part)) / SAMPLE_RATE
            yield AudioBlock(part, start)


def seconds(*clips: str) -> float:
    return sum(len(read_samples(ASSETS / clip)) for clip in clips) / SAMPLE_RATE


def test_the_first_utterance_that_matches_is_enough(pipeline: Pipeline) -> None:
    sound = Sound(1.0, "clip-1-ada.ogg", 20.0)
    heard = hear(sound.blocks(), pipeline, limit_seconds=30)
    assert heard.results[-1].decision.outcome == "identified"
    assert sound.taken_seconds < 1 + seconds("clip-1-ada.ogg") + 1


def test_no_more_sound_is_taken_than_the_limit_and_the_open_utterance_is_decided(pipeline: Pipeline) -> None:
    sound = Sound(1.0, "clip-4-ben.ogg", "clip-3-ben.ogg", 20.0)
    told: list[float] = []
    heard = hear(sound.blocks(), pipeline, limit_seconds=3.0, on_seconds=told.append)
    assert sound.taken_seconds == pytest.approx(3.0, abs=0.11)
    assert sum(told) == pytest.approx(sound.taken_seconds)
    assert heard.results
    assert heard.hearing.utterances == len(heard.results)


def test_digits_may_come_in_parts_and_are_over_after_a_pause(pipeline: Pipeline) -> None:
    """A match alone does not end them: the rest is still to be said."""
    clips = "clip-1-ada.ogg", "clip-2-ada.ogg"
    sound = Sound(1.0, clips[0], 0.1, clips[1], 20.0)
    heard = hear(sound.blocks(), pipeline, limit_seconds=30, digits=50)
    assert sum(result.decision.outcome == "identified" for result in heard.results) >= 2
    assert sound.taken_seconds < 1 + seconds(*clips) + 0.1 + PAUSE_SECONDS + 1.5


def test_digits_that_are_long_enough_are_over_at_once(pipeline: Pipeline) -> None:
    sound = Sound(1.0, "clip-1-ada.ogg", 20.0)
    hear(sound.blocks(), pipeline, limit_seconds=30, digits=4)
    assert sound.taken_seconds < 1 + seconds("clip-1-ada.ogg") + 1


def test_silence_is_heard_to_the_limit_with_digits_too(pipeline: Pipeline) -> None:
    sound = Sound(20.0)
    heard = hear(sound.blocks(), pipeline, limit_seconds=5, digits=6)
    assert sound.taken_seconds == pytest.approx(5.0, abs=0.11)
    assert heard.hearing.why_nothing(Settings()) == "silent"


def test_no_sound_at_all_is_no_error(pipeline: Pipeline) -> None:
    assert hear([], pipeline, limit_seconds=5).results == ()
