"""A recipe from recordings to a report, an interruption in between, and the comparison."""

import json

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="needs the extra [train]")

from edge.runtime import Network
from tests.training.classify.corpus import write
from training.classify import fit
from training.classify.recipe import ClassifyRecipe, Fit
from training.classify.run import run
from training.classify.scaling import Scaler
from training.compare_command import compare
from training.train_command import train

pytestmark = pytest.mark.training

TABLE = {"kind": "spectral-statistics", "seconds": 0.5}
TOY = {
    "kind": "classify", "name": "toy", "tasks": ["gender-emotion"], "sets": ["toy"], "augment": {"white": 0.2},
    "models": [{"network": "xgboost", "input": TABLE}, {"network": "dense", "input": TABLE}],
    "fit": {"epochs": 2, "batch": 64}, "split": {"parts": 2, "apart": 1, "same": 1},
    "forerunner": [{"aspect": "gender", "same": "87.84 %", "apart": "87.5 %"}],
}  # fmt: skip


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("classify")
    write(folder / "speech", speakers=8, clips=4)
    (folder / "toy.json").write_text(json.dumps(TOY))
    return folder


@pytest.fixture(scope="module")
def trained(place):
    """The toy recipe run through ``earmark compare --labels``."""
    told = compare(
        ["--labels", str(place / "toy.json"), "--speech", str(place / "speech"), "--runs", str(place / "runs"),
         "--out", str(place / "models.md"), "--html", str(place / "models.html"), "--json"]
    )  # fmt: skip
    assert told == 0
    return place / "runs" / "toy"


def test_a_report_has_both_splits_of_every_aspect(trained):
    rows = json.loads((trained / "report.json").read_text())["rows"]
    assert [(row["network"], row["aspect"]) for row in rows] == [
        (network, aspect) for network in ("xgboost", "dense") for aspect in ("gender-emotion", "gender", "emotion")
    ]
    for row in rows:
        for side in ("same", "apart"):
            assert row[side]["examples"] == 32
            assert 0 <= row[side]["low"] <= row[side]["uar"] <= row[side]["high"] <= 1
    genders = [row for row in rows if row["aspect"] == "gender"]
    assert genders[0]["same"]["uar"] > 0.9
    assert all(row["forerunner"] == {"same": "87.84 %", "apart": "87.5 %"} for row in genders)
    assert genders[0]["cpu_ms_per_s"] > 0
    network = genders[1]
    assert network["int8_bytes"] > 10_000
    assert abs(network["same"]["int8_accuracy"] - network["same"]["accuracy"]) < 0.1
    assert network["cpu_ms_per_s"] > 0


def test_everything_a_model_needs_lies_beside_it(trained):
    folder = trained / "gender-emotion-dense" / "apart-0"
    assert {path.name for path in folder.iterdir()} == {
        "weights.npz", "scaler.npz", "model.json", "model.int8.tflite", "log.csv", "result-apart.json",
    }  # fmt: skip
    assert (folder / "log.csv").read_text().startswith("epoch,seconds")
    assert Scaler.load(folder / "scaler.npz")(np.zeros((1, 32), np.float32)).shape == (1, 32)
    assert Network(folder / "model.int8.tflite").output_shape == (1, 4)
    assert json.loads((trained / "recipe.json").read_text())["recipe"]["fit"]["epochs"] == 2
    boosted = trained / "gender-emotion-xgboost"
    assert sum(json.loads((boosted / "same-0" / "importances.json").read_text()).values()) == pytest.approx(1, abs=1e-4)
    for path in (boosted / "same-0" / "importances.png", boosted / "confusion-gender-apart.png"):
        assert path.read_bytes().startswith(b"\x89PNG")
    counted = json.loads((boosted / "confusion-gender-apart.json").read_text())
    assert counted["labels"] == ["female", "male"]
    assert np.sum(counted["rows_are_the_truth"]) == 32


def test_the_document_and_the_page_show_every_row(trained, place):
    document, page = ((place / name).read_text() for name in ("models.md", "models.html"))
    for text in (document, page):
        assert text.count("dense") >= 3
        assert "87.84 %" in text
        assert "XGBoost" in text or "xgboost" in text
    assert "What the split does" in document
    assert page.count("data:image/png") >= 12


def test_a_second_run_trains_nothing(trained, place, capsys, monkeypatch):
    monkeypatch.setattr(fit.Fitting, "_epoch", lambda self: pytest.fail("an epoch"))
    files = ["--speech", str(place / "speech"), "--out", str(trained), "--cache", str(place / "runs" / "features")]
    assert train([str(place / "toy.json"), *files, "--json"]) == 0
    told = capsys.readouterr()
    assert len(json.loads(told.out)["rows"]) == 6
    assert "features:" not in told.err
    labels = ["--labels", str(place / "toy.json"), "--speech", str(place / "speech"), "--runs", str(place / "runs")]
    assert compare([*labels, "--ready"]) == 0
    assert "gender and emotion" in capsys.readouterr().out


def test_a_folder_of_another_recipe_is_refused(trained, place, tmp_path, capsys):
    (tmp_path / "other.json").write_text(json.dumps(TOY | {"seed": 7}))
    assert train([str(tmp_path / "other.json"), "--speech", str(place / "speech"), "--out", str(trained)]) == 2
    assert "another recipe" in capsys.readouterr().err


def test_what_has_not_been_run_is_said(place, tmp_path, capsys):
    labels = ["--labels", "gender-xgboost", "--speech", str(place / "speech"), "--runs", str(tmp_path), "--ready"]
    assert compare(labels) == 1
    assert "gender-xgboost has not been run" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"tasks": ["age"]}, "age"),
        ({"epochs": 3}, "epochs"),
        ({"models": [{"network": "magic", "input": TABLE}]}, "magic"),
        ({"models": [{"network": "svm", "input": {"kind": "smell"}}]}, "smell"),
        ({"models": [{"network": "svm"}]}, "input"),
        ({"fit": {"epochs": 0}}, "fit.epochs"),
        ({"split": {"parts": 2, "apart": 3}}, "split.apart"),
        ({"sets": ["nowhere"]}, "nowhere"),
        ({"models": 3}, "kind"),
    ],
)
def test_a_wrong_recipe_is_one_sentence(place, tmp_path, capsys, change, word):
    (tmp_path / "wrong.json").write_text(json.dumps(TOY | change))
    assert train([str(tmp_path / "wrong.json"), "--speech", str(place / "speech"), "--out", str(tmp_path / "o")]) == 2
    told = capsys.readouterr().err
    assert told.startswith("earmark: ")
    assert word in told
    assert told.count("\n") == 1


def test_a_label_recipe_wants_recordings_and_a_network_wants_features(tmp_path, capsys):
    assert train(["gender-xgboost", "--out", str(tmp_path)]) == 2
    assert "--speech" in capsys.readouterr().err
    assert train(["slim-550", "--teacher", "none.npz", "--out", str(tmp_path)]) == 2


@pytest.mark.parametrize(
    ("task", "network", "what"),
    [
        ("verify-one", "svm", {"kind": "mfcc-moments", "seconds": 0.5}),
        ("transfer", "spectral-ann", {"kind": "spectral-means", "seconds": 0.5}),
        ("speaker", "knn", {"kind": "voice-table", "seconds": 0.5}),
    ],
)
def test_every_other_task_tells_better_than_chance_what_it_was_learnt_with(place, tmp_path, task, network, what):
    split = {"parts": 2, "apart": 1, "same": 1, "new_speakers": 3, "enrol_segments": 2}
    models = [{"network": network, "input": what}]
    recipe = ClassifyRecipe.from_json(TOY | {"tasks": [task], "models": models, "augment": {}, "split": split})
    (row,) = run(recipe, place / "speech", tmp_path, cache=None, convert=None, say=lambda line: None)["rows"]
    classes = {"verify-one": 2, "transfer": 3, "speaker": 8}[task]
    assert row["same"]["uar"] > 1.2 / classes
    assert row["apart"]["examples"] > 0
    assert row["int8_bytes"] is None


def test_a_network_that_learnt_speakers_verifies_others(place, tmp_path):
    what = {"kind": "mfcc-sequence", "seconds": 0.5, "coefficients": 5, "frames": 16}
    changed = {"tasks": ["verify"], "models": [{"network": "cnn-lstm", "input": what}], "augment": {}}
    recipe = ClassifyRecipe.from_json(TOY | changed | {"split": {"parts": 2, "apart": 1, "same": 0}})
    (row,) = run(recipe, place / "speech", tmp_path, cache=None, convert=None, say=lambda line: None)["rows"]
    assert row["apart"]["examples"] == 64  # each of 32 segments against its speaker and against somebody else
    assert row["apart"]["speakers"] == 4
    assert "same" not in row
    told = json.loads((tmp_path / "verify-cnn-lstm" / "apart-0" / "model.json").read_text())
    tested = json.loads((tmp_path / "verify-cnn-lstm" / "apart-0" / "result-apart.json").read_text())
    assert not set(told["labels"]) & set(tested["float"][""]["owners"])


def tiny():
    import keras

    return keras.Sequential([keras.layers.Input((6,)), keras.layers.Dropout(0.2), keras.layers.Dense(2, "softmax")])


class Stopped(Exception):
    """In place of Ctrl-C."""


def test_an_interrupted_run_ends_with_the_same_weights(tmp_path):
    rng = np.random.default_rng(3)
    y = rng.integers(0, 2, 64)
    x = (rng.normal(size=(64, 6)) + y[:, None]).astype(np.float32)
    lesson = fit.Lesson(x[:48], y[:48], x[48:], y[48:], 2)
    choices = Fit(epochs=3, batch=16, patience=4, schedule="cosine")

    def learn(folder, stop=None):
        def say(line):
            if stop and line.startswith(f"epoch {stop + 1}/"):
                raise Stopped

        return fit.Fitting(tiny, choices, lesson, folder, seed=5).run(say)

    whole = learn(tmp_path / "whole").get_weights()
    with pytest.raises(Stopped):
        learn(tmp_path / "cut", stop=1)
    assert (tmp_path / "cut" / "checkpoint.npz").exists()
    resumed = learn(tmp_path / "cut").get_weights()
    assert all(np.array_equal(one, other) for one, other in zip(whole, resumed, strict=True))
    assert not (tmp_path / "cut" / "checkpoint.npz").exists()


def test_it_stops_when_it_gets_no_better_and_keeps_the_best_epoch(tmp_path):
    rng = np.random.default_rng(4)
    x, y = rng.normal(size=(40, 6)).astype(np.float32), rng.integers(0, 2, 40)
    lesson = fit.Lesson(x, y, x[:20], 1 - y[:20], 2)  # whatever it learns is wrong
    choices = Fit(epochs=30, patience=3, learning_rate=0.05, batch=20)
    fitting = fit.Fitting(tiny, choices, lesson, tmp_path, seed=1)
    fitting.run(lambda line: None)
    assert fitting.epochs < 30
    losses = [float(line.split(",")[4]) for line in (tmp_path / "log.csv").read_text().splitlines()[1:]]
    judged = fit.probabilities(fitting.model, lesson.judge_x)[np.arange(20), lesson.judge_y]
    weights = fit.class_weights(lesson.judge_y, 2)[lesson.judge_y]
    assert np.average(-np.log(judged), weights=weights) == pytest.approx(min(losses), abs=1e-3)
