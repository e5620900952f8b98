"""Figures, weights and thresholds."""

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="needs the extra [train]")

from edge.errors import ExtraMissingError
from training import recall
from training.classify import classical, figures
from training.classify.answers import best_threshold, pairs, tell_labels, transfer_plan
from training.classify.examples import Example
from training.classify.fit import class_weights

pytestmark = pytest.mark.training


def test_figures_are_those_worked_out_by_hand():
    truth, told = np.array([0, 0, 0, 0, 1, 1]), np.array([0, 0, 0, 1, 1, 0])
    found = figures.figures(truth, told, ["a", "a", "b", "b", "c", "c"], 3)
    assert found.accuracy == pytest.approx(4 / 6)
    assert found.uar == pytest.approx((3 / 4 + 1 / 2) / 2)
    assert found.f1 == pytest.approx((2 * 3 / 8 + 2 * 1 / 4) / 2)
    assert found.low <= found.uar <= found.high
    assert (found.examples, found.speakers) == (6, 3)
    assert recall.confusion(truth, told, 3).tolist() == [[3, 1, 0], [1, 1, 0], [0, 0, 0]]


def test_classes_weigh_the_same_and_an_example_one_on_average():
    labels = np.array([0, 0, 0, 2])
    weights = class_weights(labels, 3)
    assert weights[labels].sum() == pytest.approx(4)
    assert weights[0] * 3 == pytest.approx(weights[2])
    assert weights[1] == 0


def test_an_aspect_is_the_sum_of_its_classes():
    labels = ["female angry", "female calm", "male angry"]
    scores = np.array([[0.3, 0.3, 0.4]], np.float32)
    found = tell_labels(scores, np.array([0]), labels, ["s"], aspects=True)
    assert labels[found[""].told[0]] == "male angry"
    assert found["gender"].labels[found["gender"].told[0]] == "female"
    assert found["emotion"].labels[found["emotion"].told[0]] == "angry"


def test_the_threshold_is_the_best_one():
    cosine, same = np.array([0.1, 0.4, 0.5, 0.9], np.float32), np.array([False, False, True, True])
    assert best_threshold(cosine, same) == pytest.approx(0.5)


def rows(speakers: int = 3, clips: int = 5, parts: int = 3) -> list[Example]:
    return [
        Example(f"s{who}/{clip}.wav", float(part), 1.0, "toy", f"s{who}", "", "")
        for who in range(speakers) for clip in range(clips) for part in range(parts)
    ]  # fmt: skip


def test_pairs_of_one_person_are_of_two_recordings_and_as_many_as_of_two_people():
    examples = rows()
    trials, same = pairs(examples, np.arange(len(examples)), 1)
    assert same.sum() * 2 == len(same) == 2 * len(examples)
    for (one, other), genuine in zip(trials, same, strict=True):
        assert examples[one].path != examples[other].path
        assert (examples[one].speaker == examples[other].speaker) == genuine


@pytest.mark.parametrize("apart", [True, False])
def test_nobody_is_told_by_what_he_was_enrolled_with(apart):
    examples = rows()
    for enrolled, told in transfer_plan(examples, ["s0", "s2"], 4, apart=apart, seed=1):
        assert len(enrolled) == 4
        assert not set(enrolled) & set(told)
        shared = {examples[k].path for k in enrolled} & {examples[k].path for k in told}
        assert not shared if apart else shared


@pytest.mark.parametrize("network", ["svm", "forest", "knn", "xgboost"])
def test_a_classical_model_learns_and_says_what_it_lacks(network, monkeypatch):
    rng = np.random.default_rng(1)
    y = np.repeat([0, 2], 30)
    x = (rng.normal(size=(60, 4)) + 3 * y[:, None]).astype(np.float32)
    model = classical.Classical(network, 3, seed=1)
    model.fit(x, y)
    assert (model.scores(x).argmax(axis=1) == y).mean() > 0.95
    assert model.size > 0
    again = classical.Classical(network, 3, seed=1)
    again.fit(x, y)
    assert np.array_equal(model.scores(x), again.scores(x))
    monkeypatch.setattr(classical, "find_spec", lambda name: None)
    with pytest.raises(ExtraMissingError) as caught:
        classical.require(network)
    assert "earmark[train]" in caught.value.sentence()
