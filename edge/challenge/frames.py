"""What the network sees: log-mel frames, brought to one level.

Takes float32 mono 16 kHz samples. Gives float32 ``(frames, bands)``. Must hold: training computes its frames with this
very code; how loud a recording is doesn't matter.

Bands end at 4 kHz: digits are understood over every telephone, and recordings of digits by many people are narrow.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from edge.records import FeatureSpec, Float32

SPEC: Final = FeatureSpec(
    n_fft=640, n_mels=32, n_ceps=0, f_min=60.0, f_max=4000.0, log_floor=1.0, normalise="none"
)  # fmt: skip
"""Log-mel energies of 32 bands every 10 ms."""

LOUD_FRAMES: Final = 15
"""The loudest 0.15 s say how loud a recording is: as much as the vowel of one short digit."""
LOWEST: Final = -8.0
HIGHEST: Final = 4.0
"""With ``LOWEST`` the range in nepers of power about that level (-35 to 17 dB); what lies outside is clipped."""
_CENTRE, _WIDTH = -2.0, 3.0

FLOOR: Final = (LOWEST - _CENTRE) / _WIDTH
"""What silence looks like, for padding."""


def level(frames: Float32) -> float:
    """Mean log energy of the loudest frames of ``frames`` float32 ``(n, bands)``; 0 of none."""
    if not len(frames):
        return 0.0
    means = np.sort(frames.mean(axis=1))
    return float(means[-LOUD_FRAMES:].mean())


def levelled(frames: Float32, shift: float = 0.0) -> Float32:
    """``frames`` about their level, clipped and scaled to about -2 to 2. ``shift``: nepers added, for training."""
    moved = frames - np.float32(level(frames) - shift)
    result: Float32 = ((np.clip(moved, LOWEST, HIGHEST) - _CENTRE) / _WIDTH).astype(np.float32)
    return result
