"""A tiny teacher as a graph, and its windows."""

import pytest

pytest.importorskip("tensorflow", reason="needs the extra [train]")

from convert.keras_graph import from_keras, to_keras
from tests.convert.tiny import FRAMES, tiny_weights, tiny_windows
from training.teachers.campp import campp_trunk


@pytest.fixture(scope="session")
def windows():
    return tiny_windows()


@pytest.fixture(scope="session")
def graph():
    return from_keras(campp_trunk(tiny_weights(), FRAMES))


@pytest.fixture(scope="session")
def run(windows):
    """Graph -> its outputs on three windows, (3, T, C)."""

    def outputs(graph):
        model = to_keras(graph)
        return [model(window[None, :, :, None], training=False).numpy()[0] for window in windows[:3]]

    return outputs


@pytest.fixture(scope="session")
def expected(graph, run):
    return run(graph)
