"""Signs of a loudspeaker in a recording: a score that is reported and decides nothing.

Takes samples of an utterance; gives ``PlaybackReport``. Must hold: numpy only, a few milliseconds; nobody refuses a
voice for it alone, because good loudspeakers leave none of these signs and cheap microphones leave some.

Five measurements of the loud frames (32 ms) and of the level over time, weighed by a logistic function whose weights
``python -m training.playback_fit`` learnt from simulated loudspeakers and rooms: small loudspeakers radiate little
below 300 Hz and above 6 kHz, telephones end at 3.4 kHz, and a second room fills the gaps between syllables.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from edge.records import SAMPLE_RATE, Float32

PARTS: Final = ("low_db", "high_db", "edge_db", "depth_db", "fall_db")
"""``low_db``: 80 to 250 Hz over 250 to 1000 Hz. ``high_db``: 6 to 7.8 kHz over 1 to 4 kHz. ``edge_db``: 3.7 to 4.3
kHz over 2.4 to 3.3 kHz. ``depth_db``: how far the level falls between syllables (90th less 25th percentile).
``fall_db``: how fast it falls, over 40 ms, in the fastest tenth."""
CENTRE: Final = (-4.345, -16.568, -6.421, 15.837, 8.178)
SCALE: Final = (9.155, 7.409, 5.565, 4.806, 2.588)
WEIGHTS: Final = (-3.166, 0.496, -0.086, -0.227, -1.250)
BIAS: Final = 0.647
SUSPECT: Final = 0.9
"""Score from which the flag is raised: so high that live voices in a room seldom raise it."""

_FRAME: Final = 512
_HOP: Final = 160
_LOUD_DB: Final = 25.0
_LEAST_FRAMES: Final = 30
_BANDS_HZ: Final[Mapping[str, tuple[tuple[float, float], tuple[float, float]]]] = {
    "low_db": ((80, 250), (250, 1000)),
    "high_db": ((6000, 7800), (1000, 4000)),
    "edge_db": ((3700, 4300), (2400, 3300)),
}


@dataclass(frozen=True, slots=True)
class PlaybackReport:
    """``score``: 0 (no sign) to 1. ``suspect``: whether it is high enough for the flag ``playback_suspect``. ``parts``:
    the measurements behind it by name; empty where there was too little speech to measure.
    """

    score: float
    suspect: bool = False
    parts: Mapping[str, float] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        parts = {name: round(value, 2) for name, value in self.parts.items()}
        return {"score": round(self.score, 3), "suspect": self.suspect, "parts": parts}


def playback_suspect(samples: Float32) -> PlaybackReport:
    """How much ``samples`` (float32 ``(n,)``, 16 kHz) sound like a loudspeaker; 0 for less than 0.3 s of speech."""
    parts = measure(samples)
    if not parts:
        return PlaybackReport(0.0)
    values = (np.array([parts[name] for name in PARTS]) - CENTRE) / SCALE
    score = float(1 / (1 + np.exp(-np.clip(values @ WEIGHTS + BIAS, -30, 30))))
    return PlaybackReport(score, score >= SUSPECT, parts)


def measure(samples: Float32) -> dict[str, float]:
    """The ``PARTS``, in decibels; empty for too little speech. The same at any gain."""
    if len(samples) < _FRAME + _HOP * _LEAST_FRAMES or not np.all(np.isfinite(samples)):
        return {}
    frames = np.lib.stride_tricks.sliding_window_view(np.asarray(samples, np.float32), _FRAME)[::_HOP]
    power = np.abs(np.fft.rfft(frames * _WINDOW, axis=1)) ** 2
    level = 10 * np.log10(power.sum(axis=1) + 1e-12)
    loud = level > level.max() - _LOUD_DB
    if level.max() < -60 or loud.sum() < _LEAST_FRAMES:
        return {}
    mean = power[loud].mean(axis=0)
    found = {name: _ratio_db(mean, over, under) for name, (over, under) in _BANDS_HZ.items()}
    spoken = level[np.flatnonzero(loud)[0] : np.flatnonzero(loud)[-1] + 1]
    found["depth_db"] = float(np.percentile(spoken, 90) - np.percentile(spoken, 25))
    found["fall_db"] = float(np.percentile(spoken[:-4] - spoken[4:], 90))
    return found


def _ratio_db(
    power: np.ndarray[Any, np.dtype[np.float64]], over: tuple[float, float], under: tuple[float, float]
) -> float:
    above, below = (float(power[_between(*edges)].mean()) + 1e-12 for edges in (over, under))
    return max(-60.0, 10 * float(np.log10(above / below)))


def _between(low_hz: float, high_hz: float) -> slice:
    first, last = np.searchsorted(_HERTZ, (low_hz, high_hz))
    return slice(int(first), int(last))


_WINDOW: Final = np.hanning(_FRAME + 1)[:-1].astype(np.float32)
_HERTZ: Final = np.fft.rfftfreq(_FRAME, 1 / SAMPLE_RATE)
