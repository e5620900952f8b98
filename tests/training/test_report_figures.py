"""Calibration error, exact bounds, operating points and conditions against hand-worked cases and definitions."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from edge.operating_point import OperatingPoint
from edge.scoring import Calibration
from training import metrics
from training.corpus import Recording
from training.evaluate import ScoredList
from training.report import conditions, curve, fixed, operating
from training.trials import Trial, TrialList, parse_noise, parse_side


def test_likelihood_ratios_that_are_what_they_say_have_no_calibration_error():
    """Log-likelihood ratios of two Gaussians, mean +-m and variance 2m, are their own log-likelihood ratios."""
    rng = np.random.default_rng(5)
    m, n = 2.0, 200_000
    llr = np.concatenate([rng.normal(m, np.sqrt(2 * m), n), rng.normal(-m, np.sqrt(2 * m), n)])
    target = np.arange(2 * n) < n
    assert metrics.ece(llr, target) < 0.003
    assert metrics.ece(3 * llr, target) > 0.02, "the same scores, three times too sure of themselves"


@pytest.mark.parametrize("impostors", [100, 1000])
def test_calibration_error_of_scores_that_are_too_sure_by_a_fifth(impostors):
    """Everything is called 90 % or 10 % likely and is so in 70 % and 30 %: the gap is 0.2, whatever the numbers."""
    sure = np.log(9.0)
    genuine = np.where(np.arange(100) < 70, sure, -sure)
    impostor = np.where(np.arange(impostors) < 0.7 * impostors, -sure, sure)
    target = np.arange(100 + impostors) < 100
    assert metrics.ece(np.concatenate([genuine, impostor]), target) == pytest.approx(0.2)


def test_saying_nothing_is_calibrated_and_being_surely_wrong_is_the_worst():
    target = np.arange(50) < 20
    assert metrics.ece(np.zeros(50), target) == pytest.approx(0)
    assert metrics.ece(np.where(target, -800.0, 800.0), target) == pytest.approx(1)
    with pytest.raises(ValueError, match="impostor"):
        metrics.ece(np.zeros(3), np.ones(3, bool))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.floats(-8, 8), st.booleans()), min_size=2, max_size=60), st.integers(1, 12))
def test_calibration_error_is_what_a_loop_over_the_bins_gives(trials, bins):
    llr, target = np.array([t[0] for t in trials]), np.array([t[1] for t in trials])
    if target.all() or not target.any():
        return
    weight = np.where(target, 0.5 / target.sum(), 0.5 / (~target).sum())
    posterior = 1 / (1 + np.exp(-llr))
    expected = 0.0
    for i in range(bins):
        inside = (posterior >= i / bins) & ((posterior < (i + 1) / bins) | (i == bins - 1))
        # A posterior on an edge may fall on either side by rounding.
        if np.any(np.abs(posterior * bins - np.round(posterior * bins)) < 1e-9) and bins > 1:
            return
        if inside.any():
            mass = weight[inside].sum()
            share, mean = (
                np.average(target[inside], weights=weight[inside]),
                np.average(posterior[inside], weights=weight[inside]),
            )
            expected += mass * abs(share - mean)
    assert metrics.ece(llr, target, bins) == pytest.approx(expected, abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 5000), st.floats(0, 1))
def test_the_upper_bound_of_a_rate_is_the_quantile_of_the_beta_distribution(trials, share):
    events = max(1, round(share * trials))
    expected = 1.0 if events == trials else stats.beta.ppf(0.95, events + 1, trials - events)
    assert metrics.binomial_high(events, trials) == pytest.approx(expected, rel=1e-6)


def test_nothing_seen_is_bounded_by_the_rule_of_three_and_impossible_counts_are_refused():
    assert metrics.binomial_high(0, 1000) == 0.003
    assert metrics.binomial_high(0, 0) == 1
    assert metrics.binomial_high(1, 10) == pytest.approx(0.39416, abs=1e-5)
    with pytest.raises(ValueError, match="cannot be"):
        metrics.binomial_high(3, 2)


def evenly() -> ScoredList:
    """1000 impostors with cosines 0.000 to 0.999; 100 genuine tests: 20 of 0.9855, 80 of 2; ten people take turns."""
    cosine = np.concatenate([np.arange(1000) / 1000, np.full(20, 0.9855), np.full(80, 2.0)])
    target = np.arange(1100) >= 1000
    return ScoredList("evenly", cosine, target, tuple(f"p{i % 10}" for i in range(1100)))


def test_operating_points_of_a_list_that_can_be_worked_out_by_hand():
    found = {point.far_target: point for point in operating.points(evenly())}
    # Ten impostors may pass at 1 %: those from 0.990 on; the 20 genuine tests of 0.9855 are refused with the rest.
    one = found[1.0]
    assert (one.far, one.frr, one.resolved) == (1.0, pytest.approx(20), True)
    assert one.threshold == pytest.approx(0.990)
    assert one.far_high == pytest.approx(100 * metrics.binomial_high(10, 1000))
    assert (one.frr_low, one.frr_high) == pytest.approx((20, 20)), "ten people who are all alike make no interval"
    # One in 10,000 is beyond a thousand impostors: nobody may pass, and three in a thousand might all the same.
    least = found[0.01]
    assert (least.far, least.resolved) == (0.0, False)
    assert least.threshold == pytest.approx(2.0)
    assert least.far_high == pytest.approx(0.3)
    lax = operating.points(evenly(), fars=(0.02,))[0]
    assert lax.frr == 0 and lax.frr_high == pytest.approx(3.0), "none of a hundred refused: the rule of three"


def test_without_any_threshold_that_keeps_the_rate_everything_is_refused():
    scored = ScoredList("hopeless", np.array([0.1, 0.2, 0.9]), np.array([True, True, False]), ("a", "a", "b"))
    point = operating.points(scored, fars=(0.1,))[0]
    assert (point.threshold, point.far, point.frr) == (None, 0.0, 100.0)
    assert "-" in operating.table({"hopeless": [point]})


def calibrated(impostors: int = 2000, lenient: float = 0.0) -> tuple[ScoredList, Calibration]:
    """Impostors with LLRs uniform in 0 to 1, thresholds that should let 1 % and 0.1 % pass; 100 genuine tests of 2."""
    llr = np.concatenate([(np.arange(impostors) + 0.5) / impostors + lenient, np.full(100, 2.0)])
    target = np.arange(impostors + 100) >= impostors
    heard = np.where(np.arange(impostors + 100) < impostors + 90, 3.0, 0.3)
    points = (OperatingPoint(0.01, 0.99), OperatingPoint(0.001, 0.999))
    scored = ScoredList("made", llr, target, ("p",) * len(llr), llr, llr > 0.99, llr < 0, heard, heard, heard)
    return scored, Calibration({"bias": 0.0}, points, trials=5000, speakers=20)


def test_fixed_thresholds_on_a_list_that_can_be_worked_out_by_hand():
    scored, calibration = calibrated()
    one, tenth = fixed.points(scored, calibration, (0.01, 0.001))
    assert (one.far_target, one.llr, one.far, one.kept) == (1.0, 0.99, 1.0, True)
    assert one.far_high == pytest.approx(100 * metrics.binomial_high(20, 2000))
    assert (tenth.far, tenth.kept) == (pytest.approx(0.1), True)
    assert one.frr == tenth.frr == 10.0, "ten tests hold too little speech to get a name"
    shifted = fixed.points(*calibrated(lenient=0.015), (0.01,))[0]
    assert (shifted.far, shifted.kept) == (2.5, False), "more than twice the target"


def test_a_threshold_is_not_judged_on_too_few_trials():
    assert [p.kept for p in fixed.points(*calibrated(impostors=500), (0.01, 0.001))] == [None, None]
    scored, calibration = calibrated()
    assert fixed.points(scored, calibration, (0.0001,))[0].kept is None, "too few behind the bundle's own threshold"
    plenty = dataclasses.replace(calibration, trials=10**6)
    assert fixed.points(scored, plenty, (0.0001,))[0].kept is None, "a single one of 2000 would be five times the rate"
    assert fixed.points(calibrated(impostors=6000)[0], plenty, (0.0002,))[0].kept is not None


def test_the_summary_names_the_lists_on_which_a_threshold_does_not_hold():
    (good, calibration), (bad, _) = calibrated(), calibrated(lenient=0.015)
    bad = dataclasses.replace(bad, name="shifted")
    held = {one.name: fixed.points(one, calibration, (0.01, 0.0001)) for one in (good, bad)}
    text = fixed.summary(held, [good, bad])
    assert "1 of 2 lists" in text and "not on shifted" in text
    assert "0.01 %" not in text, "nothing is said about a rate that nobody can judge"
    assert "calibration error" in text
    assert "| shifted |" in fixed.table(held, markdown=True)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.floats(-8, 8), st.booleans()), min_size=4, max_size=40), st.integers(2, 5))
def test_lists_weigh_the_same_in_the_pooled_calibration_error_whatever_their_size(trials, copies):
    llr, target = np.array([t[0] for t in trials]), np.array([t[1] for t in trials])
    if target.all() or not target.any():
        return
    small = ScoredList("s", llr, target, ("p",) * len(llr), llr)
    large = ScoredList(
        "l", np.tile(llr, copies), np.tile(target, copies), ("p",) * len(llr) * copies, np.tile(llr, copies)
    )
    alone = fixed.pooled_ece([small])
    assert alone == pytest.approx(100 * metrics.ece(llr, target))
    assert fixed.pooled_ece([small, large]) == pytest.approx(alone)
    other = ScoredList("o", -llr, target, ("p",) * len(llr), -llr)
    assert fixed.pooled_ece([other, small]) == pytest.approx(fixed.pooled_ece([other, large]))


def recording(path: str, gender: str, language: str = "en", emotion: str = "") -> Recording:
    return Recording(path, "dev", "made", path[0], gender, emotion, language, 3.0, "", "")


RECORDINGS = (
    recording("a.wav", "f", emotion="calm"),
    recording("b.wav", "m", emotion="angry"),
    recording("c.wav", "f", language="de", emotion="sad"),
    recording("d.wav", ""),
)


def listed(rng: np.random.Generator, count: int) -> TrialList:
    """Random pairs of the four files, an unknown one among them, some in noise."""
    trials = []
    for i in range(count):
        enrol, test = rng.choice(list("abcdx"), 2)
        side = parse_side(f"{test}.wav")
        if i % 3 == 0:
            side = type(side)(side.utterances, parse_noise("n.wav@0:5"))
        trials.append(Trial(bool(enrol == test), str(enrol), parse_side(f"{enrol}.wav;{enrol}.wav"), str(test), side))
    return TrialList("made", tuple(trials))


def scored_list(trials: TrialList, rng: np.random.Generator, *, calibrated: bool = True) -> ScoredList:
    count = len(trials.trials)
    target = np.array([t.target for t in trials.trials])
    llr = rng.normal(size=count) + 3 * target
    return ScoredList(
        "made", llr / 10, target, tuple(t.enrol_speaker for t in trials.trials),
        llr if calibrated else None, llr > 1 if calibrated else None, llr < 0 if calibrated else None,
        rng.choice([0.5, 1.0, 1.5, 2.0, 9.0], count), rng.choice([0.0, 0.7, 1.5, 3.0], count),
        rng.uniform(-5, 45, count),
    )  # fmt: skip


@pytest.mark.parametrize("seed", range(3))
def test_the_buckets_of_each_condition_add_up_to_the_list(seed):
    rng = np.random.default_rng(seed)
    trials = listed(rng, 300)
    scored = scored_list(trials, rng)
    found = conditions.report(scored, conditions.labels(trials, scored, RECORDINGS), rounds=5)
    assert list(found) == ["duration", "speech", "snr", "noise", "gender", "language", "emotion"]
    for part in found.values():
        assert sum(row["genuine"] for row in part.values()) == scored.target.sum()
        assert sum(row["impostors"] for row in part.values()) == (~scored.target).sum()
        passed = sum(row["far_fixed"] * row["impostors"] for row in part.values() if row["impostors"]) / 100
        assert passed == pytest.approx(scored.named[~scored.target].sum())
        assert all(set(row) == set(conditions.KEYS) for row in part.values())
    assert list(found["gender"]) == ["cross", "f-f", "m-m", "unknown"]
    assert list(found["noise"]) == ["5 dB", "none"]
    assert (
        found["snr"]["unknown"]["genuine"] + found["snr"]["unknown"]["impostors"]
        == (scored.test_speech_seconds == 0).sum()
    )
    assert list(found["duration"]) == ["<1 s", "1-2 s", "2-4 s", ">=8 s"]


def test_a_bucket_has_the_figures_of_its_own_trials_alone():
    rng = np.random.default_rng(11)
    trials = listed(rng, 400)
    scored = scored_list(trials, rng)
    found = conditions.report(scored, conditions.labels(trials, scored, RECORDINGS))
    inside = np.array([{t.enrol_speaker, t.test_speaker} <= {"a", "c"} for t in trials.trials])
    row = found["gender"]["f-f"]
    assert row["eer"] == pytest.approx(100 * metrics.eer(scored.cosine[inside], scored.target[inside]))
    assert row["frr_fixed"] == pytest.approx(100 * (~scored.named[inside & scored.target]).mean())
    assert row["speakers"] == 2
    cross = found["gender"]["cross"]
    assert cross["genuine"] == 0 and cross["eer"] is None and cross["frr_fixed"] is None
    assert cross["far_fixed"] is not None
    table = conditions.table({"made": found})
    assert len({len(line) for line in table.splitlines()}) == 1, "columns line up"
    assert len(table.splitlines()) == 1 + sum(len(part) for part in found.values())


def test_without_a_manifest_only_what_the_samples_tell_is_reported():
    rng = np.random.default_rng(2)
    trials = listed(rng, 60)
    scored = scored_list(trials, rng, calibrated=False)
    found = conditions.report(scored, conditions.labels(trials, scored), rounds=5)
    assert list(found) == ["duration", "speech", "snr", "noise"]
    assert "FAR fixed" not in conditions.table({"made": found})


@settings(max_examples=50, deadline=None)
@given(st.floats(0, 100))
def test_a_length_falls_into_the_bucket_whose_name_it_fits(seconds):
    trials = TrialList("one", (Trial(True, "a", parse_side("a.wav"), "a", parse_side("a.wav")),))
    scored = ScoredList("one", np.zeros(1), np.ones(1, bool), ("a",), test_seconds=np.array([seconds]))
    name = conditions.labels(trials, scored)["duration"][0].removesuffix(" s")
    if name[0] == "<":
        assert seconds < float(name[1:])
    elif name[0] == ">":
        assert seconds >= float(name[2:]) - 1e-8
    else:
        low, high = (float(edge) for edge in name.split("-"))
        assert low - 1e-8 <= seconds < high


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(-40, 40), st.booleans()), min_size=2, max_size=400))
def test_a_curve_of_counts_is_what_counting_at_its_thresholds_gives(trials):
    scores, target = np.array([t[0] / 4 for t in trials]), np.array([t[1] for t in trials])
    if target.all() or not target.any():
        return
    found = curve.to_json(ScoredList("made up", scores, target, tuple("s" for _ in trials)))
    assert (found["score"], found["genuine"], found["impostors"]) == ("cosine", target.sum(), (~target).sum())
    thresholds = found["thresholds"]
    assert thresholds == sorted(set(thresholds), reverse=True)
    assert thresholds[0] == scores.max() and thresholds[-1] == scores.min()
    for threshold, accepted, refused in zip(thresholds, found["accepted"], found["refused"], strict=True):
        assert accepted == (scores[~target] >= threshold).sum()
        assert refused == (scores[target] < threshold).sum()


def test_a_curve_of_many_trials_keeps_few_points_and_the_rare_errors():
    rng = np.random.default_rng(3)
    scores = np.concatenate([rng.normal(3, 1, 5000), rng.normal(-3, 1, 20_000)])
    scored = ScoredList("many", scores, np.arange(25_000) < 5000, tuple("s" for _ in scores), llr=scores)
    found = curve.to_json(scored)
    assert found["score"] == "llr" and len(found["thresholds"]) <= curve.POINTS + 2
    assert set(range(6)) <= set(found["accepted"]) and set(range(6)) <= set(found["refused"])
