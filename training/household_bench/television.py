"""What a television makes of voices: music or other voices below them, even loudness, a small loudspeaker, a room.

Takes float32 mono 16 kHz samples and a generator, gives as many. Must hold: the same generator gives the same sound.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from edge.records import SAMPLE_RATE, Float32
from training.augment.backgrounds import babble
from training.augment.channel import BANDS, limit_band
from training.augment.levels import add_noise, to_rms, under_full_scale
from training.augment.materials import Clips
from training.augment.rooms import draw_room, simulate

SNR_DB: Final = (5.0, 15.0)
"""Of the voices over what is mixed below them."""
RT60_SECONDS: Final = (0.25, 0.6)
DISTANCE_METRES: Final = (1.5, 4.0)
LEVEL: Final = (0.02, 0.06)
"""RMS at the microphone: -34 to -24 dBFS."""
_MUSIC_SHARE: Final = 0.6
_BABBLE_VOICES: Final = 4
_LOUDSPEAKER: Final = next(band for band in BANDS if "loudspeaker" in band.words)
_RATIO: Final = 3.0
_WINDOW_SECONDS: Final = 0.05
_BEAT_SECONDS: Final = (0.4, 0.75)
_PENTATONIC: Final = (0, 2, 4, 7, 9)


def broadcast(voices: Float32, others: Clips, rng: np.random.Generator) -> Float32:
    """``voices`` as a device in the living room hears them. ``others``: speech that babble is made of."""
    if rng.random() < _MUSIC_SHARE or not len(others):
        below = music(len(voices), rng)
    else:
        below = babble(others, _BABBLE_VOICES, len(voices), rng)
    mixed = add_noise(compress(voices), below, float(rng.uniform(*SNR_DB)))
    room = simulate(draw_room(RT60_SECONDS, DISTANCE_METRES, rng), rng)
    heard = room.apply(limit_band(mixed, _LOUDSPEAKER))
    return under_full_scale(to_rms(heard, float(rng.uniform(*LEVEL))))


def compress(samples: Float32) -> Float32:
    """Make quiet passages louder and loud ones quieter, ``_RATIO`` decibels to one, as programmes are."""
    width = round(_WINDOW_SECONDS * SAMPLE_RATE)
    power = np.convolve(np.square(samples, dtype=np.float64), np.ones(width) / width, "same")
    typical = float(np.mean(power)) + 1e-12
    # Never more than 12 dB up: the silence between sentences is not turned into hiss.
    gain = np.clip((power / typical + 1e-9) ** ((1 / _RATIO - 1) / 2), 0.0, 4.0)
    return np.asarray(samples * gain, np.float32)


def music(length: int, rng: np.random.Generator) -> Float32:
    """Chords, a melody and a beat, ``length`` samples: notes of falling harmonics that die away."""
    beat = int(rng.uniform(*_BEAT_SECONDS) * SAMPLE_RATE)
    key_hz = float(rng.uniform(110.0, 220.0))
    total = np.zeros(length + 4 * beat)
    for number, start in enumerate(range(0, length, beat)):
        if number % 4 == 0:
            root = int(rng.choice((0, 5, 7, 9)))
            for step in (0, 4 if root != 9 else 3, 7):
                _strike(total, start, 4 * beat, key_hz * 2 ** ((root + step) / 12), 0.4)
        tone = int(rng.choice(_PENTATONIC)) + 12 * int(rng.integers(1, 3))
        _strike(total, start, 2 * beat, key_hz * 2 ** (tone / 12), float(rng.uniform(0.2, 0.6)))
        knock = rng.standard_normal(beat // 4) * np.exp(-np.arange(beat // 4) / (0.02 * SAMPLE_RATE))
        total[start : start + len(knock)] += 0.3 * knock
    return to_rms(np.asarray(total[:length], np.float32), 0.05)


def _strike(total: npt.NDArray[np.float64], start: int, length: int, hertz: float, strength: float) -> None:
    seconds = np.arange(length) / SAMPLE_RATE
    note = sum(np.sin(2 * np.pi * hertz * n * seconds) / n for n in range(1, 6) if hertz * n < 7000)
    total[start : start + length] += strength * note * np.exp(-2.5 * seconds)
