"""Regression and figures of label heads, against definitions written out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.heads.figures import calibration_error, softmax, summary, temperature, unsure_below
from training.heads.regression import balanced, fit
from training.recall import confusion, macro_f1, recalls, uar, uar_interval

pytestmark = pytest.mark.training

seeds = st.integers(0, 10_000)


def clouds(seed: int, counts=(40, 15, 25), width: int = 5):
    """Points around a centre for each class, and whose they are."""
    rng = np.random.default_rng(seed)
    y = np.repeat(np.arange(len(counts)), counts)
    return (rng.normal(0, 3, (len(counts), width))[y] + rng.normal(0, 1, (len(y), width))).astype(np.float32), y


@settings(max_examples=10, deadline=None)
@given(seed=seeds)
def test_at_the_minimum_the_gradient_is_nothing(seed: int) -> None:
    """Written out: balanced squares of what is missing to one-hot labels, and the penalty times the squared kernel."""
    (x, y), weights, penalty = clouds(seed), np.ones(80), 0.1
    head = fit(x, y, weights, 3, penalty)
    z, share = (x - head.centre) / head.scale, balanced(y, weights, 3)
    off = share[:, None] * (head.logits(x) / 10 - np.eye(3)[y])
    assert np.abs(z.T @ off + penalty * head.kernel / 10).max() < 1e-5
    assert np.abs(off.sum(axis=0)).max() < 1e-5


@settings(max_examples=10, deadline=None)
@given(seed=seeds, factors=st.lists(st.floats(0.01, 100), min_size=5, max_size=5))
def test_scales_of_the_columns_do_not_matter(seed: int, factors: list[float]) -> None:
    x, y = clouds(seed)
    one = fit(x, y, np.ones(80), 3, 0.1).logits(x)
    scaled = (x * np.array(factors)).astype(np.float32)
    np.testing.assert_allclose(fit(scaled, y, np.ones(80), 3, 0.1).logits(scaled), one, atol=0.01)


@given(seed=seeds)
def test_every_class_that_occurs_weighs_the_same(seed: int) -> None:
    rng = np.random.default_rng(seed)
    y = np.concatenate([[0, 1, 3], rng.integers(0, 2, 20)])
    share = balanced(y, rng.uniform(0.1, 2, len(y)), 4)
    assert share.sum() == pytest.approx(1)
    np.testing.assert_allclose(np.bincount(y, share, 4), [1 / 3, 1 / 3, 0, 1 / 3])


def test_the_figures_of_a_table() -> None:
    truth, told = np.array([0, 0, 0, 0, 1, 1, 2]), np.array([0, 0, 0, 1, 1, 0, 0])
    table = confusion(truth, told, 4)
    assert table[0].tolist() == [3, 1, 0, 0]
    np.testing.assert_allclose(recalls(table), [0.75, 0.5, 0.0, np.nan])
    assert uar(table) == pytest.approx((0.75 + 0.5 + 0) / 3)
    assert macro_f1(table) == pytest.approx((6 / 9 + 2 / 4 + 0) / 3)


def test_calibration_error_is_the_gap_between_sureness_and_truth() -> None:
    p = np.array([[0.95, 0.05]] * 10 + [[0.65, 0.35]] * 10)
    truth = np.array([0] * 10 + [0] * 4 + [1] * 6)
    assert calibration_error(p, truth) == pytest.approx((0.05 + 0.25) / 2)


@settings(max_examples=10, deadline=None)
@given(seed=seeds, factor=st.floats(0.4, 4))
def test_the_temperature_undoes_what_was_overdone(seed: int, factor: float) -> None:
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, (4000, 3))
    p = softmax(logits)
    truth = np.array([rng.choice(3, p=row) for row in p])
    assert temperature(logits * factor, truth) == pytest.approx(factor, rel=0.15)


@given(seed=seeds, share=st.floats(0.01, 0.5), least=st.floats(0.4, 0.99))
def test_no_more_than_the_share_is_left_unsure_and_nothing_that_is_sure(seed: int, share: float, least: float) -> None:
    p = softmax(np.random.default_rng(seed).normal(0, 3, (200, 3)))
    below = unsure_below(p.max(axis=1), share, least)
    assert np.mean(p.max(axis=1) < below) <= share
    assert below <= least


def test_one_speaker_who_is_always_wrong_widens_the_interval() -> None:
    truth = np.tile([0, 1], 40)
    owners = [f"s{number // 8}" for number in range(80)]
    told = truth.copy()
    told[:8] = 1 - told[:8]
    low, high = uar_interval(truth, told, owners, 2)
    assert low < 0.8 < 0.9 < high
    assert uar_interval(truth, truth, owners, 2) == (1.0, 1.0)


def test_a_summary_names_no_class_that_nobody_has() -> None:
    p = np.array([[0.6, 0.3, 0.1], [0.2, 0.7, 0.1], [0.55, 0.4, 0.05], [0.1, 0.85, 0.05]])
    found = summary(p, np.array([0, 1, 1, 1]), ["a", "a", "b", "b"], ("x", "y", "z"))
    assert found["recall"] == {"x": 1.0, "y": pytest.approx(2 / 3, abs=1e-4)}
    assert (found["utterances"], found["speakers"], found["accuracy"]) == (4, 2, 0.75)
