"""A network made smaller is the network it was, without what was removed."""

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="needs the extra [train]")

from keras import layers

from tests.convert.tiny import BANDS, FRAMES, tiny_weights, tiny_windows
from training.models.campp import embedder, tensors
from training.slim.channels import groups
from training.slim.choose import Budget, choose
from training.slim.compose import compose
from training.slim.compose import everything as all_channels
from training.slim.cost import cost
from training.slim.cut import cut
from training.slim.importance import channel_means, importances

pytestmark = pytest.mark.training


def widths(weights):
    return {group.name: group.width for group in groups(weights)}


def everything(weights):
    return {group.name: np.arange(group.width) for group in groups(weights)}


def without(weights, name, *channels):
    kept = everything(weights)
    return kept | {name: np.setdiff1d(kept[name], channels)}


@pytest.fixture(scope="module")
def weights():
    return tiny_weights()


@pytest.fixture(scope="module")
def means(weights):
    return channel_means(embedder(weights, FRAMES), groups(weights), tiny_windows(8))


def embeddings(weights, count=4):
    return np.asarray(embedder(weights, FRAMES)(tiny_windows(count)[..., None], training=False))


def test_with_every_channel_kept_nothing_changes(weights, means):
    found = cut(weights, everything(weights), means)
    assert found.keys() == weights.keys()
    for name, value in found.items():
        np.testing.assert_array_equal(value, weights[name], err_msg=name)


def test_the_model_gives_back_the_tensors_it_was_built_from(weights):
    found = tensors(embedder(weights, FRAMES), weights)
    assert found.keys() == weights.keys()
    for name, value in found.items():
        np.testing.assert_allclose(value, weights[name], atol=1e-6, err_msg=name)


def test_training_leaves_the_statistics_of_batch_normalisation_alone(weights):
    model = embedder(weights, FRAMES)
    windows = tiny_windows(3)[..., None]
    before = np.asarray(model(windows, training=False))
    np.testing.assert_array_equal(np.asarray(model(windows, training=True)), before)
    assert all(
        np.array_equal(value, weights[name]) for name, value in tensors(model, weights).items() if "running" in name
    )


def test_cost_counts_what_the_layers_do(weights):
    macs = parameters = 0
    for layer in embedder(weights, FRAMES, 1).layers:
        if isinstance(layer, layers.Conv2D):
            kernel = np.asarray(layer.kernel)
            # The gates are computed once per chunk of 50 frames on the device.
            places = (
                3 if "cam_layer_linear1" in layer.name or "cam_layer_linear2" in layer.name else layer.output.shape[1]
            )
            macs += kernel.size * places * layer.output.shape[2]
            parameters += kernel.size
    found = cost(widths(weights), FRAMES, BANDS)
    assert (found.macs, found.weights) == (macs, parameters)


def dead(weights, name):
    """The tensors with channel 1 of a group always 0, or always 0.7 where it is the first 1-D layer's."""
    weights = {key: value.copy() for key, value in weights.items()}
    if name.startswith("transit"):
        weights[f"xvector.{name}.linear.weight"][1] = 0
    elif name.endswith("growth"):
        weights["xvector.block1.tdnnd2.cam_layer.linear_local.weight"][1] = 0
    elif name.endswith("gate"):
        weights["xvector.block1.tdnnd2.cam_layer.linear1.weight"][1] = 0
        weights["xvector.block1.tdnnd2.cam_layer.linear1.bias"][1] = 0.4
    else:
        norm, constant = {
            "front.in": ("head.bn1", -1.0),
            "front.1.0": ("head.layer1.0.bn1", -1.0),
            "front.out": ("head.bn2", -1.0),
            "tdnn": ("xvector.tdnn.nonlinear.batchnorm", 0.7),
            "block1.2.bottleneck": ("xvector.block1.tdnnd2.nonlinear2.batchnorm", -1.0),
        }[name]
        weights[f"{norm}.weight"][1], weights[f"{norm}.bias"][1] = 0.0, constant
    return weights


@pytest.mark.parametrize(
    "name",
    [
        *("front.in", "front.1.0", "front.out", "tdnn", "block1.2.bottleneck", "block1.2.gate", "block1.2.growth"),
        *("transit1", "transit3"),
    ],
)
def test_a_channel_that_never_changes_can_go_unnoticed(weights, name):
    lame = dead(weights, name)
    found = channel_means(embedder(lame, FRAMES), groups(lame), tiny_windows(4))
    smaller = cut(lame, without(lame, name, 1), found)
    assert widths(smaller)[name] == widths(lame)[name] - 1
    np.testing.assert_allclose(embeddings(smaller), embeddings(lame), atol=2e-5)


def test_a_layer_left_without_growth_disappears(weights, means):
    smaller = cut(weights, without(weights, "block1.1.growth", 0, 1, 2, 3), means)
    assert "xvector.block1.tdnnd2.linear1.weight" not in smaller
    # The second layer is the first now, and reads the four channels less.
    assert smaller["xvector.block1.tdnnd1.linear1.weight"].shape == (8, 8, 1)
    assert embeddings(smaller).shape == (4, 6)


def test_importance_is_the_squared_change_of_the_embedding(weights, means):
    """Against a small step towards the mean, channel by channel; the random directions leave some spread."""
    model, windows, step = embedder(weights, FRAMES), tiny_windows(4), 1e-2
    many = np.repeat(windows, 64, axis=0)
    found = importances(model, groups(weights), means, many, batch=64)["transit1"]
    before, name = embeddings(weights), "xvector.transit1.linear"
    for channel in range(widths(weights)["transit1"]):
        moved = {key: value.copy() for key, value in weights.items()}
        moved[f"{name}.weight"][channel] *= 1 - step
        moved[f"{name}.bias"] = np.zeros(len(moved[f"{name}.weight"]), np.float32)
        moved[f"{name}.bias"][channel] = step * means["xvector_transit1_linear"][channel]
        change = np.square((embeddings(moved) - before) / step).sum(axis=1).mean()
        assert found[channel] == pytest.approx(change, rel=0.5), channel


def test_importance_of_a_dead_channel_is_nothing(weights):
    lame = dead(weights, "transit1")
    model = embedder(lame, FRAMES)
    found = importances(model, groups(lame), channel_means(model, groups(lame), tiny_windows(4)), tiny_windows(4))
    assert found["transit1"][1] == pytest.approx(0, abs=1e-12)
    assert found["transit1"].max() > 1e-6


def test_the_choice_keeps_the_budget_and_what_matters_most(weights):
    rng = np.random.default_rng(3)
    importance = {name: rng.uniform(0, 1, width) for name, width in widths(weights).items()}
    whole = cost(widths(weights), FRAMES, BANDS).macs
    kept = choose(importance, Budget(whole // 2, multiple=1, least=2), FRAMES, BANDS)
    assert cost({name: len(indices) for name, indices in kept.items()}, FRAMES, BANDS).macs <= whole // 2
    for name, indices in kept.items():
        gone = np.setdiff1d(np.arange(len(importance[name])), indices)
        assert not len(gone) or not len(indices) or importance[name][gone].max() <= importance[name][indices].min()
        assert name.endswith("growth") or len(indices) >= 2


def test_widths_are_rounded_for_the_kernels(weights):
    importance = {name: np.ones(32) * (1 + np.arange(32)) for name in widths(weights)}
    kept = choose(importance, Budget(10_000_000, multiple=8, least=8), FRAMES, BANDS)
    assert {len(indices) % 8 for indices in kept.values()} == {0}
    assert any(len(indices) < 32 for indices in kept.values())


def test_two_cuts_are_one_cut_by_what_both_keep(weights, means):
    first = everything(weights) | {
        "front.out": np.array([0, 2]),
        "block1.1.growth": np.array([], np.int64),
        "block1.2.bottleneck": np.array([1, 3]),
        "tdnn": np.arange(1, widths(weights)["tdnn"]),
    }
    between = cut(weights, first, means)
    found = channel_means(embedder(between, FRAMES), groups(between), tiny_windows(8))
    # The first layer of block 1 is gone: what is called the first now was the second.
    second = everything(between) | {"tdnn": np.array([0, 3]), "block1.1.bottleneck": np.array([1])}
    after = cut(between, second, found)
    both = compose(first, second)
    assert both["tdnn"].tolist() == [1, 4]
    assert both["block1.2.bottleneck"].tolist() == [3]
    assert not len(both["block1.1.growth"])
    at_once = cut(weights, both, means)
    assert {name: value.shape for name, value in at_once.items() if "bias" not in name} == {
        name: value.shape for name, value in after.items() if "bias" not in name
    }
    np.testing.assert_array_equal(
        at_once["xvector.block1.tdnnd1.linear1.weight"], after["xvector.block1.tdnnd1.linear1.weight"]
    )


def test_composing_with_a_cut_that_keeps_all_changes_nothing(weights):
    kept = without(weights, "transit1", 0)
    for name, indices in compose(all_channels(groups(weights)), kept).items():
        np.testing.assert_array_equal(indices, kept[name])


def test_a_cap_holds_whatever_the_budget_allows(weights):
    matter = {group.name: np.ones(group.width) for group in groups(weights)}
    width = widths(weights)["transit3"]
    kept = choose(matter, Budget(10**12, multiple=1, least=1, caps={"transit3": width - 2}), FRAMES, BANDS)
    assert len(kept["transit3"]) == width - 2
    assert len(kept["tdnn"]) == widths(weights)["tdnn"]
