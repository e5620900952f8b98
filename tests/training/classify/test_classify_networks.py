"""The networks are the ones that were described: counted, not trained."""

import json

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="needs the extra [train]")

from convert.classifier import int8_file
from edge.runtime import Network
from training.classify import inputs
from training.classify.compare import RECIPES, SHIPPED, read
from training.classify.fit import outputs
from training.classify.networks import build, hidden
from training.classify.recipe import CLASSICAL

pytestmark = pytest.mark.training


def network(recipe: str, classes: int, place: int = 0):
    model = read(recipe).models[place]
    return build(model.network, inputs.shape(model.input), classes)


@pytest.mark.parametrize(
    ("recipe", "classes", "weights"),
    [
        ("gender-stats-dnn", 2, 66_937),
        ("gender-mfcc-cnn1d", 2, 449_425),
        ("gender-mfcc-cnn2d", 2, 60_809),
        ("speaker-spectrogram-cnn", 80, 518_496),
        ("speaker-spectral-ann", 80, 188_368),
        # By hand: 256 x (8 + 1), 8 x 256 x 256 + 256, 8 x 256 x 128 + 128, 3 x (8 x 128 x 128 + 128),
        # 8 x 128 x 64 + 64, 8 x 64 x 64 + 64, norms 4 x (256 + 128), and 3 x 64 flat values to 14 classes.
        ("gender-emotion-conv1d", 14, 2_304 + 524_544 + 262_272 + 3 * 131_200 + 65_600 + 32_832 + 1_536 + 2_702),
    ],
)
def test_a_network_has_the_parameters_of_its_forerunner(recipe, classes, weights):
    assert network(recipe, classes).count_params() == weights


def test_what_normalisation_counts_is_not_trained():
    model = network("gender-mfcc-cnn2d", 2)
    assert sum(int(np.prod(one.shape)) for one in model.trainable_variables) == 60_729


def test_the_layers_have_the_sizes_that_were_described():
    pooled = [one.output.shape[1] for one in network("gender-mfcc-cnn1d", 2).layers if "pool" in one.name]
    assert pooled == [1740, 870, 435, 218]
    flat = {}
    for recipe in ("gender-mfcc-cnn2d", "speaker-spectrogram-cnn"):
        found = [one for one in network(recipe, 80).layers if "flatten" in one.name or "hidden" in one.name]
        flat[recipe] = [one.output.shape[1] for one in found]
    assert flat == {"gender-mfcc-cnn2d": [192], "speaker-spectrogram-cnn": [6272]}


def test_the_wider_twin_hands_its_wider_hidden_layer_on():
    assert hidden(network("speaker-svm-transfer", 20)).output_shape == (None, 14 * 14 * 64)
    assert hidden(network("speaker-svm-transfer", 20, 1)).output_shape == (None, 128)


def test_an_lstm_becomes_an_int8_file_that_says_the_same():
    model = hidden(build("cnn-lstm", (12, 4), 3))
    x = np.random.default_rng(2).normal(size=(24, 12, 4)).astype(np.float32)
    file = Network(int8_file(model, x))
    told = np.concatenate([file(row[None]) for row in x])
    assert np.abs(told - outputs(model, x)).max() < 0.05


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_recipe_is_whole(name):
    recipe = read(name)
    raw = json.loads((RECIPES / f"{name}.json").read_text(encoding="utf-8"))
    assert recipe.name == raw["name"] == name
    assert recipe.summary
    assert recipe.forerunner
    assert all(inputs.shape(model.input) for model in recipe.models)
    assert {model.network for model in recipe.models if model.input.kind not in inputs.TABLES}.isdisjoint(CLASSICAL)
