"""What a recogniser is tried with: words, strings of six, the same in noise.

Takes takes of people that it never learnt from. Gives ``Trial`` rows with samples. Must hold: the same takes and seed
give the same trials; noise is of recordings that training never mixed in.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from edge.audio import read_samples
from edge.records import SAMPLE_RATE, Float32
from training.augment import generator
from training.augment.levels import add_noise, rms, under_full_scale
from training.digits.takes import Take, samples_of

LENGTH: Final = 6
_AROUND: Final = int(0.25 * SAMPLE_RATE)
_FLOOR: Final = 10 ** (-60 / 20)
"""White noise 60 dB under full scale where recordings leave nothing at all."""


@dataclass(frozen=True, slots=True, eq=False)
class Trial:
    """``digits`` are said in ``samples`` float32 ``(n,)`` by ``speaker``; ``sex`` of that speaker, perhaps ""."""

    digits: tuple[int, ...]
    samples: Float32
    speaker: str
    sex: str


def singles(takes: Sequence[Take]) -> Iterator[Trial]:
    """One trial per take that says one word."""
    for take in takes:
        if len(take.digits) == 1:
            yield Trial(take.digits, _placed([samples_of(take)], [], take.path.name), take.speaker, take.sex)


def whole(takes: Sequence[Take]) -> Iterator[Trial]:
    """One trial per take that says a string of six at once."""
    for take in takes:
        if len(take.digits) == LENGTH:
            yield Trial(take.digits, _placed([samples_of(take, 15.0)], [], take.path.name), take.speaker, take.sex)


def strings(takes: Sequence[Take], each: int, seed: int, words: int) -> Iterator[Trial]:
    """``each`` strings of six per speaker from its single words, half with pauses of 0.1 to 0.45 s, half run together
    so that words touch or overlap by up to 50 ms; each word at the level of the others.
    """
    by_speaker: dict[str, list[Take]] = {}
    for take in takes:
        if len(take.digits) == 1:
            by_speaker.setdefault(take.speaker, []).append(take)
    for speaker, own in by_speaker.items():
        if {take.digits[0] for take in own} != set(range(words)):
            continue
        rng = generator(seed, f"strings of {speaker}")
        for number in range(each):
            digits = _digits(words, rng)
            chosen = []
            for digit in digits:
                choices = [take for take in own if take.digits[0] == digit]
                chosen.append(choices[int(rng.integers(len(choices)))])
            low, high = (0.1, 0.45) if number % 2 else (-0.05, 0.06)
            gaps = [int(SAMPLE_RATE * gap) for gap in rng.uniform(low, high, LENGTH - 1)]
            levelled = [_level(samples_of(take)) for take in chosen]
            yield Trial(digits, _placed(levelled, gaps, f"{speaker} {number}"), speaker, own[0].sex)


def noisy(trials: Iterator[Trial], noises: Sequence[Path], snr_db: float, seed: int) -> Iterator[Trial]:
    """The same with noise, ``snr_db`` under the speech itself: pauses don't count as speech."""
    for number, trial in enumerate(trials):
        rng = generator(seed, f"noise {trial.speaker} {number}")
        noise = read_samples(noises[int(rng.integers(len(noises)))], 20.0)
        start = int(rng.integers(max(1, len(noise) - len(trial.samples))))
        part = np.resize(noise[start:], len(trial.samples)).astype(np.float32)
        pauses_db = 20 * np.log10(_spoken_rms(trial.samples) / max(rms(trial.samples), 1e-9))
        mixed = under_full_scale(add_noise(trial.samples, part, snr_db - pauses_db))
        yield Trial(trial.digits, mixed, trial.speaker, trial.sex)


def _spoken_rms(samples: Float32) -> float:
    """Of the frames that are at most 30 dB below the loudest one."""
    frames = samples[: len(samples) // 160 * 160].reshape(-1, 160).astype(np.float64)
    powers = np.mean(frames**2, axis=1)
    return max(1e-9, float(np.sqrt(powers[powers >= powers.max() / 1000].mean())))


def _digits(words: int, rng: np.random.Generator) -> tuple[int, ...]:
    digits = [int(rng.integers(words))]
    while len(digits) < LENGTH:
        digit = int(rng.integers(words))
        if digit != digits[-1]:
            digits.append(digit)
    return tuple(digits)


def _level(samples: Float32) -> Float32:
    loudest = float(np.sqrt(np.mean(np.square(samples, dtype=np.float64)))) if len(samples) else 0.0
    return samples * np.float32(0.05 / loudest) if loudest > 0 else samples


def _placed(parts: Sequence[Float32], gaps: Sequence[int], key: str) -> Float32:
    """One after the other, with a quarter of a second of a quiet room around."""
    places, at = [], _AROUND
    for part, gap in zip(parts, [*gaps, 0], strict=True):
        places.append(at)
        at += len(part) + gap
    quiet = generator(0, key).normal(0, _FLOOR, at + _AROUND)
    result = quiet.astype(np.float32)
    for place, part in zip(places, parts, strict=True):
        result[place : place + len(part)] += part
    return under_full_scale(result)
