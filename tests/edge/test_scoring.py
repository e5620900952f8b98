"""Scoring: calibrated likelihood ratios, open-set posteriors, margins between people."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.errors import BundleError
from edge.operating_point import Evidence, OperatingPoint
from edge.outliers import MOST, Outliers
from edge.scoring import (
    COHORT_TOP,
    FEATURE_NAMES,
    Calibration,
    Scorer,
    calibration_features,
    cohort_cosine,
    posteriors,
    voiceprint_of,
)
from tests.edge.voices import CALIBRATION, DIM, Voice, scorer


def features(cosine: float, **changes: float) -> np.ndarray:
    known = dict(  # noqa: C408
        test_seconds=3.0,
        enrol_seconds=12.0,
        enrol_clips=3.0,
        spread=0.8,
        snr_db=20.0,
        cohort_test=0.2,
        cohort_enrol=0.2,
    )
    return calibration_features(cosine, **(known | changes))


def test_a_feature_row_has_a_column_for_every_name() -> None:
    assert features(0.5).shape == (1, len(FEATURE_NAMES))


@given(st.lists(st.floats(-10, 10), min_size=1, max_size=8), st.floats(0.05, 0.95))
def test_posteriors_leave_room_for_a_stranger_and_never_exceed_one(llrs: list[float], prior: float) -> None:
    p = posteriors(np.array(llrs), prior)
    assert np.all(p >= 0)
    assert p.sum() < 1.0


@given(st.floats(-8, 8), st.floats(0.05, 0.95))
def test_one_persons_posterior_is_bayes_rule(llr: float, prior: float) -> None:
    odds = np.exp(llr) * prior / (1 - prior)
    assert posteriors(np.array([llr]), prior)[0] == pytest.approx(odds / (1 + odds), rel=1e-9)


@given(st.floats(1e-5, 0.4), st.floats(1e-5, 0.4))
def test_a_stricter_target_never_lowers_the_threshold(a: float, b: float) -> None:
    strict, loose = sorted((a, b))
    assert CALIBRATION.threshold(strict) >= CALIBRATION.threshold(loose) - 1e-9


def test_thresholds_go_through_the_measured_points() -> None:
    for point in CALIBRATION.points:
        assert CALIBRATION.threshold(point.far) == pytest.approx(point.llr)


def test_the_rule_of_three_limits_what_a_calibration_supports() -> None:
    assert CALIBRATION.supports(0.001)
    assert not CALIBRATION.supports(0.0001)


def test_a_calibration_survives_its_json_form() -> None:
    assert Calibration.from_json(CALIBRATION.to_json()) == CALIBRATION


def test_what_an_operating_point_stands_on_is_kept_with_it_and_older_bundles_have_none() -> None:
    evidence = Evidence(trials=50_000, voices=400, accepted=5, far_high=0.0002, far_high_voices=0.0003)
    point = OperatingPoint(0.0001, 6.0, evidence)
    calibration = dataclasses.replace(CALIBRATION, points=(*CALIBRATION.points, point))
    again = Calibration.from_json(json.loads(json.dumps(calibration.to_json())))
    assert again == calibration
    assert again.point(0.0001) == point
    assert again.point(0.01).evidence is None
    assert again.point(0.02) is None


def test_a_calibration_keeps_its_outliers_and_older_bundles_have_none() -> None:
    modest = dataclasses.replace(CALIBRATION, outliers=Outliers(0.01, 0.0002))
    raw = json.loads(json.dumps(modest.to_json()))
    assert Calibration.from_json(raw) == modest
    del raw["outliers"]
    assert Calibration.from_json(raw) == CALIBRATION


shares = st.one_of(st.just(0.0), st.floats(1e-6, MOST))


@given(st.floats(-30, 30), st.floats(1e-3, 5), shares, shares)
def test_outliers_keep_the_order_and_bound_what_is_said(
    llr: float, more: float, genuine: float, impostor: float
) -> None:
    outliers = Outliers(genuine, impostor)
    low, high = outliers(np.array([llr, llr + more]))
    assert low <= high
    if abs(llr) < 2:
        assert low < high
    if genuine:
        assert low >= np.log(genuine) - 1e-9
    if impostor:
        assert high <= -np.log(impostor) + 1e-9
    assert outliers(np.zeros(1))[0] == pytest.approx(0, abs=1e-12)


@given(st.floats(-25, 25), shares, shares)
def test_outliers_are_the_likelihood_ratio_of_a_mixture(llr: float, genuine: float, impostor: float) -> None:
    ratio = np.exp(llr)
    expected = ((1 - genuine) * ratio + genuine) / ((1 - impostor) + impostor * ratio)
    assert Outliers(genuine, impostor)(np.array([llr]))[0] == pytest.approx(np.log(expected), abs=1e-6)


@given(st.floats(-1, 1), st.floats(0, 0.5), shares, shares, st.floats(0.3, 12), st.floats(-5, 40))
def test_a_higher_cosine_never_gives_a_lower_ratio(
    cosine: float, more: float, genuine: float, impostor: float, seconds: float, snr_db: float
) -> None:
    calibration = dataclasses.replace(CALIBRATION, outliers=Outliers(genuine, impostor))
    rows = [features(c, test_seconds=seconds, snr_db=snr_db) for c in (cosine, cosine + more)]
    lower, higher = calibration.llr(np.vstack(rows))
    assert lower <= higher


@pytest.mark.parametrize(("genuine", "impostor"), [(-0.01, 0.0), (0.0, 0.2), (float("nan"), 0.0)])
def test_shares_of_outliers_that_cannot_be_are_refused(genuine: float, impostor: float) -> None:
    with pytest.raises(ValueError, match="share of outliers"):
        Outliers(genuine, impostor)


@pytest.mark.parametrize(
    "damage",
    [
        {},
        {"weights": {"bias": 1.0}},
        {**CALIBRATION.to_json(), "weights": {"moon": 1.0}},
        {**CALIBRATION.to_json(), "points": []},
        {**CALIBRATION.to_json(), "outliers": {"genuine": 0.5, "impostor": 0.0}},
        {**CALIBRATION.to_json(), "outliers": [0.1]},
        {**CALIBRATION.to_json(), "points": [{"far": 0.01, "llr": 1.0, "evidence": {"trials": 3}}]},
        {**CALIBRATION.to_json(), "points": [{"far": 0.01, "llr": 1.0, "evidence": [1, 2]}]},
        {
            **CALIBRATION.to_json(),
            "points": [
                {
                    "far": 0.01,
                    "llr": 1.0,
                    "evidence": {
                        "trials": 9,
                        "voices": 3,
                        "accepted": 0,
                        "far_high": float("nan"),
                        "far_high_voices": 0.1,
                    },
                }
            ],
        },
        {**CALIBRATION.to_json(), "weights": {"bias": float("nan")}},
    ],
)
def test_a_damaged_calibration_is_refused_with_a_sentence(damage: dict) -> None:
    with pytest.raises(BundleError) as caught:
        Calibration.from_json(damage)
    assert caught.value.cause and caught.value.remedy


def test_short_speech_gives_a_weaker_likelihood_ratio_at_the_same_cosine() -> None:
    short, long = CALIBRATION.llr(np.vstack([features(0.6, test_seconds=0.8), features(0.6, test_seconds=6.0)]))
    assert short < long


def test_the_right_person_comes_first() -> None:
    alice, bob = Voice(1), Voice(2)
    people = [bob.voiceprint("Bob"), alice.voiceprint("Alice")]
    scores = scorer().score(alice.embedding(), people, speech_seconds=3.0, snr_db=25.0)
    assert [p.name for p in scores.ranked] == ["Alice", "Bob"]
    assert scores.margin == pytest.approx(scores.ranked[0].llr - scores.ranked[1].llr)


def test_the_order_of_people_changes_nothing() -> None:
    voices = [Voice(i) for i in range(4)]
    people = [v.voiceprint(str(i)) for i, v in enumerate(voices)]
    test = voices[2].embedding()
    forward = scorer().score(test, people, speech_seconds=3.0, snr_db=25.0)
    backward = scorer().score(test, people[::-1], speech_seconds=3.0, snr_db=25.0)
    assert [p.person_id for p in forward.ranked] == [p.person_id for p in backward.ranked]


def test_with_one_person_the_nearest_cohort_speaker_is_the_runner_up() -> None:
    alice = Voice(1)
    with_twin = Scorer(CALIBRATION, np.stack([alice.centre] * 30))
    without = scorer()
    print_ = [alice.voiceprint("Alice")]
    test = alice.embedding()
    assert with_twin.score(test, print_, speech_seconds=3.0, snr_db=25.0).margin < 1.0
    assert without.score(test, print_, speech_seconds=3.0, snr_db=25.0).margin > 3.0


def test_nobody_enrolled_gives_no_ranking() -> None:
    assert scorer().score(Voice(1).embedding(), [], speech_seconds=3.0, snr_db=25.0).ranked == ()


def test_the_cohort_cosine_is_the_mean_of_the_nearest() -> None:
    rng = np.random.default_rng(0)
    cohort = rng.standard_normal((50, DIM)).astype(np.float32)
    test = rng.standard_normal((3, DIM)).astype(np.float32)
    expected = np.sort(test @ cohort.T, axis=1)[:, -COHORT_TOP:].mean(axis=1)
    assert cohort_cosine(test, cohort) == pytest.approx(expected, abs=1e-5)
    assert cohort_cosine(test, np.zeros((0, DIM), np.float32)).tolist() == [0, 0, 0]


def test_a_voiceprint_is_the_normalised_mean_and_refuses_two_encoders() -> None:
    voice = Voice(5)
    clips = [voice.exemplar() for _ in range(5)]
    template = voiceprint_of(clips, person_id="p1", name="X")
    assert np.linalg.norm(template.vector) == pytest.approx(1.0, abs=1e-6)
    assert template.speech_seconds == 20.0
    assert 0 < template.spread <= 1
    with pytest.raises(ValueError, match="different embedding spaces"):
        voiceprint_of([*clips, dataclasses.replace(clips[0], encoder="other")], person_id="p1", name="X")


def test_exemplars_of_one_space_make_one_voiceprint_and_others_never() -> None:
    first = Voice(1).exemplar()
    spaced = [dataclasses.replace(first, encoder=name, space="voices/1") for name in ("b" * 16, "a" * 16)]
    assert voiceprint_of(spaced, person_id="p", name="Ada").encoder == "a" * 16 + "+" + "b" * 16
    half_told = [spaced[0], dataclasses.replace(spaced[0], space=""), spaced[1]]
    assert voiceprint_of(half_told, person_id="p", name="Ada").clips == 3
    for space in ("", "voices/2"):
        strangers = [spaced[0], dataclasses.replace(spaced[1], space=space)]
        with pytest.raises(ValueError, match="different embedding spaces"):
            voiceprint_of(strangers, person_id="p", name="Ada")
