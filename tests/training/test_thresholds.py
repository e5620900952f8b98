"""Operating points: what stands behind a threshold, and how sure its false-acceptance rate is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import stats

from edge.operating_point import OperatingPoint
from edge.scoring import FEATURE_NAMES
from training import metrics, thresholds
from training.calibration import Material


def impostors(scores: np.ndarray, voices: np.ndarray, enrolled: np.ndarray | None = None) -> Material:
    """Trials of one kind, all impostors, all of the same weight. ``voices``: who speaks in each."""
    n = len(scores)
    same, no = np.array(["x"] * n), np.zeros(n, bool)
    who = np.char.add("e", np.arange(n).astype(str)) if enrolled is None else enrolled
    return Material(np.zeros((n, len(FEATURE_NAMES))), no, np.full(n, 1 / n), same, same, who, voices, no, no)


def evidence_at(level: float, scores: np.ndarray, material: Material, rounds: int = 400):
    point = thresholds.with_evidence([OperatingPoint(0.01, level)], scores, material, rounds)[0]
    assert (point.far, point.llr) == (0.01, level)
    assert point.evidence is not None
    return point.evidence


def test_the_counts_and_the_bound_of_independent_trials_are_those_of_clopper_and_pearson():
    scores = np.concatenate([np.ones(7), np.zeros(993)])
    found = evidence_at(0.5, scores, impostors(scores, np.array([f"v{i % 50}" for i in range(1000)])))
    assert (found.trials, found.voices, found.accepted) == (1000, 50, 7)
    assert found.far_high == pytest.approx(stats.beta.ppf(0.95, 8, 993), abs=1e-6)
    assert found.far_high_voices >= found.far_high


def test_where_nothing_passed_both_bounds_are_the_rule_of_three():
    scores = np.zeros(600)
    found = evidence_at(0.5, scores, impostors(scores, np.array([f"v{i % 20}" for i in range(600)])))
    assert found.accepted == 0
    assert found.far_high == found.far_high_voices == pytest.approx(3 / 600)


def test_one_voice_that_passes_often_makes_us_less_sure_than_many_that_pass_once():
    """Forty of two thousand trials pass: all of one voice of forty, or one of each."""
    n = 2000
    voices = np.array([f"v{i % 40}" for i in range(n)])
    everybody = np.where(np.arange(n) < 40, 1.0, 0.0)
    wolf = np.where((voices == "v3") & (np.arange(n) // 40 < 40), 1.0, 0.0)
    assert everybody.sum() == wolf.sum() == 40
    evenly, alone = (evidence_at(0.5, s, impostors(s, voices)) for s in (everybody, wolf))
    assert evenly.far_high == alone.far_high
    assert alone.far_high_voices > 1.8 * evenly.far_high_voices


def test_the_bound_over_voices_holds_about_as_often_as_it_says():
    """Voices differ in how often they pass: the true rate (3 %) exceeds a 95 % bound in about one of twenty draws."""
    rng = np.random.default_rng(3)
    missed = {"independent": 0, "voices": 0}
    worlds = 40
    for _ in range(worlds):
        rates = rng.beta(0.6, 0.6 * (1 / 0.03 - 1), 60)
        voices = np.repeat(np.arange(60), 40)
        scores = (rng.random(2400) < rates[voices]).astype(float)
        enrolled = np.array([f"e{i % 101}" for i in range(2400)])
        found = evidence_at(0.5, scores, impostors(scores, np.char.add("v", voices.astype(str)), enrolled), rounds=40)
        missed["independent"] += found.far_high < 0.03
        missed["voices"] += found.far_high_voices < 0.03
    assert missed["voices"] <= 0.2 * worlds
    assert missed["independent"] > missed["voices"], "the trials of one voice are not independent here"


@settings(max_examples=40, deadline=None)
@example(trials=2, voices=1, share=0.5, seed=0)
@given(trials=st.integers(2, 300), voices=st.integers(1, 30), share=st.floats(0.0, 1.0), seed=st.integers(0, 100))
def test_a_bound_lies_above_what_was_seen_and_never_above_one(trials, voices, share, seed):
    rng = np.random.default_rng(seed)
    scores = (rng.random(trials) < share).astype(float)
    material = impostors(scores, np.array([f"v{i % voices}" for i in range(trials)]))
    found = evidence_at(0.5, scores, material, rounds=20)
    assert found.accepted == int(scores.sum())
    assert found.accepted / trials <= found.far_high <= found.far_high_voices <= 1
    assert found.far_high >= metrics.rule_of_three(trials) - 1e-6


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(-5, 5), min_size=4, max_size=80), st.integers(0, 99))
def test_stricter_thresholds_have_lower_bounds(scores, seed):
    llr = np.asarray(scores, float)
    material = impostors(llr, np.array([f"v{(i * 7 + seed) % 9}" for i in range(len(llr))]))
    points = thresholds.with_evidence([OperatingPoint(0.1, 0.0), OperatingPoint(0.01, 2.0)], llr, material, 20)
    lax, strict = (p.evidence for p in points)
    assert lax is not None and strict is not None
    assert strict.accepted <= lax.accepted
    assert strict.far_high <= lax.far_high and strict.far_high_voices <= lax.far_high_voices


def test_trials_that_weigh_unevenly_count_for_fewer():
    assert thresholds.effective_number(np.full(500, 0.002)) == pytest.approx(500)
    assert thresholds.effective_number(np.array([1.0, 1e-9, 1e-9])) == pytest.approx(1, abs=1e-6)
    scores = np.zeros(1000)
    even = impostors(scores, np.array(["v"] * 1000))
    weights = np.where(np.arange(1000) < 10, 0.05, 0.5 / 990)
    uneven = replace(even, weights=weights)
    assert evidence_at(0.5, scores, uneven).far_high > 5 * evidence_at(0.5, scores, even).far_high


@given(shift=st.floats(-3, 6), seed=st.integers(0, 20))
@settings(max_examples=25, deadline=None)
def test_a_threshold_holds_on_each_kind_that_was_left_out(shift, seed):
    rng = np.random.default_rng(seed)
    known, unknown = rng.normal(size=4000), rng.normal(shift, 1.0, size=3000)
    voices = np.array([f"v{i % 40}" for i in range(4000)])
    material, other = impostors(known, voices), impostors(unknown, voices[:3000])
    met = thresholds.operating_points(known, material)
    points = thresholds.raised(met, [(unknown, other)])
    for point, before in zip(points, met, strict=True):
        assert point.llr >= before.llr
        assert (known >= point.llr).mean() <= point.far
        assert (unknown >= point.llr).mean() <= point.far
    if shift < -2:
        assert points[0].llr == met[0].llr


def test_without_a_kind_left_out_nothing_is_raised():
    scores = np.random.default_rng(1).normal(size=500)
    met = thresholds.operating_points(scores, impostors(scores, np.array(["v"] * 500)))
    assert thresholds.raised(met, []) == met
