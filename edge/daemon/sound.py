"""How loud it is now, for whoever looks at the daemon and for the topic ``audio``.

Takes the pipeline that listens, and the passing of time. Gives plain values and messages. Must hold: reads only what is
safe to read from any thread; nothing is said where nothing was heard since.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final, NamedTuple

from edge.events import AudioState, timestamp
from edge.mqtt import Topics
from edge.pipeline import Pipeline
from edge.records import Clock

EVERY_SECONDS: Final = 5.0
_SILENCE_DBFS: Final = -120.0


class Sound(NamedTuple):
    """The latest sound: its level and that of the background, dBFS; whether an utterance is open."""

    level_dbfs: float
    noise_dbfs: float
    speaking: bool


def sound(pipeline: Pipeline) -> Sound:
    """What is heard now."""
    return Sound(_decibels(pipeline.level_dbfs), _decibels(pipeline.noise_dbfs), pipeline.speaking)


class SoundTeller:
    """Publishes every ``EVERY_SECONDS`` what was heard in between. ``pipeline``: the one that listens, None where none
    does.
    """

    def __init__(
        self, topics: Topics, clock: Clock, publish: Callable[..., None], pipeline: Callable[[], Pipeline | None]
    ) -> None:
        self._topics = topics
        self._clock = clock
        self._publish = publish
        self._pipeline = pipeline
        self._looks: list[Sound] = []
        self._heard_seconds = 0.0
        self._due = clock.monotonic() + EVERY_SECONDS

    def tick(self) -> None:
        """Let time pass."""
        pipeline = self._pipeline()
        heard_seconds = pipeline.counters.audio_seconds if pipeline else self._heard_seconds
        if pipeline is not None and heard_seconds != self._heard_seconds:
            self._looks.append(sound(pipeline))
        self._heard_seconds = heard_seconds
        if self._clock.monotonic() < self._due:
            return
        self._due = self._clock.monotonic() + EVERY_SECONDS
        looks, self._looks = self._looks, []
        if looks:
            state = _summary(timestamp(self._clock.now()), looks)
            self._publish(self._topics.message("audio", state.to_json()))


def _summary(ts: str, looks: list[Sound]) -> AudioState:
    """The mean power of what was heard: a level by itself is that of 20 ms."""
    power = sum(10 ** (one.level_dbfs / 10) for one in looks) / len(looks)
    level = _decibels(10 * math.log10(power))
    noise = looks[-1].noise_dbfs
    return AudioState(
        ts=ts,
        level_dbfs=level,
        noise_dbfs=noise,
        snr_db=round(max(0.0, level - noise), 1),
        speaking=any(one.speaking for one in looks),
    )


def _decibels(value: float) -> float:
    """Digital silence is minus infinity, which JSON has no word for."""
    return round(max(value, _SILENCE_DBFS), 1) if not math.isnan(value) else _SILENCE_DBFS
