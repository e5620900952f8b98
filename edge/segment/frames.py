"""What the gate knows about each 32 ms frame: level, bands, how much they change, and whether there is a voice's pitch.

Takes consecutive samples; gives one ``Frame`` per hop of 20 ms. Must hold: a frame depends on its own samples and the few
frames before it alone, never on how many frames are computed together (every operation works row by row).
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

EDGES_HZ: Final = (100, 312, 500, 812, 1188, 1812, 2594, 3812, 6000)
"""Borders of the eight bands in which sound is compared with the background. What lies below is mains and traffic."""
BANDS: Final = len(EDGES_HZ) - 1

_BIN_HZ: Final = SAMPLE_RATE / WIDTH
_EDGE_BINS: Final = [round(hz / _BIN_HZ) for hz in EDGES_HZ]
_WINDOW: Final[Float64] = np.hanning(WIDTH + 1)[:-1]
_SCALE: Final = 2 / (float(np.sum(_WINDOW**2)) * WIDTH)
"""Turns |FFT|^2 into mean square of the signal (Parseval; twice, for the half of the spectrum that rfft leaves out)."""
_QUIETEST: Final = 1e-12
"""-120 dBFS: digital silence needs a logarithm too."""

_PITCH_BINS: Final = slice(3, 48)
"""100 to 1500 Hz: where harmonics of a voice stand out, above the rumble that is periodic by nature."""
_SHORTEST_LAG: Final = SAMPLE_RATE // 400
_LONGEST_LAG: Final = SAMPLE_RATE // 70

_TONE_BINS: Final = slice(3, 128)
_CHANGE_FRAMES: Final = 5


def _window_correlation() -> Float64:
    """Autocorrelation of the window, 1 at lag 0: how much of a perfect period is left at each lag."""
    found = np.fft.irfft(np.abs(np.fft.rfft(_WINDOW, 2 * WIDTH)) ** 2)[: _LONGEST_LAG + 1]
    return np.asarray(found / found[0])


_TAPER: Final = _window_correlation()[_SHORTEST_LAG:]


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame. ``power``: mean square above 100 Hz; ``stands_out_db``: mean distance of the three best bands to the
    background; ``periodicity`` 0 to about 1 and ``lag`` in samples; ``tone``: share of the power in one spectral line;
    ``change_db``: mean change of a strong band from frame to frame over the last 100 ms."""

    power: float
    stands_out_db: float
    periodicity: float
    lag: int
    tone: float
    change_db: float


class FrameAnalyser:
    """Computes frames in order; remembers the last levels for ``change_db``."""

    def __init__(self) -> None:
        self._levels: Float64 = np.zeros((0, BANDS))

    def analyse(
        self, samples: Float32, background_db: Float64, min_snr_db: float, min_power: float
    ) -> tuple[list[Frame], Float64]:
        """Frames of ``samples`` float32 ``((n - 1) * HOP + WIDTH,)`` against the background's eight levels in dB.

        Periodicity is only computed where a frame stands out by ``min_snr_db`` and reaches ``min_power``; it is 0
        elsewhere. Also returns the band powers float64 ``(n, BANDS + 1)``: the last column is the total.
        """
        count = (len(samples) - WIDTH) // HOP + 1
        stride = samples.strides[0]
        view: Float32 = np.ndarray((count, WIDTH), np.float32, samples, 0, (HOP * stride, stride))
        spectrum = np.fft.rfft(view * _WINDOW)
        power = np.square(spectrum.real)
        power += np.square(spectrum.imag)
        power *= _SCALE
        bands = np.add.reduceat(power, _EDGE_BINS, axis=1)  # the last one runs to half the sample rate
        levels = 10 * np.log10(bands[:, :BANDS] + _QUIETEST)
        bands[:, BANDS] += bands[:, :BANDS].sum(axis=1)
        total = bands[:, BANDS].tolist()
        best = np.sort(levels - background_db, axis=1)[:, -3:]
        stands_out = ((best[:, 0] + best[:, 1] + best[:, 2]) / 3).tolist()
        changes = self._changes(levels)
        frames = []
        for row in range(count):
            periodicity, lag, tone = 0.0, 0, 0.0
            if stands_out[row] >= min_snr_db and total[row] >= min_power:
                periodicity, lag = _pitch(power[row])
                tone = _tone(power[row])
            frames.append(Frame(total[row], stands_out[row], periodicity, lag, tone, changes[row]))
        return frames, bands

    def _changes(self, levels: Float64) -> list[float]:
        known = np.concatenate((self._levels, levels))
        self._levels = known[-_CHANGE_FRAMES - 1 :]
        steps = np.abs(np.diff(known, axis=0))
        found = []
        for row in range(len(known) - len(levels), len(known)):
            recent = steps[max(0, row - _CHANGE_FRAMES) : row]
            if not len(recent):
                found.append(0.0)
                continue
            strongest = np.argsort(known[row])[-4:]
            found.append(float(recent[:, strongest].sum()) / (4 * len(recent)))
        return found


def _pitch(power: Float64) -> tuple[float, int]:
    """Height and lag of the best peak of the autocorrelation of the amplitude spectrum of one frame.

    The amplitude instead of the power (exponent 0.5, as in generalised autocorrelation) keeps one strong formant from
    deciding alone, which also makes it hold in noise.
    """
    spectrum = np.zeros(len(power))
    spectrum[_PITCH_BINS] = np.sqrt(power[_PITCH_BINS])
    correlation = np.fft.irfft(spectrum)
    if correlation[0] <= 0:
        return 0.0, 0
    found = correlation[_SHORTEST_LAG : _LONGEST_LAG + 1] / _TAPER / correlation[0]
    inner = found[1:-1]
    peaks = np.where((inner > found[:-2]) & (inner >= found[2:]), inner, 0.0)
    best = int(peaks.argmax())
    return float(peaks[best]), best + 1 + _SHORTEST_LAG


def _tone(power: Float64) -> float:
    """Share of the power from 100 to 4000 Hz that one line (five bins, the width of the window's) holds."""
    part = power[_TONE_BINS]
    lines = part[:-4] + part[1:-3] + part[2:-2] + part[3:-1] + part[4:]
    return float(lines.max() / max(float(part.sum()), _QUIETEST))
