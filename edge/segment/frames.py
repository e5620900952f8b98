"""What the gate knows about each 32 ms frame: its level, whether it stands out, and whether it has a voice's pitch.

Takes consecutive samples; gives one ``Frame`` per hop of 20 ms. Must hold: a frame depends on its own samples and the
few frames before it alone, never on how many frames are computed together (every operation works row by row); frames
that don't stand out cost next to nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from edge.records import SAMPLE_RATE, Float32

Float64 = npt.NDArray[np.float64]

HOP: Final = 320
"""Samples between frames (20 ms)."""
WIDTH: Final = 512
"""Samples in a frame (32 ms): two periods of the lowest voice."""

_EDGES_HZ: Final = (94, 312, 500, 812, 1188, 1812, 2594, 3812, 6000)
"""Borders of the eight bands in which sound is compared with the background. Mains and traffic lie below."""
BANDS: Final = len(_EDGES_HZ) - 1
_BEST_BANDS: Final = 3
"""A frame stands out by the mean of its best bands: noise rarely covers all of speech."""

_BIN_HZ: Final = SAMPLE_RATE / WIDTH
_EDGE_BINS: Final = [round(hz / _BIN_HZ) for hz in _EDGES_HZ]
_HANN: Final[Float64] = np.hanning(WIDTH + 1)[:-1]
_WINDOW: Final[Float64] = _HANN * np.sqrt(2 / (np.sum(_HANN**2) * WIDTH))
"""Scaled so that the sum of |FFT|^2 over the bins is the mean square of the signal (Parseval's theorem)."""
_QUIETEST: Final = 1e-12
"""-120 dBFS: digital silence needs a logarithm too."""

_PITCH_CORNERS_HZ: Final = (62, 250, 750, 1750)
"""Where harmonics of a voice stand out: the weight rises from the first to the second corner and falls from the third
to the fourth. The slopes matter: a sharp edge gives rumble and crackle a pitch of its own."""
_SHORTEST_LAG: Final = SAMPLE_RATE // 400
_LONGEST_LAG: Final = SAMPLE_RATE // 70
_TONE_BINS: Final = slice(3, 128)
_CHANGE_FRAMES: Final = 5
_CHANGE_BANDS: Final = 4
_BIGGEST_STEP_DB: Final = 6.0
"""A hum that is switched on changes much, but once."""


def _pitch_weights() -> Float64:
    rise, full, fall, end = _PITCH_CORNERS_HZ
    hertz = np.arange(WIDTH // 2 + 1) * _BIN_HZ
    rising: Float64 = np.clip((hertz - rise) / (full - rise), 0, 1)
    falling: Float64 = np.clip((end - hertz) / (end - fall), 0, 1)
    return rising * falling


def _taper() -> Float64:
    """Autocorrelation of the window, 1 at lag 0: how much of a perfect period is left at each lag."""
    found = np.fft.irfft(np.abs(np.fft.rfft(_HANN, 2 * WIDTH)) ** 2)
    return np.asarray(found[_SHORTEST_LAG : _LONGEST_LAG + 1] / found[0])


_PITCH_WEIGHTS: Final = _pitch_weights()
_TAPER: Final = _taper()


@dataclass(slots=True)
class Frame:
    """One frame.

    ``power``: mean square above 94 Hz. ``stands_out``: louder than the background by what was asked. Only where it
    does, the rest is known: ``periodicity`` from 0 to about 1 and its ``lag`` in samples; ``tone``: share of the power
    in one spectral line; ``change_db``: mean change of the strong bands from frame to frame over the last 100 ms, steps
    of more than 6 dB counted as 6.
    ``in_run`` and ``speech`` are marks that ``stretch`` makes.
    """

    power: float
    stands_out: bool = False
    periodicity: float = 0.0
    lag: int = 0
    tone: float = 0.0
    change_db: float = 0.0
    in_run: bool = False
    speech: bool = False


class FrameAnalyser:
    """Computes frames in order; remembers the bands of the last ones for ``change_db``.

    Args:
        min_snr_db: how far a frame must stand out from the background.
        min_power: what it must reach besides, mean square.
    """

    def __init__(self, min_snr_db: float, min_power: float) -> None:
        self._min_snr_db = min_snr_db
        self._min_power = min_power
        self._before: Float64 | None = None

    def analyse(self, samples: Float32, background_db: Float64) -> tuple[list[Frame], Float64]:
        """Frames of ``samples`` float32 ``((n - 1) * HOP + WIDTH,)`` against the background's eight levels in dB.

        Also returns the powers float64 ``(n, BANDS + 1)`` of the bands and of all above 94 Hz.
        """
        count = (len(samples) - WIDTH) // HOP + 1
        stride = samples.strides[0]
        view: Float32 = np.ndarray((count, WIDTH), np.float32, samples, 0, (HOP * stride, stride))
        spectrum = np.fft.rfft(view * _WINDOW)
        power = np.square(spectrum.real)
        power += np.square(spectrum.imag)
        bands = np.add.reduceat(power, _EDGE_BINS, axis=1)  # the last one runs to half the sample rate
        bands[:, BANDS] = np.add.reduce(bands, axis=1)
        frames = [Frame(total) for total in bands[:, BANDS].tolist()]
        before, self._before = self._before, bands[-_CHANGE_FRAMES:]
        if before is None:
            before = np.repeat(bands[:1], _CHANGE_FRAMES, axis=0)
        if count < _CHANGE_FRAMES:
            self._before = np.concatenate((before, bands))[-_CHANGE_FRAMES:]
        # Three bands can only be above the line on average if one is.
        line = 10 ** ((background_db + (self._min_snr_db - 0.001)) / 10)
        loud = (bands[:, :BANDS] >= line).any(axis=1)
        if loud.any():
            self._look_closer(frames, np.flatnonzero(loud), power, np.concatenate((before, bands)), background_db)
        return frames, bands

    def _look_closer(
        self, frames: list[Frame], rows: npt.NDArray[np.intp], power: Float64, bands: Float64, background_db: Float64
    ) -> None:
        """Fill in the ``frames`` at ``rows``; ``bands`` begin five frames earlier."""
        levels = 10 * np.log10(bands[:, :BANDS] + _QUIETEST)
        best = np.sort(levels[_CHANGE_FRAMES + rows] - background_db, axis=1)[:, -_BEST_BANDS:]
        out = (best[:, 0] + best[:, 1] + best[:, 2]) >= _BEST_BANDS * self._min_snr_db
        rows = rows[out & (bands[_CHANGE_FRAMES + rows, BANDS] >= self._min_power)]
        if not len(rows):
            return
        periodicity, lag = _pitch(power[rows])
        tone = _tone(power[rows])
        change = _change(levels, _CHANGE_FRAMES + rows)
        for place, row in enumerate(rows.tolist()):
            frame = frames[row]
            frame.stands_out = True
            frame.periodicity, frame.lag = float(periodicity[place]), int(lag[place])
            frame.tone, frame.change_db = float(tone[place]), float(change[place])


def _pitch(power: Float64) -> tuple[Float64, npt.NDArray[np.intp]]:
    """Height and lag of the best peak of the autocorrelation of the weighted amplitude spectrum, row by row.

    The amplitude instead of the power (exponent 0.5, as in generalised autocorrelation) keeps one strong formant from
    deciding alone, which also makes it hold in noise.
    """
    correlation = np.fft.irfft(np.sqrt(power) * _PITCH_WEIGHTS)
    found = correlation[:, _SHORTEST_LAG : _LONGEST_LAG + 1] / _TAPER
    found /= correlation[:, :1] + _QUIETEST
    inner = found[:, 1:-1]
    inner = np.where((inner > found[:, :-2]) & (inner >= found[:, 2:]), inner, 0.0)
    best = inner.argmax(axis=1)
    return inner[np.arange(len(best)), best], best + (1 + _SHORTEST_LAG)


def _tone(power: Float64) -> Float64:
    """Share of the power from 94 to 4000 Hz that one line (five bins, the width of the window's) holds, row by row."""
    part = power[:, _TONE_BINS]
    lines = part[:, :-4] + part[:, 1:-3] + part[:, 2:-2] + part[:, 3:-1] + part[:, 4:]
    return np.asarray(lines.max(axis=1) / (np.add.reduce(part, axis=1) + _QUIETEST))


def _change(levels: Float64, rows: npt.NDArray[np.intp]) -> Float64:
    """Mean change over the five steps that end at each row, in the four bands that are strongest there."""
    steps = np.minimum(np.abs(levels[1:] - levels[:-1]), _BIGGEST_STEP_DB)
    recent = steps[rows - 1]
    for back in range(2, _CHANGE_FRAMES + 1):
        recent += steps[rows - back]
    strongest = np.argsort(levels[rows], axis=1)[:, -_CHANGE_BANDS:]
    chosen = np.take_along_axis(recent, strongest, axis=1)
    return np.asarray(np.add.reduce(chosen, axis=1) / (_CHANGE_BANDS * _CHANGE_FRAMES))
