"""The sound of a day: a script of scenes, made from the demonstration's recordings and a seed.

Gives 16-bit samples, a scene at a time. Must hold: the same seed gives the same sound, however long the day is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from edge.audio import read_samples
from edge.demo.stage import ASSETS
from edge.records import SAMPLE_RATE

Pcm = npt.NDArray[np.int16]

PLAN: tuple[tuple[str, float], ...] = (
    ("talk", 0.25),
    ("television", 0.25),
    ("fan", 0.25),
    ("hum", 0.25),
    ("night", 6.0),
    ("talk", 2.0),
    ("fan", 2.0),
    ("murmur", 2.0),
    ("television", 0.75),
    ("quiet", 3.5),
    ("radio", 0.5),
    ("talk", 1.5),
    ("hum", 1.0),
    ("murmur", 1.5),
    ("quiet", 2.25),
)
"""Scenes and their hours: a day. The first hour has some of everything, so that what memory needs is known early."""

GAPS_SECONDS = {"talk": (1.0, 8.0), "murmur": (5.0, 60.0), "quiet": (60.0, 400.0), "radio": (0.0, 0.4)}
"""Between two people who say something."""

NOISE_DBFS = {"fan": -34.0, "hum": -30.0, "television": -48.0}
_FLOOR_DBFS = -62.0
_TELEVISION_SECONDS = 40.0
"""At least, so that also in a short day an utterance is cut."""


@dataclass(frozen=True, slots=True)
class Scene:
    """From ``start`` to ``end`` seconds of the whole run."""

    name: str
    start: float
    end: float


def scenes(hours: float) -> list[Scene]:
    """A day of fewer hours has the same scenes, each shorter; a week has seven days."""
    planned = sum(length for _, length in PLAN)
    scale = min(1.0, hours / planned)
    found: list[Scene] = []
    start = 0.0
    while start < hours * 3600 - 1:
        for name, length in PLAN:
            least = _TELEVISION_SECONDS if name == "television" else 0.0
            end = min(start + max(least, length * scale * 3600), hours * 3600)
            if end > start:
                found.append(Scene(name, start, end))
            start = end
    return found


@cache
def clips() -> tuple[Pcm, ...]:
    """What people say: Ada, Ben and strangers."""
    return tuple((read_samples(path) * 32767).astype(np.int16) for path in sorted(ASSETS.glob("clip-*.ogg")))


@cache
def _noise(name: str) -> Pcm:
    """Ten seconds that can be repeated: white noise, a fan's (darker), or mains hum with its overtones."""
    rng = np.random.default_rng(11)
    length = 10 * SAMPLE_RATE
    white = rng.standard_normal(length)
    if name == "hum":
        time = np.arange(length) / SAMPLE_RATE
        sound = sum(np.sin(2 * np.pi * 50 * k * time + k) / k for k in range(1, 9)) + 0.02 * white
    elif name == "fan":
        spectrum = np.fft.rfft(white)
        spectrum /= np.maximum(1.0, np.arange(len(spectrum)) / 2000)
        sound = np.fft.irfft(spectrum, length)
    else:
        sound = white
    level = 10 ** (NOISE_DBFS.get(name, _FLOOR_DBFS) / 20)
    scaled: Pcm = (32767 * level * sound / np.sqrt(np.mean(sound**2))).clip(-32767, 32767).astype(np.int16)
    return scaled


def _chatter(rng: np.random.Generator) -> Pcm:
    """A minute in which somebody always speaks: five at once, so that there is no pause to end an utterance."""
    mixed = np.zeros(60 * SAMPLE_RATE, np.int32)
    for _ in range(5):
        where = 0
        while where < len(mixed):
            clip = clips()[int(rng.integers(len(clips())))][: len(mixed) - where]
            mixed[where : where + len(clip)] += clip
            where += len(clip)
    chatter: Pcm = (mixed // 3).clip(-32768, 32767).astype(np.int16)
    return chatter


def sound(scene: Scene, seed: int) -> Iterator[Pcm]:
    """The scene's samples, in pieces of a second or so."""
    rng = np.random.default_rng([seed, int(scene.start)])
    left = round((scene.end - scene.start) * SAMPLE_RATE)
    background = _noise(scene.name)
    where = 0
    gaps = GAPS_SECONDS.get(scene.name)
    while left > 0:
        pieces: list[Pcm] = []
        if scene.name == "television":
            pieces.append(_chatter(rng))
        elif gaps is not None:
            pieces.append(np.zeros(round(rng.uniform(*gaps) * SAMPLE_RATE), np.int16))
            # The radio reads the news in one voice, a single turn that never ends.
            pieces.append(clips()[0 if scene.name == "radio" else int(rng.integers(len(clips())))])
        else:
            pieces.append(np.zeros(60 * SAMPLE_RATE, np.int16))
        spoken = np.concatenate(pieces)[:left]
        left -= len(spoken)
        for begin in range(0, len(spoken), SAMPLE_RATE):
            piece = spoken[begin : begin + SAMPLE_RATE]
            under = np.take(background, np.arange(where, where + len(piece)), mode="wrap")
            where = (where + len(piece)) % len(background)
            yield (piece.astype(np.int32) + under).clip(-32768, 32767).astype(np.int16)
