"""SpecAugment: hides stretches of time and bands of frequency in a feature matrix.

Takes float32 ``(frames, bands)``, gives a new array of that shape. Must hold: what is hidden carries nothing, which
means the band's own mean, zero once the window's mean is taken away.

Source: D. S. Park et al., "SpecAugment: A Simple Data Augmentation Method for Automatic Speech Recognition",
Interspeech 2019 (its policy without time warping).
"""

from __future__ import annotations

import numpy as np

from edge.records import Float32
from training.augment.recipe import AugmentRecipe


def mask(features: Float32, recipe: AugmentRecipe, rng: np.random.Generator) -> Float32:
    """Hide up to ``time_masks`` x ``time_mask_frames`` frames and ``band_masks`` x ``band_mask_bands`` bands.

    ``features``: float32 ``(frames, bands)``, left as it is. No mask hides more than a fifth of the frames or a
    quarter of the bands, so that a short clip keeps something to hear.
    """
    result: Float32 = np.array(features, dtype=np.float32)
    frames, bands = result.shape
    if not frames:
        return result
    mean = result.mean(axis=0, dtype=np.float64).astype(np.float32)
    for _ in range(recipe.time_masks):
        start, end = _span(frames, min(recipe.time_mask_frames, frames // 5), rng)
        result[start:end] = mean
    for _ in range(recipe.band_masks):
        start, end = _span(bands, min(recipe.band_mask_bands, bands // 4), rng)
        result[:, start:end] = mean[start:end]
    return result


def _span(total: int, most: int, rng: np.random.Generator) -> tuple[int, int]:
    width = int(rng.integers(0, most + 1))
    start = int(rng.integers(0, total - width + 1))
    return start, start + width
