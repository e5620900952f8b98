"""What is left after a cut says as nearly as it can what was said before."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

pytest.importorskip("tensorflow", reason="needs the extra [train]")

import keras

from tests.convert.tiny import FRAMES, tiny_weights, tiny_windows
from training.models.campp import embedder
from training.slim.channels import groups
from training.slim.cut import cut
from training.slim.importance import channel_means
from training.slim.mend import mend
from training.slim.patches import Shape, convolve, outputs, patches
from training.slim.squares import refit

pytestmark = pytest.mark.training


def silent(_line: str) -> None:
    """Nobody reads it."""


@given(arrays(np.float32, (40, 5), elements=st.floats(-3, 3, width=32)), st.integers(0, 99))
def test_weights_that_are_right_stay(inputs, seed):
    rng = np.random.default_rng(seed)
    weights, bias = rng.normal(size=(5, 3)).astype(np.float32), rng.normal(size=3).astype(np.float32)
    found, constant = refit(inputs, inputs @ weights + bias, weights)
    np.testing.assert_allclose(inputs @ found + constant, inputs @ weights + bias, atol=1e-3)
    np.testing.assert_allclose(found, weights, atol=1e-3)


def test_least_squares_finds_what_is_there_and_the_ridge_holds_back():
    rng = np.random.default_rng(0)
    inputs, truth = rng.normal(size=(500, 6)).astype(np.float32), rng.normal(size=(6, 2)).astype(np.float32)
    start = np.zeros((6, 2), np.float32)
    found, bias = refit(inputs, inputs @ truth + 3, start, ridge=1e-6)
    np.testing.assert_allclose(found, truth, atol=1e-2)
    np.testing.assert_allclose(bias, 3, atol=1e-2)
    held, _ = refit(inputs, inputs @ truth + 3, start, ridge=100.0)
    assert np.abs(held).max() < 0.1 * np.abs(truth).max()


@pytest.mark.parametrize(
    ("kernel", "shape"),
    [
        ((3, 3), Shape((3, 3), pads=((1, 1), (1, 1)))),
        ((3, 3), Shape((3, 3), (1, 2), pads=((1, 1), (1, 0)))),
        ((1, 1), Shape((1, 1), (1, 2))),
        ((5, 1), Shape((5, 1), (2, 1), pads=((2, 2), (0, 0)))),
        ((3, 1), Shape((3, 1), dilation=2, pads=((2, 2), (0, 0)))),
    ],
)
def test_patches_make_the_convolution_of_keras(kernel, shape):
    rng = np.random.default_rng(1)
    x = rng.normal(size=(2, 20, 8, 3)).astype(np.float32)
    weights, bias = rng.normal(size=(*kernel, 3, 4)).astype(np.float32), rng.normal(size=4).astype(np.float32)
    padded = np.pad(x, ((0, 0), *shape.pads, (0, 0)))
    expected = np.asarray(
        keras.ops.conv(padded, weights, strides=shape.strides, padding="valid", dilation_rate=(shape.dilation, 1))
    )
    found = convolve(x, weights, bias, shape)
    np.testing.assert_allclose(found, expected + bias, atol=1e-4)
    assert outputs(x, shape) == (
        2 * found.shape[1] * found.shape[2] // (found.shape[1] * found.shape[2]),
        *found.shape[1:3],
    )
    places = np.array([0, 7, found[..., 0].size - 1])
    some = patches(x, shape, places) @ weights.reshape(-1, 4) + bias
    np.testing.assert_allclose(some, found.reshape(-1, 4)[places], atol=1e-4)


def embeddings(weights, windows):
    return np.asarray(embedder(weights, FRAMES)(windows[..., None], training=False))


@pytest.fixture(scope="module")
def weights():
    return tiny_weights()


def test_with_everything_kept_mending_changes_nothing(weights):
    """The walk through both networks is the network: every layer already says what it is asked to say."""
    windows = tiny_windows(4)
    kept = {group.name: np.arange(group.width) for group in groups(weights)}
    found = mend(weights, weights, kept, windows, say=silent)
    np.testing.assert_allclose(embeddings(found, windows), embeddings(weights, windows), atol=1e-4)


def test_mending_brings_a_cut_network_nearer_also_for_windows_that_it_never_saw(weights):
    windows, others = tiny_windows(24), tiny_windows(8, seed=5)
    kept = {group.name: np.arange(group.width) for group in groups(weights)}
    kept["block1.1.bottleneck"] = np.arange(0, 8, 2)
    kept["block2.1.growth"] = np.arange(2)
    kept["block3.1.growth"] = np.arange(0)
    kept["front.1.0"] = kept["front.2.1"] = np.arange(3)
    kept["front.1"] = np.array([0, 1, 3])
    kept["tdnn"] = np.arange(7)
    kept["transit2"] = kept["transit2"][:-1]
    small = cut(weights, kept, channel_means(embedder(weights, FRAMES), groups(weights), windows))
    mended = mend(weights, small, kept, windows, say=silent)
    assert {name: value.shape for name, value in mended.items() if not name.endswith("bias")} == {
        name: value.shape for name, value in small.items() if not name.endswith("bias")
    }
    wanted = embeddings(weights, others)
    before, after = ((embeddings(found, others) * wanted).sum(axis=1).mean() for found in (small, mended))
    assert after > before + 0.5 * (1 - before)
