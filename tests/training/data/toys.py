"""Synthesised speech folders, a toy augmenter, and functions that workers can import."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from edge.records import SAMPLE_RATE, FeatureSpec
from training.corpus import COLUMNS, Recording

SPEC = FeatureSpec(n_mels=20, n_ceps=0)


def tone(seconds: float, hertz: float, seed: int = 0) -> np.ndarray:
    """A hummed vowel in a little noise, float32."""
    time = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    wave = sum(np.sin(2 * np.pi * hertz * k * time) / k for k in range(1, 6))
    noise = np.random.default_rng(seed).normal(size=len(time)) * 0.01
    return (0.1 * wave + noise).astype(np.float32)


def corpus(folder: Path, clips: int = 12, *, shortest: float = 0.5, longest: float = 2.0) -> tuple[Recording, ...]:
    """Write ``clips`` clips of three speakers in split train, one of them without a name, and two in dev."""
    rng = np.random.default_rng(7)
    rows = []
    for number in range(clips + 2):
        split = "train" if number < clips else "dev"
        speaker = ("ann", "bob", "")[number % 3] if split == "train" else "eve"
        path = f"{split}/{number:03d}.wav"
        samples = tone(float(rng.uniform(shortest, longest)), 100 + 10 * number, number)
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(folder / path, samples, SAMPLE_RATE, subtype="FLOAT")
        gender = "" if not speaker else "f"
        seconds = round(len(samples) / SAMPLE_RATE, 3)
        rows.append(Recording(path, split, "toys", speaker, gender, "", "en", seconds, "CC0", "made"))
    write_manifest(folder, rows)
    return tuple(rows)


def write_manifest(folder: Path, rows: list[Recording]) -> None:
    """Write ``manifest.tsv``."""
    lines = ["\t".join(str(getattr(row, name)) for name in COLUMNS) for row in rows]
    (folder / "manifest.tsv").write_text("\n".join(["\t".join(COLUMNS), *lines]) + "\n")


class ToyAugmenter:
    """Slows speech down by leaving it longer, and adds noise."""

    def voice(self, samples, rng):
        return np.concatenate([samples, samples[: int(rng.integers(1, 1600))]])

    def degrade(self, samples, rng):
        return (samples + 0.1 * rng.normal(size=len(samples))).astype(np.float32)


@dataclass(frozen=True)
class ToySource:
    """Makes it."""

    fingerprint: str = "toy"

    def __call__(self) -> ToyAugmenter:
        return ToyAugmenter()


class BrokenAugmenter(ToyAugmenter):
    """Breaks its promise for some clips."""

    def degrade(self, samples, rng):
        return samples[:-1]


@dataclass(frozen=True)
class BrokenSource(ToySource):
    """Makes it."""

    fingerprint: str = "broken"

    def __call__(self) -> ToyAugmenter:
        return BrokenAugmenter()


class KillerAugmenter(ToyAugmenter):
    """Kills its process at clips of 180 Hz or so: those with the number in the file ``victim``."""

    def __init__(self, samples: int) -> None:
        self.samples = samples

    def voice(self, samples, rng):
        if len(samples) == self.samples:
            os._exit(9)
        return samples


@dataclass(frozen=True)
class KillerSource(ToySource):
    """Makes it; ``samples``: length of the clip that kills."""

    fingerprint: str = "killer"
    samples: int = 0

    def __call__(self) -> ToyAugmenter:
        return KillerAugmenter(self.samples)


def begin() -> int:
    """State of the toy jobs: the process."""
    return os.getpid()


def cannot_begin() -> int:
    """A set-up that fails."""
    raise ValueError("no model here")


def work(state: int, item: int) -> tuple[int, int]:
    """Square; 13 raises, 17 kills the worker, where there is one."""
    if item == 13:
        raise ValueError("thirteen is bad")
    if item == 17:
        os._exit(9)
    return item * item, state
