"""ECAPA-TDNN in Keras, behind its own front-end, is the ECAPA-TDNN of SpeechBrain."""

import os
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="needs the extra [train]")

from edge.errors import UsageError
from tests.training.tiny_ecapa import BANDS, DIM, tiny_ecapa
from training.teachers.checkpoint import read_checkpoint
from training.teachers.ecapa import LEAST_FRAMES, AttentiveStatistics, MirroredEnds, ecapa_network
from training.teachers.ecapa_features import ecapa_features

pytestmark = pytest.mark.training


def some_features(*shape: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 2, (*shape, BANDS)).astype(np.float32)


@pytest.fixture(scope="module")
def network():
    return ecapa_network(tiny_ecapa())


def run(network, features: np.ndarray) -> np.ndarray:
    return network(features, training=False).numpy()


def test_sizes_follow_from_the_tensors(network):
    assert network.input_shape == (None, None, BANDS)
    assert network.output_shape == (None, DIM)


@pytest.mark.parametrize("frames", [LEAST_FRAMES, 30, 101])
def test_any_length_gives_what_the_numbers_say(network, frames):
    features = some_features(frames)
    np.testing.assert_allclose(run(network, features[None])[0], by_hand(tiny_ecapa(), features), rtol=1e-4, atol=1e-4)


def test_utterances_in_a_batch_do_not_influence_each_other(network):
    features = some_features(3, 40)
    alone = np.concatenate([run(network, one[None]) for one in features])
    np.testing.assert_allclose(run(network, features), alone, rtol=1e-4, atol=1e-5)


def test_training_leaves_the_teacher_as_it_is(network):
    features = some_features(2, 20)
    before = [value.copy() for value in network.get_weights()]
    np.testing.assert_allclose(network(features, training=True).numpy(), run(network, features), atol=1e-5)
    for value, old in zip(network.get_weights(), before, strict=True):
        np.testing.assert_array_equal(value, old)


def test_a_fixed_length_gives_the_same_as_a_free_one(network):
    features, fixed = some_features(2, 33), ecapa_network(tiny_ecapa(), 33)
    assert fixed.input_shape == (None, 33, BANDS)
    np.testing.assert_allclose(run(fixed, features), run(network, features), atol=1e-5)


def test_a_missing_tensor_is_named():
    for name in ("blocks.2.res2net_block.blocks.0.norm.norm.bias", "fc.conv.weight"):
        weights = tiny_ecapa()
        del weights[name]
        with pytest.raises(UsageError, match=name.replace(".", r"\.")):
            ecapa_network(weights)


@pytest.mark.parametrize(
    "name, shape",
    [
        ("mfa.norm.norm.weight", (7,)),
        ("asp.tdnn.conv.conv.weight", (4, 10, 1)),
        ("blocks.1.tdnn1.conv.conv.weight", (7, 6, 1)),
        ("fc.conv.weight", (6, 20)),
    ],
)
def test_a_tensor_of_the_wrong_shape_is_refused(name, shape):
    with pytest.raises(UsageError, match=r"does not fit|has the shape"):
        ecapa_network(tiny_ecapa() | {name: np.ones(shape, np.float32)})


def test_ends_are_mirrored_without_repeating_the_last_frame():
    x = np.arange(5, dtype=np.float32)[None, :, None]
    assert np.asarray(MirroredEnds(2)(x))[0, :, 0].tolist() == [2, 1, 0, 1, 2, 3, 4, 3, 2]


def test_a_constant_channel_has_the_least_deviation_and_not_nothing():
    found = np.asarray(AttentiveStatistics()(np.full((1, 9, 1), 3, np.float32)))
    np.testing.assert_allclose(found[0, 0], [3, 1e-6], rtol=1e-5)


def by_hand(weights: dict[str, np.ndarray], features: np.ndarray) -> np.ndarray:
    """The network in float64 numpy, channels first, one multiplication after the other: (T, bands) -> (dim,)."""

    def conv(x: np.ndarray, name: str, dilation: int = 1) -> np.ndarray:
        kernel = weights[f"{name}.conv.weight"].astype(np.float64)
        beyond = (kernel.shape[2] - 1) // 2 * dilation
        padded = np.pad(x, ((0, 0), (beyond, beyond)), mode="reflect")
        taps = (padded[:, tap * dilation : tap * dilation + x.shape[1]] for tap in range(kernel.shape[2]))
        return sum(kernel[:, :, i] @ tap for i, tap in enumerate(taps)) + weights[f"{name}.conv.bias"][:, None]

    def norm(x: np.ndarray, name: str) -> np.ndarray:
        gain, offset, mean, variance = (
            weights[f"{name}.norm.{part}"][:, None] for part in ("weight", "bias", "running_mean", "running_var")
        )
        return (x - mean) / np.sqrt(variance + 1e-5) * gain + offset

    def tdnn(x: np.ndarray, name: str, dilation: int = 1) -> np.ndarray:
        return norm(np.maximum(conv(x, f"{name}.conv", dilation), 0), f"{name}.norm")

    x = tdnn(features.T.astype(np.float64), "blocks.0")
    outputs = []
    for block, dilation in ((1, 2), (2, 3), (3, 4)):
        name = f"blocks.{block}"
        groups = np.split(tdnn(x, f"{name}.tdnn1"), 3)
        for i in (1, 2):
            before = groups[i - 1] if i > 1 else 0
            groups[i] = tdnn(groups[i] + before, f"{name}.res2net_block.blocks.{i - 1}", dilation)
        y = tdnn(np.concatenate(groups), f"{name}.tdnn2")
        gate = np.maximum(conv(y.mean(1, keepdims=True), f"{name}.se_block.conv1"), 0)
        x = x + y / (1 + np.exp(-conv(gate, f"{name}.se_block.conv2")))
        outputs.append(x)
    x = tdnn(np.concatenate(outputs), "mfa")
    mean, deviation = (np.broadcast_to(part(axis=1, keepdims=True), x.shape) for part in (x.mean, x.std))
    logits = conv(np.tanh(tdnn(np.concatenate([x, mean, deviation]), "asp.tdnn")), "asp.conv")
    share = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    mean = (share * x).sum(1, keepdims=True)
    deviation = np.sqrt((share * (x - mean) ** 2).sum(1, keepdims=True))
    return conv(norm(np.concatenate([mean, deviation]), "asp_bn"), "fc")[:, 0]


@pytest.fixture(scope="module")
def oracle():
    """What SpeechBrain itself gave, made by ``make_ecapa_oracle.py`` beside this file, and the network."""
    names = ("EARMARK_ECAPA_CHECKPOINT", "EARMARK_ECAPA_ORACLE")
    if any(name not in os.environ for name in names):
        pytest.skip(f"set {names[0]} and {names[1]} to compare with the original")
    checkpoint, answers = (Path(os.environ[name]) for name in names)
    with np.load(answers) as found:
        arrays = dict(found)
    return ecapa_network(read_checkpoint(checkpoint)), arrays


def test_features_equal_the_original(oracle):
    arrays = oracle[1]
    for number in range(len(arrays) // 3):
        found, wanted = ecapa_features(arrays[f"samples{number}"]), arrays[f"features{number}"]
        print(f"{len(found)} frames: largest difference {np.abs(found - wanted).max():.2g} dB")
        np.testing.assert_allclose(found, wanted, rtol=0, atol=5e-3)


def test_embeddings_equal_the_original(oracle):
    network, arrays = oracle
    for number in range(len(arrays) // 3):
        features, wanted = (arrays[f"{what}{number}"] for what in ("features", "embedding"))
        for entry in (features, ecapa_features(arrays[f"samples{number}"])):
            found = run(network, entry[None])[0]
            cosine = found @ wanted / np.linalg.norm(found) / np.linalg.norm(wanted)
            print(f"{len(entry)} frames: cosine {cosine:.8f}, largest difference {np.abs(found - wanted).max():.2g}")
            assert cosine >= 0.9999
