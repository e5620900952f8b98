"""Strings of digits, put together from takes as the network would see them.

Takes ``Material`` and a random generator. Gives batches: inputs, labels and lengths. Must hold: one string is of one
speaker, fillers apart; energies of takes, noise and floor add up, as those of sounds do; nothing is drawn from a
speaker who is left out.

Everything happens to frames, not to samples, so that every batch is new: speed is a reading of frames at other places,
longer or shorter vocal tracts one of bands, a microphone a smooth curve over the bands.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from edge.challenge.frames import FLOOR, SPEC, levelled
from edge.records import Float32
from training.digits.material import Material

Int32 = npt.NDArray[np.int32]

_SPEECH_FRAMES: Final = 5
_SHORTEST: Final = 25
_AFTER: Final = 20
"""So many frames of a take are the silence after it."""


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """``x``: float32 ``(n, frames, bands)``. ``labels``: int32 ``(n, most)``, -1 where a string is shorter."""

    x: Float32
    labels: Int32


class Composer:
    """Makes strings of up to ``frames`` frames. ``speakers``: whose takes are used, besides fillers."""

    def __init__(self, material: Material, speakers: Iterable[str], frames: int, weights: dict[str, float]) -> None:
        """``weights``: how often a source's speakers are drawn, relative to 1."""
        self._material, self._frames = material, frames
        wanted = set(speakers)
        self._of: dict[str, dict[tuple[int, ...], list[int]]] = {}
        self._fillers: list[int] = []
        sources: dict[str, str] = {}
        for copy, index in enumerate(material.take):
            take = material.takes[index]
            if not take.digits:
                self._fillers.append(copy)
            elif take.speaker in wanted:
                self._of.setdefault(take.speaker, {}).setdefault(take.digits, []).append(copy)
                sources[take.speaker] = take.source
        self._speakers = sorted(self._of)
        counts = np.array([weights.get(sources[name], 1.0) for name in self._speakers])
        self._chance = counts / counts.sum()
        self._most = 8

    def batch(self, size: int, rng: np.random.Generator) -> Batch:
        """``size`` new strings."""
        x = np.full((size, self._frames, SPEC.n_mels), FLOOR, np.float32)
        labels = np.full((size, self._most), -1, np.int32)
        for row in range(size):
            frames, said = self._string(rng)
            x[row, : len(frames)] = levelled(frames, float(rng.uniform(-1.0, 0.3)))
            labels[row, : len(said)] = said
            _mask(x[row], rng)
        return Batch(x, labels)

    def _string(self, rng: np.random.Generator) -> tuple[Float32, tuple[int, ...]]:
        speaker = self._speakers[int(rng.choice(len(self._speakers), p=self._chance))]
        known = self._of[speaker]
        strings = list(known)
        speed = float(np.exp(rng.uniform(-0.22, 0.4)))
        tract = float(np.exp(rng.uniform(-0.1, 0.18)))
        curve = _curve(rng)
        # How long the pauses are: run together, a steady beat, or one by one.
        least, most = ((-9, 6), (5, 25), (15, 60))[int(rng.integers(3))]
        # Speech has loudness 0 here; the quietest rooms lie 50 dB below.
        power = np.full((self._frames, SPEC.n_mels), np.exp(-rng.uniform(6.0, 12.0)), np.float32)
        at = int(rng.integers(0, 40))
        said: list[int] = []
        while len(said) < self._most:
            if self._fillers and rng.random() < 0.08:
                digits: tuple[int, ...] = ()
                copy = self._fillers[int(rng.integers(len(self._fillers)))]
            else:
                digits = strings[int(rng.integers(len(strings)))]
                choices = known[digits]
                copy = choices[int(rng.integers(len(choices)))]
            cut = _cut(self._material.frames[copy], rng)
            # Nobody says a digit in less than a quarter of a second.
            fastest = max(1.0, (len(cut) - _AFTER) / (_SHORTEST * max(1, len(digits))))
            logs = _read(cut, min(fastest, speed * float(np.exp(rng.uniform(-0.08, 0.08)))), tract)
            if len(said) + len(digits) > self._most or at + len(logs) > self._frames:
                break
            quieter = float(rng.uniform(-0.7, 0.3))
            power[at : at + len(logs)] += np.exp(logs + curve + quieter - _loudness(logs))
            said += digits
            at += max(1, len(logs) - _AFTER + int(rng.integers(least, most)))
            if rng.random() < 0.04:
                break
        if rng.random() < 0.6 and self._material.noises:
            self._add_noise(power, rng)
        length = min(self._frames, at + int(rng.integers(10, 60)))
        return np.log(np.maximum(power[:length], 1e-12)).astype(np.float32), tuple(said)

    def _add_noise(self, power: Float32, rng: np.random.Generator) -> None:
        noise = self._material.noises[int(rng.integers(len(self._material.noises)))].astype(np.float32)
        places = (np.arange(len(power)) + int(rng.integers(len(noise)))) % len(noise)
        below = float(rng.uniform(1.2, 7.0))  # 5 to 30 dB under the loudness of speech, which is 0 here
        power += np.exp(noise[places] + _curve(rng) - _loudness(noise) - below)


def _cut(frames: npt.NDArray[np.float16], rng: np.random.Generator) -> npt.NDArray[np.float16]:
    """Sometimes without a little of the beginning and the end: people cut recordings, and run words together."""
    if rng.random() < 0.7 or len(frames) <= _AFTER + 30:
        return frames
    first, last = int(rng.integers(0, 6)), len(frames) - _AFTER - int(rng.integers(0, 6))
    return np.concatenate((frames[first:last], frames[-_AFTER:]))


def _loudness(logs: Float32) -> float:
    """Log of the mean energy of the loudest half."""
    means = np.sort(np.exp(logs).mean(axis=1))
    return float(np.log(means[len(means) // 2 :].mean() + 1e-9))


def _read(frames: npt.NDArray[np.float16], speed: float, tract: float) -> Float32:
    """Frames read ``speed`` times as fast, their bands stretched by ``tract`` in frequency (mel is near enough)."""
    count = max(_SPEECH_FRAMES, round(len(frames) / speed))
    rows = np.clip(np.arange(count) * speed, 0, len(frames) - 1)
    low = rows.astype(np.int64)
    high = np.minimum(low + 1, len(frames) - 1)
    share = (rows - low)[:, None].astype(np.float32)
    steady = frames[low].astype(np.float32) * (1 - share) + frames[high].astype(np.float32) * share
    bands = np.clip(_places(tract), 0, SPEC.n_mels - 1)
    left = bands.astype(np.int64)
    right = np.minimum(left + 1, SPEC.n_mels - 1)
    part = (bands - left).astype(np.float32)
    result: Float32 = steady[:, left] * (1 - part) + steady[:, right] * part
    return result


def _places(tract: float) -> npt.NDArray[np.float64]:
    """For each band the place among the bands of its middle frequency divided by ``tract``."""
    low, high = 1127 * np.log1p(SPEC.f_min / 700), 1127 * np.log1p(SPEC.f_max / 700)
    mels = low + (np.arange(SPEC.n_mels) + 1) * (high - low) / (SPEC.n_mels + 1)
    hertz = 700 * np.expm1(mels / 1127) / tract
    return np.asarray((1127 * np.log1p(hertz / 700) - low) * (SPEC.n_mels + 1) / (high - low) - 1)


def _curve(rng: np.random.Generator) -> Float32:
    """A microphone's and a place's response: smooth, within about 10 dB, with a slope."""
    bands = np.linspace(0, 1, SPEC.n_mels)
    knots = rng.normal(0, 0.5, 6)
    curve = np.interp(bands, np.linspace(0, 1, 6), knots) + rng.normal(0, 0.6) * (bands - 0.5) * 2
    if rng.random() < 0.15:  # the lowest bands missing, as over a telephone
        curve[: int(rng.integers(2, 6))] -= rng.uniform(2, 6)
    if rng.random() < 0.3:  # and the highest ones, below the edge of a narrow band
        missing = int(rng.integers(1, 6))
        curve[-missing:] -= np.linspace(0.3, rng.uniform(1, 6), missing)
    result: Float32 = curve.astype(np.float32)
    return result


def _mask(x: Float32, rng: np.random.Generator) -> None:
    if rng.random() < 0.3:
        first = int(rng.integers(0, SPEC.n_mels - 4))
        x[:, first : first + int(rng.integers(1, 4))] = x.mean()
    if rng.random() < 0.3:
        start = int(rng.integers(0, len(x) - 8))
        x[start : start + int(rng.integers(1, 8))] = FLOOR
