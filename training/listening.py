"""What the device would note about a clip besides its embedding: speech seconds, noise, level, clipping.

Takes the samples of one utterance as it stands in a corpus, cut out of its surroundings. Gives ``Circumstances`` from
the device's own segmenter.

Must hold: no label and no knowledge of how the clip was made enters, only its samples. A segmenter needs to hear the
background before the speech, and a cut clip has none; so the clip is set between stretches of computed noise with the
level and the rough spectrum of its own quietest moment.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

import edge.segment
from edge.records import SAMPLE_RATE, AudioBlock, Float32, Utterance
from edge.segment import Segmenter
from edge.settings import Segment

LEAD_IN_SECONDS: Final = 1.0
LEAD_OUT_SECONDS: Final = 1.0
QUIET_SECONDS: Final = 0.05
"""Length of the quietest moment that stands for the background: short enough to fit between two words."""

LISTENING: Final[bytes] = b"".join(
    hashlib.sha256(path.read_bytes()).digest()
    for path in [Path(__file__), *sorted(Path(edge.segment.__file__).parent.glob("*.py"))]
)
"""Stands for the code that listens: figures kept under it are stale once the segmenter changes."""

_STEP: Final = SAMPLE_RATE // 200
_BAND_HZ: Final = 500.0
_POLICY: Final = Segment(min_speech_ms=100, max_utterance_seconds=60.0, hangover_ms=500)
"""The device's rules, except that a single short word is listened to as well and a long clip stays whole."""


@dataclass(frozen=True, slots=True)
class Circumstances:
    """As in ``edge.records.Utterance``; ``clipped_fraction`` and levels are those of the loudest utterance found."""

    speech_seconds: float
    snr_db: float
    level_dbfs: float
    peak_dbfs: float
    clipped_fraction: float


def listen(samples: Float32) -> Circumstances:
    """Return the circumstances of one clip, float32 ``(n,)``.

    A clip with pauses may be several utterances: their speech adds up, their ratios are averaged by it. A clip in which
    the segmenter finds no speech at all has 0 speech seconds and a ratio of 0 dB.
    """
    quiet = quietest(samples)
    sound = np.concatenate(
        [noise_like(quiet, LEAD_IN_SECONDS, 1), samples.astype(np.float32), noise_like(quiet, LEAD_OUT_SECONDS, 2)]
    )
    segmenter = Segmenter(_POLICY)
    full = int(np.count_nonzero(np.abs(sound) >= 1.0))
    found: list[Utterance] = segmenter.push(AudioBlock(sound, 0, clipped=full)) + segmenter.finish()
    seconds = np.array([u.speech_seconds for u in found])
    if not found or not seconds.sum():
        level = _dbfs(float(np.sqrt(np.mean(np.square(samples, dtype=np.float64)))))
        return Circumstances(0.0, 0.0, level, _dbfs(float(np.abs(samples).max())), 0.0)
    return Circumstances(
        speech_seconds=min(float(seconds.sum()), len(samples) / SAMPLE_RATE),
        snr_db=float(np.average([u.snr_db for u in found], weights=np.maximum(seconds, 1e-6))),
        level_dbfs=max(u.level_dbfs for u in found),
        peak_dbfs=max(u.peak_dbfs for u in found),
        clipped_fraction=max(u.clipped_fraction for u in found),
    )


def quietest(samples: Float32) -> Float32:
    """Return the stretch of ``QUIET_SECONDS`` with the least power (all of a clip that is no longer than that)."""
    length = round(QUIET_SECONDS * SAMPLE_RATE)
    if len(samples) <= length:
        return samples
    power = np.concatenate([[0.0], np.cumsum(np.square(samples, dtype=np.float64))])
    starts = np.arange(0, len(samples) - length + 1, _STEP)
    first = int(starts[np.argmin(power[starts + length] - power[starts])])
    return samples[first : first + length]


def noise_like(samples: Float32, seconds: float, seed: int) -> Float32:
    """Return Gaussian noise with the power of ``samples`` in each band of 500 Hz, float32.

    Repeating the samples themselves would not do: in a clip without a pause they are part of a vowel, and a vowel that
    goes on is speech.
    """
    length = round(seconds * SAMPLE_RATE)
    spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal(length))
    wanted = np.abs(np.fft.rfft(samples.astype(np.float64))) ** 2 / len(samples)
    band_of = (np.fft.rfftfreq(len(samples), 1 / SAMPLE_RATE) / _BAND_HZ).astype(int)
    density = np.bincount(band_of, wanted) / np.maximum(np.bincount(band_of), 1)
    bands = (np.fft.rfftfreq(length, 1 / SAMPLE_RATE) / _BAND_HZ).astype(int)
    shaped = spectrum * np.sqrt(density[np.minimum(bands, len(density) - 1)])
    noise: Float32 = np.fft.irfft(shaped, length).astype(np.float32)
    return noise


def _dbfs(value: float) -> float:
    return float(20 * np.log10(max(value, 1e-6)))
