"""Small networks of other families: any length, their own tensors back, and layers that conversion knows."""

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="needs the extra [train]")

import keras

from convert.keras_graph import from_keras, to_keras
from edge.errors import UsageError
from training.models.architecture import Fresh
from training.models.count import count
from training.models.families import FRAME_FEATURES, Separable2d, TimeDelay, family

pytestmark = pytest.mark.training

SMALL = [
    Separable2d(stem=4, widths=(4, 6), blocks=(1, 2), time_strides=(1, 2), features=8),
    TimeDelay(channels=8, kernels=(3, 5, 3), second_stride=1, features=8),
]
BANDS = 16


def windows(frames, count=3):
    return np.random.default_rng(1).normal(size=(count, frames, BANDS, 1)).astype(np.float32)


@pytest.mark.parametrize("kind", SMALL)
def test_weights_do_not_depend_on_the_length_of_a_window(kind):
    short = Fresh(kind, BANDS, 5)
    model = short.build(100)
    embedding = np.asarray(model(windows(100), training=False))
    np.testing.assert_allclose(np.linalg.norm(embedding, axis=1), 1, atol=1e-5)
    long = short.with_tensors(short.tensors(model)).build(300)
    assert long(windows(300)).shape == (3, 5)
    again = short.with_tensors(short.tensors(long)).build(100)
    np.testing.assert_array_equal(np.asarray(again(windows(100), training=False)), embedding)


@pytest.mark.parametrize("kind", SMALL)
def test_what_was_learnt_comes_back_with_its_statistics(kind):
    student = Fresh(kind, BANDS, 5)
    model = student.build(100)
    for _ in range(3):
        model(windows(100), training=True)
    found = student.tensors(model)
    again = student.with_tensors(found).build(100)
    expected = np.asarray(model(windows(100), training=False))
    np.testing.assert_allclose(np.asarray(again(windows(100), training=False)), expected, atol=1e-6)
    fresh = np.asarray(student.build(100)(windows(100), training=False))
    assert np.abs(fresh - expected).max() > 1e-3


@pytest.mark.parametrize("kind", SMALL)
def test_conversion_knows_every_layer(kind):
    model = Fresh(kind, BANDS, 5).build(100)
    model(windows(100), training=True)
    trunk = keras.Model(model.inputs, model.get_layer(FRAME_FEATURES).output)
    expected = np.asarray(trunk(windows(100, 1), training=False))
    found = np.asarray(to_keras(from_keras(trunk))(windows(100, 1), training=False))
    np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.parametrize("kind", SMALL)
def test_a_family_survives_its_json(kind):
    assert family(kind.to_json()) == kind


def test_cost_is_counted_by_hand():
    """First 5x16x8 at 50 places; down 3x8x8 at 25; per block 8x8 twice and a kernel over time; features; dense."""
    kind = TimeDelay(channels=8, kernels=(3,), second_stride=0, features=4)
    found = count(kind.build(100, BANDS, 6))
    weights = [5 * BANDS * 8, 3 * 8 * 8, 8 * 8, 3 * 8, 8 * 8, 8 * 4, 8 * 6]
    places = [50, 25, 25, 25, 25, 25, 1]
    assert found.weights == sum(weights)
    assert found.macs == sum(w * p for w, p in zip(weights, places, strict=True))


@pytest.mark.parametrize(
    "values",
    [{"family": "huge"}, {"family": "time_delay", "chanels": 3}, {"family": "separable2d", "widths": [8, 8]}],
)
def test_a_family_that_makes_no_sense_is_refused(values):
    with pytest.raises(UsageError):
        family(values)
