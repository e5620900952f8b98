"""Sounds that are there besides the voice: household noise, other people, hiss and rumble.

Takes materials and a length, gives float32 mono 16 kHz samples of any level; the mixing sets the ratio.
"""

from __future__ import annotations

import numpy as np
from scipy import fft

from edge.records import SAMPLE_RATE, Float32
from training.augment.levels import rms
from training.augment.materials import Clips

_TRIES = 4
_FADE = SAMPLE_RATE // 50


def household(clips: Clips, length: int, rng: np.random.Generator) -> tuple[Float32, str]:
    """A piece of a random clip, not a silent one if a few tries find better, and the clip's name."""
    piece, name = np.zeros(length, np.float32), ""
    for _ in range(_TRIES):
        index = int(rng.integers(len(clips)))
        piece, name = clips.piece(index, length, rng), clips.name(index)
        if rms(piece) > 1e-3:
            break
    return piece, name


def in_part(noise: Float32, rng: np.random.Generator) -> Float32:
    """Let a noise begin and end within the clip: a door, a dish."""
    length = len(noise)
    span = max(1, int(length * rng.uniform(0.2, 0.7)))
    start = int(rng.integers(0, length - span + 1))
    gate = np.zeros(length, np.float32)
    gate[start : start + span] = 1.0
    fade = min(_FADE, span // 2)
    if fade:
        ramp = np.linspace(0.0, 1.0, fade, dtype=np.float32)
        gate[start : start + fade] = ramp
        gate[start + span - fade : start + span] = ramp[::-1]
    return noise * gate


def babble(clips: Clips, voices: int, length: int, rng: np.random.Generator) -> Float32:
    """``voices`` people who talk at once, each at a level of its own (within 6 dB)."""
    total = np.zeros(length, np.float32)
    for _ in range(voices):
        piece = clips.piece(int(rng.integers(len(clips))), length, rng)
        level = rms(piece)
        if level > 1e-4:
            total += piece * np.float32(10.0 ** (rng.uniform(-6.0, 0.0) / 20) / level)
    return total


def coloured(slope: float, length: int, rng: np.random.Generator) -> Float32:
    """Noise whose power falls as 1 / f^slope: 0 white hiss, 1 pink, 2 brown rumble; flat below 20 Hz."""
    size = fft.next_fast_len(max(length, 16), real=True)
    bins = size // 2 + 1
    parts = rng.standard_normal((2, bins), dtype=np.float32)
    hertz = np.maximum(np.arange(bins) * (SAMPLE_RATE / size), 20.0)
    shape = ((hertz / 1000) ** (-slope / 2)).astype(np.float32)
    shape[0] = 0.0
    noise: Float32 = fft.irfft((parts[0] + 1j * parts[1]) * shape, size)[:length]
    return noise
