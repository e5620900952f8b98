"""The split transform equals numpy's FFT, whatever the frame and the transform length."""

from __future__ import annotations

import numpy as np
import pytest

from edge.spectrum import PowerSpectrum, split_of


@pytest.mark.parametrize(
    ("frame", "n_fft"),
    [(400, 640), (400, 512), (400, 800), (400, 1024), (320, 512), (400, 400), (401, 512), (250, 256)],
)
def test_power_equals_the_squared_fft(frame: int, n_fft: int) -> None:
    rng = np.random.default_rng(frame + n_fft)
    window = np.hamming(frame)
    signal = rng.standard_normal(frame + 160 * 9).astype(np.float32)
    frames = np.lib.stride_tricks.sliding_window_view(signal, frame)[::160]
    expected = np.abs(np.fft.rfft(frames * window, n_fft)) ** 2
    power = PowerSpectrum(window, n_fft, len(frames)).compute(frames).T
    assert power.shape == expected.shape
    assert np.abs(power - expected).max() <= 2e-6 * expected.max()


def test_the_shipped_transform_is_split() -> None:
    assert split_of(400, 640) == 20


def test_a_pure_tone_lands_in_its_bin() -> None:
    spectrum = PowerSpectrum(np.ones(400), 640, 1)
    for k in (0, 1, 17, 160, 319, 320):
        tone = np.cos(2 * np.pi * k * np.arange(400) / 640).astype(np.float32)[None]
        assert int(np.argmax(spectrum.compute(tone)[:, 0])) == k
