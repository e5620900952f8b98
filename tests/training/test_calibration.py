"""The fit and its thresholds, on made-up scores and on a small corpus of drawn names."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.outliers import NONE
from edge.records import Embedding
from edge.scoring import FEATURE_NAMES, Calibration, Scorer, calibration_features, cohort_cosine
from tests.training.test_pairs import recordings
from training import calibration, material, metrics, pairs, thresholds
from training.embeddings import Heard
from training.listening import Circumstances, listen, quietest

RATE = 16000


def gaussian(seed: int = 0, n: int = 24000, seconds: np.ndarray | float = 3.0) -> calibration.Material:
    """Cosines N(0.6, 0.12) for genuine and N(0.2, 0.12) for impostor trials of 40 people in two domains.

    Their true likelihood ratio is 0.4 / 0.12^2 (cosine - 0.4).
    """
    rng = np.random.default_rng(seed)
    target = np.arange(n) < n // 4
    enrol = rng.integers(0, 40, n)
    test = np.where(target, enrol, (enrol + rng.integers(1, 40, n)) % 40)
    cosine = np.where(target, 0.6, 0.2) + 0.12 * rng.normal(size=n)
    columns = calibration_features(
        cosine, test_seconds=seconds, enrol_seconds=10.0, enrol_clips=3.0, spread=0.8, snr_db=20.0,
        cohort_test=0.3, cohort_enrol=0.3,
    )  # fmt: skip
    domains = np.where(rng.random(n) < 0.5, "a", "b")
    names = (np.char.add("p", enrol.astype(str)), np.char.add("p", test.astype(str)))
    trials = calibration.Material(
        columns, target, np.ones(n), domains, domains, *names, np.zeros(n, bool), np.zeros(n, bool)
    )
    return trials.only(np.ones(n, bool))


def with_feature(trials: calibration.Material, name: str, values: np.ndarray) -> calibration.Material:
    features = trials.features.copy()
    features[:, FEATURE_NAMES.index(name)] = values
    return replace(trials, features=features)


@pytest.mark.parametrize("prior", [0.5, 0.05])
def test_the_fit_finds_the_true_likelihood_ratio(prior):
    weights = calibration.fit(gaussian(), ["bias", "cosine"], prior=prior, ridge=1e-9)
    assert weights["cosine"] == pytest.approx(27.8, rel=0.06)
    assert -weights["bias"] / weights["cosine"] == pytest.approx(0.4, abs=0.01)


def test_the_fit_is_the_minimum_of_the_penalised_loss():
    trials = with_feature(gaussian(n=2000), "log_test", np.random.default_rng(1).normal(size=2000))
    trials = replace(trials, domains=np.array(["one"] * 2000))
    names = ["bias", "cosine", "log_test"]
    weights = calibration.fit(trials, names, prior=0.5, ridge=1e-9)

    def loss(w: dict[str, float]) -> float:
        z = sum(w[name] * trials.features[:, FEATURE_NAMES.index(name)] for name in names)
        return float(np.sum(trials.weights * np.logaddexp(0, np.where(trials.target, -z, z))))

    best = loss(weights)
    for name in names:
        for nudge in (-0.05, 0.05):
            assert loss(weights | {name: weights[name] + nudge}) > best


def test_what_sets_domains_apart_is_not_mistaken_for_what_a_feature_says():
    """Cosines of domain b are higher by 0.2 and its enrolments shorter; the length itself says nothing."""
    trials = gaussian(seed=2)
    other = trials.domains == "b"
    cosine = trials.features[:, FEATURE_NAMES.index("cosine")] + 0.2 * other
    length = np.random.default_rng(3).normal(size=len(other)) - 3.0 * other
    trials = with_feature(with_feature(trials, "cosine", cosine), "log_enrol", length)
    names = ["bias", "cosine", "log_enrol"]
    weights = calibration.fit(trials, names, ridge=1e-6)
    assert abs(weights["log_enrol"]) < 0.15
    together = calibration.fit(replace(trials, domains=np.full(len(other), "x")), names, ridge=1e-6)
    assert together["log_enrol"] > 0.5, (
        "without offsets the length would stand for the domain, or the test says nothing"
    )


def test_the_fit_survives_perfect_separation_and_constant_columns():
    trials = gaussian(n=400)
    trials = with_feature(trials, "cosine", np.where(trials.target, 0.9, 0.1))
    weights = calibration.fit(trials, ["bias", "cosine", "spread", "noise"])
    assert all(np.isfinite(v) for v in weights.values())
    llr = calibration.apply(weights, trials.features)
    assert llr[trials.target].min() > 0 > llr[~trials.target].max()


def test_weights_balance_kinds_and_domains_whatever_their_size():
    trials = gaussian()
    small = trials.only((trials.domains == "a") | (np.arange(len(trials.target)) % 10 == 0))
    for kind in (True, False):
        for domain in ("a", "b"):
            rows = (small.target == kind) & (small.domains == domain)
            assert small.weights[rows].sum() == pytest.approx(0.5)


def test_a_held_out_ratio_does_not_depend_on_the_trials_own_speakers():
    """Whatever p3's other trials say, the weights for p3 against p3 stay the same."""
    trials = gaussian(n=3000)
    names = ["bias", "cosine"]
    plain = calibration.held_out(trials, names)
    assert not np.isnan(plain).any()
    mine = (trials.enrol_speaker == "p3") | (trials.test_speaker == "p3")
    both = (trials.enrol_speaker == "p3") & (trials.test_speaker == "p3")
    poisoned = with_feature(trials, "cosine", np.where(mine & ~both, 5.0, trials.features[:, 1]))
    again = calibration.held_out(poisoned, names)
    assert np.array_equal(plain[both], again[both])
    assert not np.allclose(plain[~mine], again[~mine]), "the poison must matter elsewhere, or the test says nothing"


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(-20, 20), min_size=5, max_size=200), st.integers(0, 1000))
def test_no_threshold_lets_more_impostors_pass_than_it_promises(scores, seed):
    rng = np.random.default_rng(seed)
    n = len(scores)
    weights = rng.uniform(0.1, 1.0, n)
    no, same = np.zeros(n, bool), np.array(["x"] * n)
    zeros = np.zeros((n, len(FEATURE_NAMES)))
    trials = calibration.Material(zeros, no, weights / weights.sum(), same, same, same, same, no, no)
    llr = np.asarray(scores, float)
    points = thresholds.operating_points(llr, trials, (0.3, 0.1, 0.01))
    for point in points:
        passed = trials.weights[llr >= point.llr].sum()
        assert passed <= point.far + 1e-9
        nearest_refused = llr[llr < point.llr].max()
        assert trials.weights[llr >= nearest_refused].sum() > point.far - 1e-9, "nor is it stricter than it must be"
    assert [p.llr for p in points] == sorted(p.llr for p in points)


def test_a_calibration_has_useful_ratios_thresholds_that_hold_on_others_and_a_record():
    trials = gaussian(n=16000)
    names = ["bias", "cosine", "log_test"]
    fitted, record = calibration.calibrate(trials, names, unseen={"a": trials, "b": trials})
    fresh = gaussian(seed=9, n=60000)
    llr = fitted.llr(fresh.features)
    assert metrics.cllr(llr, fresh.target) < metrics.min_cllr(llr, fresh.target) + 0.02
    for point in fitted.points[:3]:
        assert np.mean(llr[~fresh.target] >= point.llr) == pytest.approx(point.far, rel=0.5)
    assert (fitted.trials, fitted.speakers) == (12000, 40)
    assert fitted.supports(0.001) and not fitted.supports(0.0001)
    assert set(record["domains"]) == {"a", "b"}
    for found in record["domains"].values():
        assert found["far"]["0.003"] == pytest.approx(0.003, rel=0.5)
        assert found["unseen"]["far_at_0.003"] == pytest.approx(0.003, rel=0.7), "the domains are alike here"
    text = calibration.describe(fitted, record)
    assert "12000" in text and "0.3 %" in text
    assert Calibration.from_json(fitted.to_json() | {"provenance": record}) == fitted


def test_moods_weigh_what_they_are_given_where_there_are_any():
    trials = gaussian(n=4000)
    moody = (trials.domains == "a") & (np.arange(4000) % 3 == 0)
    trials = replace(trials, moody=moody).with_moods(0.1)
    for kind in (True, False):
        rows = trials.target == kind
        assert trials.weights[rows].sum() == pytest.approx(1)
        assert trials.weights[rows & (trials.domains == "a")].sum() == pytest.approx(0.5)
        assert trials.weights[rows & moody].sum() == pytest.approx(0.05), "a tenth of the domain that has them"
    assert len(trials.with_moods(0.0).target) == 4000 - moody.sum()
    assert trials.with_moods(0.3).weights[moody & trials.target].sum() == pytest.approx(0.15)


def contaminated(share: float, seed: int = 0) -> calibration.Material:
    """As ``gaussian``, but this share of the genuine trials scores like impostors."""
    trials = gaussian(seed=seed)
    strange = trials.target & (np.random.default_rng(seed + 1).random(len(trials.target)) < share)
    cosine = trials.features[:, FEATURE_NAMES.index("cosine")] - 0.4 * strange
    return with_feature(trials, "cosine", cosine)


def test_the_share_of_outliers_is_found_and_makes_ratios_mean_what_they_say():
    """The true ratio is that of a mixture; a regression that was fitted on clean trials is far too sure of itself."""
    weights = calibration.fit(gaussian(), ["bias", "cosine"], ridge=1e-9)
    trials = contaminated(0.04)
    llr = calibration.apply(weights, trials.features)
    found = calibration.believable(llr, trials)
    assert found.genuine == pytest.approx(0.04, rel=0.35)
    assert found.impostor < 0.002
    fresh = contaminated(0.04, seed=7)
    sure = calibration.apply(weights, fresh.features)
    assert metrics.cllr(found(sure), fresh.target) < 0.92 * metrics.cllr(sure, fresh.target)
    assert metrics.ece(found(sure), fresh.target) < min(0.01, 0.6 * metrics.ece(sure, fresh.target))


def test_clean_trials_need_no_outliers_and_a_single_kind_allows_none():
    trials = gaussian()
    names = ["bias", "cosine"]
    found = calibration.outliers(trials, names)
    assert found.genuine < 0.003 and found.impostor < 0.003
    assert calibration.outliers(replace(trials, domains=np.full(len(trials.target), "one")), names) == NONE


def test_a_kind_that_sounds_different_makes_the_ratios_modest():
    """Genuine cosines of the kind b are often like impostors': whoever knows only a is too sure of itself on b."""
    trials = contaminated(0.0)
    strange = trials.target & (trials.domains == "b") & (np.arange(len(trials.target)) % 12 == 0)
    cosine = trials.features[:, FEATURE_NAMES.index("cosine")] - 0.4 * strange
    found = calibration.outliers(with_feature(trials, "cosine", cosine), ["bias", "cosine"])
    assert found.genuine > 0.01


def heard(vectors: np.ndarray, seconds: float = 2.0, snr_db: float = 20.0) -> Heard:
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return Heard(
        tuple(Embedding(v, v[None], seconds, "e") for v in vectors),
        tuple(Circumstances(seconds, snr_db, -20.0, -6.0, 0.0) for _ in vectors),
    )


def unit_rows(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="module")
def pool():
    """Takes, what is heard in them, their pairs, and a cohort: first all of the training people, then strangers."""
    rng = np.random.default_rng(4)
    takes = pairs.draw(recordings(), pairs.Plan(enrolments=2, tests=2))
    centres = {t.speaker: rng.normal(size=64) for t in takes}
    sides = [
        heard(centres[t.speaker] + 0.5 * rng.normal(size=(len(t.side.utterances), 64)), rng.uniform(1, 4), 12.0)
        for t in takes
    ]
    cohort = unit_rows(np.concatenate([np.stack(list(centres.values())), rng.normal(size=(25, 64))]))
    return takes, sides, pairs.pair(takes), cohort


def test_features_of_a_trial_are_what_the_device_computes_for_it(pool):
    takes, sides, found, cohort = pool
    strangers = cohort[-25:]
    trials = material.assemble(takes, sides, found, strangers)
    weights = {name: 0.3 * (i + 1) for i, name in enumerate(calibration.WEIGHED)}
    ours = calibration.apply(weights, trials.features)
    scorer = Scorer(Calibration(weights, (), 0, 0), strangers)
    for i in range(0, len(found.enrol), 37):
        enrol, test = sides[found.enrol[i]], sides[found.test[i]]
        theirs = scorer.llrs(
            test.embedding().vector, [enrol.voiceprint("p")], speech_seconds=test.speech_seconds, snr_db=test.snr_db
        )[1][0]
        assert ours[i] == pytest.approx(theirs, abs=1e-4)
    assert trials.weights[trials.target].sum() == pytest.approx(1)
    count = len(found.target)
    read = (trials.domains[:count] == "read") & ~found.target
    alike = found.same_gender & read
    assert trials.weights[:count][alike].sum() == pytest.approx(trials.weights[:count][read].sum() / 2)


def test_each_trial_comes_once_without_its_voices_and_once_without_its_domain_in_the_cohort(pool):
    takes, sides, found, cohort = pool
    trials = material.assemble(takes, sides, found, cohort)
    count = len(found.target)
    assert np.array_equal(trials.unfamiliar, np.arange(2 * count) >= count)
    column = FEATURE_NAMES.index("cohort_test")
    people = list(dict.fromkeys(t.speaker for t in takes))
    for i in range(0, count, 41):
        take, vector = takes[found.test[i]], sides[found.test[i]].vector.astype(np.float32)
        mine = people.index(take.speaker)
        alike = [n for n, name in enumerate(people) if name[0] == take.speaker[0]]
        without_me, without_us = np.delete(cohort, mine, axis=0), np.delete(cohort, alike, axis=0)
        assert trials.features[i, column] == pytest.approx(cohort_cosine(vector, without_me)[0], abs=1e-6)
        assert trials.features[count + i, column] == pytest.approx(cohort_cosine(vector, without_us)[0], abs=1e-6)


def test_a_domain_is_unseen_where_the_cohort_has_nobody_of_it(pool):
    takes, sides, found, cohort = pool
    read = [n for n, name in enumerate(dict.fromkeys(t.speaker for t in takes)) if name[0] == "r"]
    expected = material.assemble(takes, sides, found, np.delete(cohort, read, axis=0))
    trials = material.unseen(takes, sides, found, cohort)
    assert set(trials) == {"read", "english words"}
    assert np.array_equal(trials["read"].features, expected.features)


def test_the_owner_of_a_cohort_row_is_found_and_strangers_have_none(pool):
    takes, sides, _, cohort = pool
    speakers = np.array([t.speaker for t in takes])
    owners = material.row_owners(sides, speakers, cohort)
    assert owners[:15].tolist() == list(dict.fromkeys(speakers.tolist()))
    assert set(owners[15:]) == {""}
    assert len(material.row_owners(sides, speakers, cohort[:0])) == 0


def test_takes_that_the_device_would_not_hear_stay_out(pool):
    takes, sides, found, cohort = pool
    deaf = found.test[0]
    silent = list(sides)
    silent[deaf] = Heard(sides[deaf].embeddings, (Circumstances(0.1, 3.0, -50.0, -40.0, 0.0),))
    trials = material.assemble(takes, silent, found, cohort[:0])
    assert len(trials.target) == len(found.target) - int((found.test == deaf).sum())
    assert not trials.unfamiliar.any(), "without a cohort there is nothing to leave out"


def test_the_quietest_moment_is_found_to_a_hundredth_of_a_second():
    samples = np.full(RATE, 0.3, np.float32)
    samples[8000:8800] = 0.001
    assert np.array_equal(quietest(samples), samples[8000:8800])
    assert np.array_equal(quietest(samples[:100]), samples[:100])


def test_listening_measures_more_speech_in_a_longer_clip_and_less_clarity_in_noise():
    import soundfile

    assets = Path(__file__).parents[2] / "edge" / "demo" / "assets"
    samples, _ = soundfile.read(assets / "clip-1-ada.ogg", dtype="float32")
    whole, part = listen(samples), listen(samples[: len(samples) // 3])
    assert 0.5 * len(samples) / RATE < whole.speech_seconds <= len(samples) / RATE + 0.1
    assert 0 < part.speech_seconds < whole.speech_seconds
    noise = np.random.default_rng(6).normal(0, np.sqrt(np.mean(samples**2)) * 10 ** (-5 / 20), len(samples))
    noisy = listen((samples + noise).astype(np.float32))
    assert noisy.snr_db < whole.snr_db - 5
    assert listen(np.zeros(RATE, np.float32)).speech_seconds == 0
