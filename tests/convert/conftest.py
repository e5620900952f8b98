"""A tiny teacher as a graph, and its windows."""

import pytest

pytest.importorskip("tensorflow", reason="needs the extra [train]")

import numpy as np

from convert import speech_head
from convert.alone import runtimes
from convert.campplus import convert_trunk
from convert.keras_graph import from_keras, to_keras
from convert.recipe import RECIPES, read_recipe
from tests.convert.tiny import FRAMES, tiny_weights, tiny_windows, write_corpus
from training.models.campp import embedder
from training.slim.channels import groups
from training.slim.cut import cut
from training.slim.importance import channel_means
from training.teachers.campp import campp_head, campp_trunk


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
def trunk(graph, windows):
    """The tiny teacher, converted."""
    said = []
    recipe = read_recipe(RECIPES / "campplus.json")
    made = convert_trunk(graph, campp_head(tiny_weights()), windows, recipe, said.append)
    assert "quantising" in said
    return made


@pytest.fixture(scope="session")
def slim_weights(windows):
    """The tiny teacher with channels of every kind cut out, and one layer of the first block."""
    weights = tiny_weights()
    found = groups(weights)
    gone = {"front.in": [1], "front.out": [0], "tdnn": [2, 5], "block1.1.growth": [0, 1, 2, 3], "transit1": [3]}
    gone |= {"block2.1.bottleneck": [1, 2], "block2.1.gate": [0], "block3.1.growth": [2], "transit3": [1]}
    assert gone.keys() <= {group.name for group in found}
    kept = {group.name: np.setdiff1d(np.arange(group.width), gone.get(group.name, [])) for group in found}
    return cut(weights, kept, channel_means(embedder(weights, FRAMES), found, windows[:4]))


@pytest.fixture(scope="session")
def engines():
    """The runtimes that can be used here, also tflite-runtime, which this process can't load beside TensorFlow."""
    return runtimes()


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
