"""Label heads as functions: what becomes of windows, temperature, published labels and doubt."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.bundle import LabelHead, Labels
from edge.errors import BundleError
from tests.edge.made_labels import EIGHT, FOUR, arrays

WIDTH = 6
HEAD = LabelHead("emotion.npz", tuple(EIGHT), {label: tuple(parts) for label, parts in FOUR.items()})
seeds = st.integers(0, 10_000)
windows = st.integers(1, 5)


def made(seed: int, **more: int) -> Labels:
    return Labels.from_arrays(arrays(WIDTH, 8, seed, **more), HEAD)


def seen(seed: int, count: int) -> tuple[np.ndarray, list[float]]:
    rng = np.random.default_rng(seed)
    return rng.normal(0, 2, (count, WIDTH)).astype(np.float32), rng.uniform(1, 300, count).tolist()


@given(seed=seeds, count=windows, hidden=st.sampled_from([0, 4]))
def test_probabilities_add_up_to_one_and_labels_to_their_classes(seed: int, count: int, hidden: int) -> None:
    labels, (pooled, weights) = made(seed, hidden=hidden), seen(seed, count)
    classes, found = labels.classes(pooled, weights), labels.probabilities(pooled, weights)
    assert list(classes) == EIGHT
    assert list(found) == list(FOUR)
    assert sum(classes.values()) == pytest.approx(1)
    assert sum(found.values()) == pytest.approx(1)
    for label, parts in FOUR.items():
        assert found[label] == pytest.approx(sum(classes[one] for one in parts))


@given(seed=seeds, count=windows)
def test_the_formula_of_the_document(seed: int, count: int) -> None:
    """Standardise, hidden layer with ReLU, linear layer, weighted mean of the logits, temperature, softmax."""
    stored, (pooled, weights) = arrays(WIDTH, 8, seed, hidden=4), seen(seed, count)
    mean = np.zeros(8)
    for window, weight in zip(pooled.astype(float), weights, strict=True):
        standard = (window - stored["centre"]) / stored["scale"]
        hidden = np.maximum(standard @ stored["hidden_kernel"] + stored["hidden_bias"], 0)
        mean += weight / sum(weights) * (hidden @ stored["kernel"] + stored["bias"])
    raised = np.exp(mean / stored["temperature"])
    found = Labels.from_arrays(stored, HEAD).classes(pooled, weights)
    np.testing.assert_allclose(list(found.values()), raised / raised.sum(), rtol=1e-4)


@given(seed=seeds, count=windows, factor=st.floats(0.01, 100))
def test_only_the_shares_of_the_weights_count(seed: int, count: int, factor: float) -> None:
    labels, (pooled, weights) = made(seed), seen(seed, count)
    scaled = labels.probabilities(pooled, [factor * one for one in weights])
    assert scaled == pytest.approx(labels.probabilities(pooled, weights))


@given(seed=seeds, count=windows)
def test_the_order_of_windows_and_those_without_speech_count_for_nothing(seed: int, count: int) -> None:
    labels, (pooled, weights) = made(seed), seen(seed, count)
    found = labels.probabilities(pooled, weights)
    assert labels.probabilities(pooled[::-1], weights[::-1]) == pytest.approx(found)
    silent = np.full((1, WIDTH), 50, np.float32)
    assert labels.probabilities(np.concatenate([pooled, silent]), [*weights, 0.0]) == pytest.approx(found)


@given(seed=seeds)
def test_one_window_again_and_again_is_one_window(seed: int) -> None:
    labels, (pooled, _) = made(seed), seen(seed, 1)
    once = labels.probabilities(pooled, [1.0])
    assert labels.probabilities(np.repeat(pooled, 4, axis=0), [3.0, 1.0, 2.0, 5.0]) == pytest.approx(once)


def test_without_any_speech_the_windows_count_alike() -> None:
    labels, (pooled, _) = made(3), seen(3, 3)
    assert labels.probabilities(pooled, [0.0] * 3) == labels.probabilities(pooled, [1.0] * 3)


@given(seed=seeds, count=windows)
def test_a_higher_temperature_is_less_sure_and_never_of_another_opinion(seed: int, count: int) -> None:
    cool, (pooled, weights) = replace(made(seed), temperature=1.0), seen(seed, count)
    warm = replace(cool, temperature=3.0).classes(pooled, weights)
    sure = cool.classes(pooled, weights)
    assert max(warm.values()) <= max(sure.values()) + 1e-9
    assert max(warm, key=warm.__getitem__) == max(sure, key=sure.__getitem__)


shares = st.lists(st.floats(0.001, 1), min_size=5, max_size=5).map(
    lambda found: {label: one / sum(found) for label, one in zip(FOUR, found, strict=True)}
)


@given(shares=shares, below=st.floats(0, 1))
def test_an_answer_is_the_likeliest_label_or_doubt(shares: dict[str, float], below: float) -> None:
    answer = replace(made(1), head=replace(HEAD, unsure_below=below)).answer(shares)
    told = {label: share for label, share in shares.items() if label != "unsure"}
    assert answer.probability == max(told.values())
    assert answer.probabilities == shares
    if answer.label == "unsure":
        assert answer.reason == ("other" if shares["unsure"] >= answer.probability else "low_probability")
        assert answer.reason == "other" or answer.probability < below
    else:
        assert told[answer.label] == answer.probability >= below
        assert answer.probability > shares["unsure"]
        assert not answer.reason


@given(shares=shares, low=st.floats(0, 1), high=st.floats(0, 1))
def test_a_stricter_head_never_answers_more(shares: dict[str, float], low: float, high: float) -> None:
    low, high = sorted((low, high))
    mild, strict = (replace(made(1), head=replace(HEAD, unsure_below=one)).answer(shares) for one in (low, high))
    assert strict.label in {mild.label, "unsure"}


SURE = {"neutral": 0.02, "happy": 0.95, "sad": 0.01, "angry": 0.01, "unsure": 0.01}
WARY = replace(HEAD, unsure_below=0.5, min_speech_seconds=1.0, min_snr_db=5.0)


@pytest.mark.parametrize(
    ("circumstances", "label", "reason"),
    [
        ({}, "happy", ""),
        ({"speech_seconds": 1.0, "snr_db": 5.0}, "happy", ""),
        ({"speech_seconds": 0.9}, "unsure", "too_short"),
        ({"snr_db": 4.9}, "unsure", "too_noisy"),
        ({"voices": 2, "speech_seconds": 0.1}, "unsure", "multi_speaker"),
    ],
)
def test_circumstances_make_it_unsure_however_sure_it_is(circumstances, label, reason) -> None:
    answer = replace(made(1), head=WARY).answer(SURE, **circumstances)
    assert (answer.label, answer.reason, answer.probability) == (label, reason, 0.95)


def test_without_rules_it_always_answers() -> None:
    answer = made(1).answer(SURE, speech_seconds=0.0, snr_db=-20.0)
    assert answer.label == "happy"


def test_the_options_are_the_labels_and_doubt() -> None:
    assert HEAD.options == ("neutral", "happy", "sad", "angry", "unsure")
    assert LabelHead("g.npz", ("female", "male"), {"female": ("female",), "male": ("male",)}).options[-1] == "unsure"


def without(*names: str):
    return lambda stored: {name: value for name, value in stored.items() if name not in names}


def changed(**values: np.ndarray):
    return lambda stored: stored | {name: np.asarray(value, np.float32) for name, value in values.items()}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (without("kernel"), "lacks the array kernel"),
        (without("bias"), "lacks the array bias"),
        (without("hidden_bias"), "only one of hidden_kernel and hidden_bias"),
        (without("scale"), "only one of centre and scale"),
        (without("hidden_kernel", "hidden_bias"), r"takes 4 values, and its encoder gives 6"),
        (changed(kernel=np.zeros((4, 7))), r"kernel of shape \(4, 7\), and \(4, 8\) is needed"),
        (changed(kernel=np.zeros(8)), r"kernel of shape \(8,\)"),
        (changed(hidden_kernel=np.zeros(6)), "hidden_kernel with two dimensions"),
        (changed(hidden_kernel=np.zeros((6, 0)), hidden_bias=np.zeros(0)), "hidden_kernel with two dimensions"),
        (changed(hidden_bias=0.0), r"hidden_bias of shape \(\)"),
        (changed(bias=np.zeros(1)), "bias of shape"),
        (changed(centre=np.zeros(4)), "centre of shape"),
        (changed(scale=np.zeros(6)), "scale that is not above zero"),
        (changed(temperature=0.0), "temperature 0"),
        (changed(temperature=-1.0), "temperature -1"),
        (changed(temperature=np.ones(1)), "temperature of shape"),
        (changed(gamma=1.0), "'gamma' that this program does not know"),
    ],
)
def test_arrays_that_will_not_do_are_named(change, words) -> None:
    with pytest.raises(BundleError, match=words):
        Labels.from_arrays(change(arrays(WIDTH, 8, hidden=4)), HEAD, WIDTH)
