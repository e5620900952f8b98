"""A network with a second output: embeddings come from the first, labels from the last."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from edge.bundle import open_bundle, seal
from edge.bundle.heads import pool
from edge.features import FrontEnd, normalise
from edge.runtime import Network
from tests.edge import small_bundles
from tests.edge.small_bundles import GOLDEN


@pytest.fixture
def two(tmp_path):
    """The small bundle with the network that gives its first layer, too."""
    folder = small_bundles.make(tmp_path / "two")
    shutil.copy(GOLDEN / "tiny_two.int8.tflite", folder / "encoder.int8.tflite")
    seal(folder, small_bundles.card())
    return open_bundle(folder)


def test_embeddings_are_those_of_the_network_without_it(two, tmp_path):
    one, samples = open_bundle(small_bundles.make(tmp_path / "one")), small_bundles.sound(4.2)
    np.testing.assert_array_equal(two.embed(samples), one.embed(samples))
    assert two.trunk != one.trunk


def test_labels_look_at_the_mean_and_deviation_of_the_last_output(two):
    samples = small_bundles.sound(3.015)  # 300 frames
    window = normalise(two.spec, FrontEnd(two.spec).features(samples))
    outputs = Network(GOLDEN / "tiny_two.int8.tflite").all_outputs(window)
    assert [output.shape for output in outputs] == [(1, 150, 12), (1, 150, 1, 12)]
    seen = two.statistics(samples).pooled
    np.testing.assert_allclose(seen[0], pool(outputs[1].reshape(150, 12)), atol=1e-6)
    assert np.abs(seen[0] - pool(outputs[0].reshape(150, 12))).max() > 0.01


def test_the_first_output_is_what_a_network_gives_when_it_is_called():
    network = Network(GOLDEN / "tiny_two.int8.tflite")
    window = np.random.default_rng(0).normal(size=network.input_shape).astype(np.float32)
    np.testing.assert_array_equal(network(window), network.all_outputs(window)[0])
    assert network.output_shape == network.outputs[0].shape
