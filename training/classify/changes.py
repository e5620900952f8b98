"""The changes of the forerunners' augmentation: white and coloured noise, and a slightly moved pitch.

Takes float32 mono 16 kHz samples and the example they belong to. Gives as many samples. Must hold: the same change for
the same example and seed.
"""

from __future__ import annotations

import numpy as np

from edge.records import Float32
from training.augment.backgrounds import coloured
from training.augment.levels import add_noise, under_full_scale
from training.augment.voices import change as change_voice
from training.classify.examples import Example, generator
from training.classify.recipe import Share

_SLOPES = (0.5, 2.0)
"""From between white and pink to brown."""


class Changes:
    """Applies a recipe's changes."""

    def __init__(self, share: Share, seed: int) -> None:
        self._share, self._seed = share, seed

    def __call__(self, samples: Float32, example: Example) -> Float32:
        """The samples with the example's change."""
        rng = generator(self._seed, example, "change")
        if example.change == "pitch":
            semitones = float(rng.uniform(-self._share.semitones, self._share.semitones))
            moved = change_voice(samples, pitch=2.0 ** (semitones / 12))
            return np.asarray(np.resize(under_full_scale(moved), len(samples)), np.float32)
        slope = 0.0 if example.change == "white" else float(rng.uniform(*_SLOPES))
        noise = coloured(slope, len(samples), rng)
        return under_full_scale(add_noise(samples, noise, float(rng.uniform(*self._share.snr_db))))
