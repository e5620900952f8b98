"""Forms of calibration, each measured on the kind of recording that it was not fitted on."""

from __future__ import annotations

import json

import numpy as np
import pytest

from edge.scoring import FEATURE_NAMES, calibration_features
from training import crossvalidate
from training.calibration import Material, balance
from training.crossvalidate import Form

COSINE = Form("cosine", ("bias", "cosine"))
MODEST = Form("modest", ("bias", "cosine"), outliers=True)
MOODS = Form("moods", ("bias", "cosine"), mood_share=0.3)
LENGTH = Form("length", ("bias", "cosine", "log_test"))


def world(strange: float = 0.0, n: int = 9000) -> Material:
    """Three kinds alike; a third of the tests in moods, where this share of genuine trials scores like impostors.

    A cosine is worth less in short tests.
    """
    rng = np.random.default_rng(6)
    target = np.arange(n) < n // 3
    moody = np.arange(n) % 3 == 0
    seconds = np.exp(rng.uniform(np.log(0.7), np.log(8.0), n))
    cosine = np.where(target, 0.6, 0.2) + 0.1 * rng.normal(size=n) - 0.12 * np.log(3.0 / seconds)
    cosine -= 0.4 * (target & moody & (rng.random(n) < strange))
    features = calibration_features(
        cosine, test_seconds=seconds, enrol_seconds=10.0, enrol_clips=3.0, spread=0.8, snr_db=20.0,
        cohort_test=0.3, cohort_enrol=0.3,
    )  # fmt: skip
    domains = np.array(["a", "b", "c"])[rng.integers(0, 3, n)]
    enrol = rng.integers(0, 30, n)
    test = np.where(target, enrol, (enrol + rng.integers(1, 30, n)) % 30)
    who = [np.char.add("p", x.astype(str)) for x in (enrol, test)]
    no = np.zeros(n, bool)
    return Material(features, target, balance(np.ones(n), target, domains), domains, domains, *who, no, moody)


def compared(material: Material, *forms: Form) -> dict[str, list[crossvalidate.Result]]:
    return crossvalidate.compare(dict.fromkeys("abc", material), forms)


def mean(results: list[crossvalidate.Result], name: str, moody: bool) -> float:
    return float(np.mean([getattr(one, name) for one in results if one.moody == moody]))


def test_every_kind_is_measured_calm_and_in_moods_at_every_threshold():
    found = compared(world(), COSINE)["cosine"]
    assert [(one.kind, one.moody) for one in found] == [(kind, moody) for kind in "abc" for moody in (False, True)]
    for one in found:
        assert len(one.far) == len(one.frr) == len(crossvalidate.FARS)
        assert list(one.far) == sorted(one.far, reverse=True) and list(one.frr) == sorted(one.frr)
        assert one.far[0] == pytest.approx(0.01, abs=0.008), "the kinds are alike, so the threshold holds"


def test_what_helps_is_seen():
    found = compared(world(), COSINE, LENGTH)
    assert mean(found["length"], "cllr", False) < 0.9 * mean(found["cosine"], "cllr", False)


def test_outliers_help_where_people_do_not_sound_like_themselves_and_cost_little_elsewhere():
    found = compared(world(strange=0.3), COSINE, MODEST, MOODS)
    surest, modest, moods = (mean(found[name], "ece", True) for name in ("cosine", "modest", "moods"))
    assert moods < surest, "a fit that has heard moods believes itself less"
    clean = compared(world(), COSINE, MODEST)
    assert mean(clean["modest"], "cllr", False) == pytest.approx(mean(clean["cosine"], "cllr", False), abs=0.005)
    assert modest <= surest + 0.01


def test_a_kind_is_never_measured_by_what_was_fitted_on_it():
    """Whatever the labels of kind a say, the figures of a change with its own labels only through being measured."""
    material = world()
    fitted: list[tuple[str, ...]] = []
    original = crossvalidate.calibration.fit

    def spy(known: Material, *rest: object, **more: object) -> dict[str, float]:
        fitted.append(tuple(np.unique(known.domains)))
        return original(known, *rest, **more)

    crossvalidate.calibration.fit = spy
    try:
        crossvalidate.compare({"a": material}, [COSINE, MODEST])
    finally:
        crossvalidate.calibration.fit = original
    assert fitted and all("a" not in kinds for kinds in fitted)


def test_thinning_keeps_the_weights_of_kinds():
    thin = crossvalidate.thinned(world(), most=100)
    assert len(thin.target) == 3 * 2 * 2 * 100
    for kind in "abc":
        for target in (True, False):
            rows = (thin.domains == kind) & (thin.target == target)
            assert thin.weights[rows].sum() == pytest.approx(1 / 3)


def test_the_table_names_the_kinds_and_the_json_holds_all_figures():
    found = compared(world(n=3000), COSINE, MODEST)
    text = crossvalidate.table(found, markdown=True)
    assert "| modest |" in text and "a, b, c" in text
    plain = json.loads(json.dumps(crossvalidate.to_json(found)))
    assert len(plain["forms"]["modest"]) == 6 and plain["fars"] == list(crossvalidate.FARS)


def test_every_form_weighs_what_the_device_can_compute():
    for form in crossvalidate.FORMS:
        assert set(form.names) <= set(FEATURE_NAMES)
    assert len({form.words for form in crossvalidate.FORMS}) == len(crossvalidate.FORMS)
