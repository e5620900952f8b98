"""Figures of merit against definitions, hand-worked cases and properties."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training import metrics


def slow_rates(scores: np.ndarray, target: np.ndarray, threshold: float) -> tuple[float, float]:
    """FAR and FRR by counting, straight from their definitions."""
    accepted = [s >= threshold for s in scores]
    wrong = sum(1 for a, t in zip(accepted, target, strict=True) if a and not t)
    missed = sum(1 for a, t in zip(accepted, target, strict=True) if not a and t)
    return wrong / int((~target).sum()), missed / int(target.sum())


def slow_eer(scores: np.ndarray, target: np.ndarray) -> float:
    """EER by trying every score as the threshold, strict to lax, keeping the first closest pair."""
    pairs = [slow_rates(scores, target, t) for t in sorted(set(scores.tolist()), reverse=True)]
    far, frr = min(pairs, key=lambda pair: round(abs(pair[0] - pair[1]), 12))
    return (far + frr) / 2


trial_sets = st.integers(2, 60).flatmap(
    lambda n: st.tuples(
        st.lists(st.integers(-8, 8), min_size=n, max_size=n),
        st.lists(st.booleans(), min_size=n, max_size=n).filter(lambda t: any(t) and not all(t)),
    )
)


@settings(max_examples=200, deadline=None)
@given(trial_sets)
def test_every_point_of_the_curve_is_what_counting_gives_ties_included(trials):
    scores, target = np.asarray(trials[0], float), np.asarray(trials[1])
    curve = metrics.error_curve(scores, target)
    assert list(curve.thresholds) == sorted(set(trials[0]), reverse=True)
    for threshold, far, frr in zip(curve.thresholds, curve.far, curve.frr, strict=True):
        assert slow_rates(scores, target, threshold) == pytest.approx((far, frr), abs=1e-12)


@settings(max_examples=100, deadline=None)
@given(trial_sets, st.randoms(use_true_random=False))
def test_figures_do_not_depend_on_the_order_or_on_a_rising_function_of_the_scores(trials, random):
    order = list(range(len(trials[0])))
    random.shuffle(order)
    scores, target = np.asarray(trials[0], float), np.asarray(trials[1])
    one, two = metrics.error_curve(scores, target), metrics.error_curve(np.exp(scores[order] / 4), target[order])
    assert metrics.eer_of(one) == pytest.approx(metrics.eer_of(two))
    assert metrics.min_dcf(one) == pytest.approx(metrics.min_dcf(two))
    assert metrics.frr_at_far(one, 0.1) == pytest.approx(metrics.frr_at_far(two, 0.1))
    assert metrics.min_cllr(scores, target) == pytest.approx(metrics.min_cllr(np.exp(scores / 4)[order], target[order]))


@pytest.mark.parametrize("seed", range(5))
def test_eer_is_that_of_trying_every_threshold(seed):
    rng = np.random.default_rng(seed)
    target = rng.random(400) < 0.3
    scores = rng.normal(size=400) + 1.5 * target
    assert metrics.eer(scores, target) == pytest.approx(slow_eer(scores, target), abs=1e-12)


def test_eer_of_two_gaussians_is_the_textbook_value():
    """Equal variances d' apart: EER = Phi(-d'/2), here Phi(-1) = 15.87 %."""
    rng = np.random.default_rng(1)
    scores = np.concatenate([rng.normal(2, 1, 100_000), rng.normal(0, 1, 100_000)])
    assert metrics.eer(scores, np.arange(200_000) < 100_000) == pytest.approx(0.15866, abs=0.003)


def test_perfect_and_reversed_scores():
    target = np.array([True] * 5 + [False] * 20)
    assert metrics.eer(target.astype(float), target) == 0
    assert metrics.eer(-target.astype(float), target) == 1
    assert metrics.eer(np.zeros(25), target) == pytest.approx(0.5), "all or nothing"
    assert metrics.min_cllr(target.astype(float), target) == 0
    assert metrics.min_dcf(metrics.error_curve(target.astype(float), target)) == 0
    assert metrics.min_dcf(metrics.error_curve(-target.astype(float), target)) == 1


def test_frr_at_far_picks_the_least_refusals_that_the_limit_allows():
    scores = np.array([9, 8, 7, 6, 5, 4, 3, 2, 1, 0], float)
    target = np.array([1, 1, 0, 1, 0, 1, 0, 0, 0, 0], bool)  # impostors: 7 5 3 2 1 0
    curve = metrics.error_curve(scores, target)
    assert metrics.frr_at_far(curve, 0.0) == pytest.approx(0.5)
    assert metrics.frr_at_far(curve, 1 / 6) == pytest.approx(0.25)
    assert metrics.frr_at_far(curve, 0.99 * 2 / 6) == pytest.approx(0.25)
    assert metrics.frr_at_far(curve, 2 / 6) == 0
    assert metrics.det_points(curve, [0.0, 0.5]) == [(0.0, pytest.approx(0.5)), (0.5, 0.0)]


def test_frr_at_far_is_one_where_an_impostor_scores_best():
    curve = metrics.error_curve([3.0, 2.0, 1.0], [False, True, True])
    assert metrics.frr_at_far(curve, 0.5) == 1


def test_min_dcf_weighs_a_false_acceptance_99_times_at_one_percent_prior():
    """One impostor of 951 stands above 29 of 49 genuine trials: letting it in costs 99/951, refusing it 29/49."""
    scores = np.arange(1000, 0, -1, dtype=float)
    target = np.arange(1000) < 50
    target[20] = False
    assert metrics.min_dcf(metrics.error_curve(scores, target)) == pytest.approx(99 / 951)
    assert metrics.min_dcf(metrics.error_curve(scores, target), p_target=0.001) == pytest.approx(29 / 49)


def test_cllr_of_scores_that_say_nothing_is_one_bit():
    assert metrics.cllr(np.zeros(10), np.arange(10) < 3) == pytest.approx(1)


def test_cllr_of_one_genuine_and_one_impostor_by_hand():
    """(log2(1 + 1/4) + log2(1 + 1/2)) / 2 for likelihood ratios 4 and 1/2."""
    expected = (np.log2(1.25) + np.log2(1.5)) / 2
    assert metrics.cllr(np.log([4, 0.5]), [True, False]) == pytest.approx(expected)


def test_true_likelihood_ratios_are_nearly_as_good_as_the_best_rising_function_of_them():
    """Gaussians 2 apart with unit variance: llr = 2 (x - 1)."""
    rng = np.random.default_rng(2)
    target = np.arange(40_000) < 20_000
    x = rng.normal(size=40_000) + 2 * target
    good = metrics.cllr(2 * (x - 1), target)
    assert metrics.min_cllr(x, target) <= good <= metrics.min_cllr(x, target) + 0.005
    assert metrics.cllr(2 * (x - 1) + 3, target) > good + 0.3, "a shifted scale must cost"
    assert metrics.cllr(8 * (x - 1), target) > good + 0.1, "overconfidence must cost"


@settings(max_examples=100, deadline=None)
@given(trial_sets)
def test_no_rising_function_beats_min_cllr(trials):
    scores, target = np.asarray(trials[0], float), np.asarray(trials[1])
    best = metrics.min_cllr(scores, target)
    assert -1e-9 <= best <= 1 + 1e-9
    for slope, shift in ((0.2, 0.0), (1.0, 0.5), (3.0, -1.0)):
        assert metrics.cllr(slope * scores + shift, target) >= best - 1e-9


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.floats(-5, 5), st.floats(0.1, 5)), min_size=1, max_size=40))
def test_isotonic_rises_keeps_the_mean_and_leaves_rising_sequences_alone(pairs):
    values, weights = np.array([v for v, _ in pairs]), np.array([w for _, w in pairs])
    fitted = metrics.isotonic(values, weights)
    assert len(fitted) == len(values)
    assert np.all(np.diff(fitted) >= -1e-9)
    assert np.dot(fitted, weights) == pytest.approx(np.dot(values, weights), abs=1e-6)
    assert metrics.isotonic(np.sort(values), weights) == pytest.approx(np.sort(values))


def test_isotonic_by_hand():
    assert metrics.isotonic(np.array([1.0, 3, 2, 4]), np.array([1.0, 1, 3, 1])) == pytest.approx([1, 2.25, 2.25, 4])


def test_bootstrap_resamples_people_with_all_their_trials():
    speakers = ["a"] * 3 + ["b"] * 2 + ["c"]
    weights = metrics.bootstrap_weights(speakers, rounds=50, seed=3)
    assert weights.shape == (50, 6)
    assert np.all(weights[:, 0] == weights[:, 2])
    assert np.all(weights[:, 3] == weights[:, 4])
    assert np.all(weights[:, [0, 3, 5]].sum(axis=1) == 3), "as many draws as people"
    assert np.array_equal(weights, metrics.bootstrap_weights(speakers, rounds=50, seed=3))


def test_weights_mean_what_repeating_trials_means():
    rng = np.random.default_rng(4)
    target = rng.random(60) < 0.5
    scores = rng.normal(size=60) + target
    times = rng.integers(0, 4, 60)
    weighted = metrics.error_curve(scores, target, times.astype(float))
    repeated = metrics.error_curve(np.repeat(scores, times), np.repeat(target, times))
    assert metrics.eer_of(weighted) == pytest.approx(metrics.eer_of(repeated))


def test_interval_covers_the_truth_and_shrinks_with_people():
    def width(people: int) -> float:
        rng = np.random.default_rng(5)
        rate = rng.uniform(0, 0.4, people)
        wrong = rng.random((people, 30)) < rate[:, None]
        names = np.repeat([f"p{i}" for i in range(people)], 30)
        low, high = metrics.interval(names, lambda w: metrics.weighted_share(wrong.ravel(), w))
        assert low <= 0.2 + 0.06 and high >= 0.2 - 0.06
        return high - low

    assert width(100) < width(9)


def test_interval_leaves_out_resamples_without_a_value():
    low, high = metrics.interval(["a", "b"], lambda w: float("nan") if w[0] == 0 else 1.0)
    assert (low, high) == (1.0, 1.0)
    assert np.isnan(metrics.interval(["a"], lambda _: float("nan"))).all()


def test_rule_of_three():
    assert metrics.rule_of_three(3000) == pytest.approx(0.001)
    assert metrics.rule_of_three(1) == 1
    assert metrics.rule_of_three(0) == 1


@pytest.mark.parametrize(
    ("scores", "target"),
    [([], []), ([1.0, 2.0], [True]), ([float("nan"), 1.0], [True, False]), ([[1.0]], [[True]])],
)
def test_input_that_makes_no_sense_is_refused(scores, target):
    with pytest.raises(ValueError):
        metrics.error_curve(scores, target)


def test_cllr_of_one_class_is_refused():
    with pytest.raises(ValueError, match="impostor"):
        metrics.cllr([1.0, 2.0], [True, True])
