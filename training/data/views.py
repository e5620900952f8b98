"""Turns a recording into views: itself, and degraded copies each with its clean partner.

Takes samples, an ``Augmenter`` and a seed; gives samples. Must hold: a view depends on seed, clip and number of the
view alone, so that it is the same on every machine and in any order; a degraded copy and its partner have the same
length, sample for sample the same moment.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from edge.records import Float32


class Augmenter(Protocol):
    """What is needed of ``training.augment``: both take and give float32 ``(n,)``, 16 kHz."""

    def voice(self, samples: Float32, rng: np.random.Generator, /) -> Float32:
        """Change the voice or how it speaks; the length may change."""

    def degrade(self, samples: Float32, rng: np.random.Generator, /) -> Float32:
        """Add what rooms, noise and microphones do; the length stays."""


class AugmenterSource(Protocol):
    """Makes an augmenter in a worker process; must be picklable."""

    @property
    def fingerprint(self) -> str:
        """Short name of everything that decides what the augmenter does; part of the cache's name."""

    def __call__(self) -> Augmenter:
        """Make it."""


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """``samples`` as heard, and ``clean`` as spoken: float32 ``(n,)`` each, the same array in view 0."""

    number: int
    samples: Float32
    clean: Float32


def views(samples: Float32, path: str, augmenter: Augmenter | None, count: int, seed: int) -> Iterator[View]:
    """Yield view 0, then ``count`` augmented ones. Raises ``ValueError`` where the augmenter breaks its contract."""
    yield View(0, samples, samples)
    if augmenter is None or not count:
        return
    from training.augment.seeding import generator

    for number in range(1, count + 1):
        rng = generator(seed, f"{path}#{number}")
        clean = np.asarray(augmenter.voice(samples, rng), np.float32)
        heard = np.asarray(augmenter.degrade(clean, rng), np.float32)
        if heard.shape != clean.shape:
            raise ValueError(f"degrading view {number} changed the length from {clean.shape} to {heard.shape}")
        if not (np.isfinite(clean).all() and np.isfinite(heard).all()):
            raise ValueError(f"view {number} has samples that are no numbers")
        yield View(number, heard, clean)
