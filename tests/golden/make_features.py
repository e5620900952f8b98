"""Write features.npz: what python_speech_features itself gives for a fixed signal. Run by hand, see README.md.

Takes nothing; gives ``samples`` int16 ``(n,)`` and float32 frames for three specs. Must hold: nothing of ``edge`` is
imported, so that the file is a witness from outside.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import python_speech_features as psf
from scipy.fftpack import dct

FLOOR = 0.1
"""``FeatureSpec.log_floor``; python_speech_features has no floor of its own but for exact zeros."""


def signal() -> np.ndarray:
    """Two seconds, int16: a gliding buzz with three resonances, hiss, a click, and half a second of digital silence."""
    rng = np.random.default_rng(20261121)
    time = np.arange(32000) / 16000
    phase = np.cumsum(110 + 40 * np.sin(2 * np.pi * 0.8 * time)) / 16000
    buzz = 2 * (phase % 1) - 1
    spectrum = np.fft.rfft(buzz)
    hertz = np.fft.rfftfreq(len(buzz), 1 / 16000)
    spectrum *= sum(np.exp(-(((hertz - centre) / 200) ** 2)) for centre in (600, 1400, 2700)) + 0.01
    voice = np.fft.irfft(spectrum) * np.clip(np.sin(2 * np.pi * 2.7 * time) + 0.5, 0, None)
    sound = voice / np.abs(voice).max() * 14000 + rng.normal(0, 20, len(time))
    sound[9000:12000] += rng.normal(0, 1500, 3000)
    sound[16000] = 32767
    sound[24000:] = 0
    return np.round(sound).clip(-32768, 32767).astype(np.int16)


def energies(samples: np.ndarray, bands: int, n_fft: int, low: float, window: object) -> np.ndarray:
    """Natural logarithm of the floored filterbank energies, float64 ``(frames, bands)``."""
    found, _ = psf.fbank(samples.astype(np.float64), 16000, 0.025, 0.01, bands, n_fft, low, 8000, 0.97, window)
    return np.log(np.maximum(found, FLOOR))


def main() -> None:
    """Compute and save beside this script."""
    samples = signal()
    log_mel = energies(samples, 80, 640, 20, np.hamming)
    classic = energies(samples, 26, 512, 0, np.ones)
    np.savez_compressed(
        Path(__file__).with_name("features.npz"),
        samples=samples,
        log_mel=log_mel.astype(np.float32),
        mfcc=dct(log_mel, type=2, axis=1, norm="ortho").astype(np.float32),
        classic=psf.lifter(dct(classic, type=2, axis=1, norm="ortho")[:, :13], 22).astype(np.float32),
    )


if __name__ == "__main__":
    main()
