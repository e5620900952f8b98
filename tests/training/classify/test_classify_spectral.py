"""Spectral features are librosa's; ``tests/golden/make_spectral.py`` made the file."""

from pathlib import Path

import numpy as np
import pytest

from training.classify.spectral import spectral

GOLDEN = Path(__file__).parents[2] / "golden" / "spectral.npz"


@pytest.fixture(scope="module")
def both():
    with np.load(GOLDEN) as golden:
        return spectral(golden["samples"]), dict(golden)


@pytest.mark.parametrize(
    "name",
    ["zero_crossings", "tonnetz", "roll_off", "flatness", "contrast", "bandwidth", "centroid", "rms", "chroma"],
)
def test_a_feature_equals_an_independent_implementation(both, name):
    found, golden = both
    assert found[name].shape == golden[name].shape
    assert np.ptp(golden[name]) > 0
    np.testing.assert_allclose(found[name], golden[name], rtol=1e-5, atol=1e-6)


def test_silence_gives_numbers():
    found = spectral(np.zeros(4096, np.float32))
    assert all(np.isfinite(values).all() for values in found.values())
