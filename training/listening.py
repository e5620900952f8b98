"""What the device would note about a clip besides its embedding: speech seconds, noise, level, clipping.

Takes the samples of one utterance as it stands in a corpus, cut out of its surroundings. Gives ``Circumstances`` from
the device's own segmenter.

Must hold: no label and no knowledge of how the clip was made enters, only its samples. A segmenter needs to hear the
background before the speech, and a cut clip has none; so the clip is set between stretches of background made of its
own quietest moment.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from edge.records import SAMPLE_RATE, AudioBlock, Float32, Utterance
from edge.segment import Segmenter
from edge.settings import Segment

LEAD_IN_SECONDS: Final = 1.0
LEAD_OUT_SECONDS: Final = 1.0
QUIET_SECONDS: Final = 0.1
"""Length of the quietest moment that stands for the background."""

_STEP: Final = SAMPLE_RATE // 100
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
    background = quietest(samples)
    sound = np.concatenate(
        [_fill(background, LEAD_IN_SECONDS), samples.astype(np.float32), _fill(background, LEAD_OUT_SECONDS)]
    )
    segmenter = Segmenter(_POLICY)
    full = int(np.count_nonzero(np.abs(sound) >= 1.0))
    found: list[Utterance] = segmenter.push(AudioBlock(sound, 0, clipped=full)) + segmenter.finish()
    seconds = np.array([u.speech_seconds for u in found])
    if not found or not seconds.sum():
        level = _dbfs(float(np.sqrt(np.mean(np.square(samples, dtype=np.float64)))))
        return Circumstances(0.0, 0.0, level, _dbfs(float(np.abs(samples).max())), 0.0)
    return Circumstances(
        speech_seconds=float(seconds.sum()),
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


def _fill(background: Float32, seconds: float) -> Float32:
    """Background of a given length: the stretch forwards and backwards in turn, so that it joins without a step."""
    length = round(seconds * SAMPLE_RATE)
    there_and_back = np.concatenate([background, background[::-1]])
    filled: Float32 = np.tile(there_and_back, -(-length // len(there_and_back)))[:length].astype(np.float32)
    return filled


def _dbfs(value: float) -> float:
    return float(20 * np.log10(max(value, 1e-6)))
