"""One clip as a picture: waveform, spectrogram, and cepstra as a heat map, on one axis of time.

Takes samples; gives PNG. Must hold: every colour has a bar that says how many decibels it is; time and level are those
of the clip, not stretched to fill the picture.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from edge.features import FrontEnd
from edge.records import SAMPLE_RATE, Float32
from training.explore.draw_counts import FINE, SMALL, WIDTH
from training.explore.measures import MFCC_SPEC, mfcc_db
from training.report import canvas

HEIGHT: Final = 600
RANGE_DB: Final = 70.0
"""From the loudest point of a spectrogram down; what is quieter is black."""
_FRAME: Final = 400
_HOP: Final = 160
_FLOOR: Final = 1e-12


def draw(samples: Float32, title: str, front_end: FrontEnd | None = None) -> bytes:
    """Return the picture of a clip, float32 ``(n,)`` at 16 kHz, at least 25 ms."""
    made, panels = canvas.figure(WIDTH, HEIGHT, 3, 2, heights=(1, 2, 2), widths=(60, 1))
    wave, nothing, spectrogram, spectrum_bar, cepstra, cepstra_bar = panels
    seconds = len(samples) / SAMPLE_RATE
    nothing.axis("off")
    _wave(wave, samples)
    wave.set_title(canvas.plain(title), fontsize=11)
    image = spectrogram.imshow(
        (found := power_db(samples)).T, origin="lower", aspect="auto", cmap="magma", interpolation="nearest",
        extent=(0, seconds, 0, SAMPLE_RATE / 2000), vmin=found.max() - RANGE_DB, vmax=found.max(),
    )  # fmt: skip
    spectrogram.set_ylabel("kHz", fontsize=SMALL)
    _bar(made, image, spectrum_bar, "dBFS")
    levelled = centred(mfcc_db(front_end or FrontEnd(MFCC_SPEC), samples))
    # One scale for loudness and timbre would leave timbre pale: c1 and above decide.
    most = max(float(np.percentile(np.abs(levelled[:, 1:]), 99)), 1.0)
    image = cepstra.imshow(
        levelled.T, origin="lower", aspect="auto", cmap="RdBu_r", interpolation="nearest",
        extent=(0, seconds, -0.5, levelled.shape[1] - 0.5), vmin=-most, vmax=most,
    )  # fmt: skip
    cepstra.set_ylabel("MFCC", fontsize=SMALL)
    cepstra.set_yticks(range(0, levelled.shape[1], 5))
    cepstra.set_xlabel("s", fontsize=SMALL)
    _bar(made, image, cepstra_bar, "dB")
    for panel in (wave, spectrogram, cepstra):
        panel.set_xlim(0, seconds)
        panel.tick_params(labelsize=SMALL, labelbottom=panel is cepstra)
    return canvas.png(made, FINE)


def power_db(samples: Float32) -> Float32:
    """Return the power spectrum in dBFS, float32 ``(frames, 257)``: a sine at full scale reaches 0 dB."""
    window = np.hanning(_FRAME)
    frames = np.lib.stride_tricks.sliding_window_view(samples, _FRAME)[::_HOP]
    amplitude = np.abs(np.fft.rfft(frames * window, 512)) * 2 / window.sum()
    found: Float32 = (10 * np.log10(amplitude**2 + _FLOOR)).astype(np.float32)
    return found


def centred(cepstra: Float32) -> Float32:
    """Return cepstra whose first coefficient, the loudness, is shown against its own mean."""
    result = cepstra.copy()
    result[:, 0] -= result[:, 0].mean()
    return result


def _wave(panel: Any, samples: Float32) -> None:
    """Lowest and highest sample of each stretch: draws quickly and hides no peak."""
    step = max(1, len(samples) // 1000)
    whole = samples[: len(samples) // step * step].reshape(-1, step)
    time = (np.arange(len(whole)) + 0.5) * step / SAMPLE_RATE
    panel.fill_between(time, whole.min(axis=1), whole.max(axis=1), color=canvas.GENUINE, linewidth=0.4)
    most = 1.1 * max(float(np.abs(samples).max()), 1e-3)
    panel.set_ylim(-most, most)
    panel.set_ylabel("of full scale", fontsize=SMALL)


def _bar(made: Any, image: Any, place: Any, unit: str) -> None:
    made.colorbar(image, cax=place).set_label(unit, fontsize=SMALL)
    place.tick_params(labelsize=SMALL)
