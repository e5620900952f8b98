"""The front-end of ECAPA-TDNN, by its definition; ``test_ecapa.py`` compares it with the original."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.teachers.ecapa_features import BANDS, RANGE_DB, ecapa_features, frame_count, mel_filters


def noise(samples: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.1, samples).astype(np.float32)


@settings(max_examples=30)
@given(st.integers(1, 3000))
def test_a_frame_is_centred_on_every_160th_sample(samples):
    assert ecapa_features(noise(samples)).shape == (frame_count(samples), BANDS)


def test_a_frame_is_what_the_formula_says():
    samples = noise(4000)
    number, n = 7, np.arange(400)
    frame = samples[number * 160 - 200 : number * 160 + 200] * (0.54 - 0.46 * np.cos(2 * np.pi * n / 400))
    bins = np.arange(201)
    power = np.abs(np.exp(-2j * np.pi * np.outer(bins, n) / 400) @ frame) ** 2
    mel = np.linspace(0, 2595 * np.log10(1 + 8000 / 700), 82)
    edges = 700 * (10 ** (mel / 2595) - 1)
    wanted = []
    for band in range(80):
        left, centre = edges[band], edges[band + 1]
        triangle = np.maximum(0, 1 - np.abs(bins * 40 - centre) / (centre - left))
        wanted.append(10 * np.log10(max(triangle @ power, 1e-10)))
    found = ecapa_features(samples)[number]
    # Each band lacks its mean over the utterance: bands are compared by how this frame differs from another.
    other = ecapa_features(samples)[12]
    frame = samples[12 * 160 - 200 : 12 * 160 + 200] * (0.54 - 0.46 * np.cos(2 * np.pi * n / 400))
    power = np.abs(np.fft.rfft(frame)) ** 2
    np.testing.assert_allclose(
        found - other, np.array(wanted) - 10 * np.log10(np.maximum(power @ mel_filters(), 1e-10)), atol=1e-3
    )


def test_every_band_has_no_mean():
    np.testing.assert_allclose(ecapa_features(noise(8000)).mean(axis=0), 0, atol=1e-4)


@settings(max_examples=30)
@given(st.floats(0.01, 5))
def test_loudness_does_not_matter(gain):
    samples = noise(3200)
    np.testing.assert_allclose(ecapa_features(np.float32(gain) * samples), ecapa_features(samples), atol=2e-3)


def test_silence_is_raised_to_the_floor_below_the_highest_value():
    samples = np.concatenate([noise(8000), np.zeros(8000, np.float32)])
    found = ecapa_features(samples)
    falls = found[:40].max(axis=0) - found[-40:].min(axis=0)
    assert falls.max() == pytest.approx(RANGE_DB, abs=1e-3)
    assert np.isfinite(found).all()


def test_digital_silence_gives_zeros():
    assert not ecapa_features(np.zeros(1600, np.float32)).any()


def test_a_filter_is_as_wide_on_the_right_as_on_the_left():
    filters = mel_filters()
    assert filters.shape == (201, 80)
    assert filters.min() == 0 and filters.max() <= 1
    hertz = np.arange(201) * 40.0
    row = filters[:, -1]
    centre = (hertz @ row) / row.sum()
    reach = hertz[row > 0]
    assert abs((reach[-1] - centre) - (centre - reach[0])) < 80
