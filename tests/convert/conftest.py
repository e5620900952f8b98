"""A tiny teacher as a graph, and its windows."""

import pytest

pytest.importorskip("tensorflow", reason="needs the extra [train]")

from convert import speech_head
from convert.keras_graph import from_keras, to_keras
from tests.convert.tiny import FRAMES, tiny_weights, tiny_windows, write_corpus
from training.teachers.campp import campp_trunk


@pytest.fixture(scope="session")
def corpus(tmp_path_factory):
    """A folder of made-up speech and noise with its manifest."""
    folder = tmp_path_factory.mktemp("corpus")
    write_corpus(folder)
    return folder


@pytest.fixture
def few_sounds(monkeypatch):
    """Nine made-up sounds of each kind instead of many."""
    monkeypatch.setattr(speech_head, "SOUNDS_PER_KIND", 9)


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
