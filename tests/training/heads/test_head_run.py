"""A label head from a folder of voices to a pack that a bundle takes."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import soundfile
from sklearn.linear_model import LogisticRegression

import edge
from edge.errors import UsageError
from tests.convert.tiny import voice
from tests.edge import small_bundles
from training.corpus import COLUMNS, Recording
from training.heads import run as run_module
from training.heads.figures import softmax
from training.heads.heard import Heard, trimmed, windows
from training.heads.learn import centred, learn, logits, tell, truth
from training.heads.published import answers, figures, sureness
from training.heads.recipe import HeadRecipe, Measure
from training.heads.regression import fit
from training.heads.told import text
from training.train_command import recipe_path, train

pytestmark = pytest.mark.training

QUIET = {"place_kept": 0.0, "room": 0.0, "noise": 0.0, "babble": 0.0, "coloured": 1.0, "codec": 0.0, "band_limit": 0.0}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Two sets of low and high voices, a file that is no audio, a bundle and a recipe."""
    folder = tmp_path_factory.mktemp("heads")
    rows = ["\t".join(COLUMNS)]
    for number in range(12):
        name, low = ("one", "two")[number % 2], number % 4 < 2
        samples = np.concatenate([np.zeros(16_000), voice(number, 0.9, (95 if low else 210) + 3 * number)])
        path = f"{name}/{number}.wav"
        (folder / name).mkdir(exist_ok=True)
        soundfile.write(folder / path, samples, 16_000, subtype="PCM_16")
        fields = (path, "train", name, f"s{number // 2}", "m" if low else "f", "", "en", "1.9", "CC0-1.0", "made up")
        rows.append("\t".join(fields))
    (folder / "one" / "bad.wav").write_bytes(b"nothing")
    rows.append("one/bad.wav\ttrain\tone\ts99\tf\t\ten\t1\tCC0-1.0\tmade up")
    (folder / "manifest.tsv").write_text("\n".join(rows) + "\n")
    small_bundles.make(folder / "small")
    shipped = json.loads(recipe_path("gender").read_text())
    changes = {
        "sets": ["one", "two"],
        "copies": {"hiss": QUIET},
        "guessed_sets": [],
        "learnt_copies": ["hiss"],
        "measures": [
            {"test": "one", "protocol": "sets", "teaches_doubt": True},
            {"test": "two", "protocol": "speaker", "copy": "hiss"},
        ],
    }
    (folder / "recipe.json").write_text(json.dumps(shipped | changes))
    return folder


def run(place, out, *more):
    files = ("--bundle", str(place / "small"), "--speech", str(place), "--out", str(out))
    return train([str(place / "recipe.json"), *files, *more])


def test_a_head_is_learnt_measured_and_put_on_its_bundle(place, tmp_path, capsys):
    assert run(place, tmp_path, "--json") == 0
    told = capsys.readouterr()
    report = json.loads(told.out)
    rows = report["figures"]["small"]
    assert [(row["test"], row["copy"], row["left_out"], row["utterances"]) for row in rows] == [
        ("one", "", "sets", 6),
        ("two", "hiss", "speaker", 6),
    ]
    assert all(0 <= row["uar"] <= 1 for row in rows)
    assert [row["learnt_from"] for row in rows] == [["two"], ["one", "two"]]
    assert any("bad.wav" in line for line in report["set_aside"])
    assert HeadRecipe.from_json(report["recipe"]).columns == ("female", "male")
    bundle = edge.open_bundle(place / "small", packs=[tmp_path / "pack"])
    answer = bundle.gender(voice(3, 1.0, 120.0))
    assert set(answer) == {"female", "male"}
    assert sum(answer.values()) == pytest.approx(1)
    assert json.loads((tmp_path / "pack" / "card.json").read_text())["figures"]["small"] == rows
    assert run(place, tmp_path, "--quiet") == 0
    assert "one" in capsys.readouterr().out


def test_without_speech_or_labels_there_is_one_sentence(place, tmp_path, capsys):
    assert train([str(place / "recipe.json"), "--out", str(tmp_path)]) == 2
    assert "--speech" in capsys.readouterr().err
    wrong = json.loads((place / "recipe.json").read_text()) | {"sets": ["three"]}
    (tmp_path / "wrong.json").write_text(json.dumps(wrong))
    assert train([str(tmp_path / "wrong.json"), "--speech", str(place), "--out", str(tmp_path)]) == 2
    assert "nothing of the set three" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"label": "age"}, "no label 'age'"),
        ({"learnt_copies": ["echo"]}, "no copy 'echo'"),
        ({"classes": {"f": "female"}}, "needs two classes"),
        ({"surprise": 1}, "has no 'surprise'"),
        ({"measures": [{"test": "one", "protocol": "nobody"}]}, "leave out 'nobody'"),
        ({"measures": [{"test": "one", "protocol": "sets", "plain": True, "teaches_doubt": True}]}, "teach it doubt"),
        ({"measures": [{"test": "one", "protocol": "sets", "classes": ["child"]}]}, "no class 'child'"),
    ],
)
def test_a_recipe_that_makes_no_sense_is_refused(place, changes, words):
    with pytest.raises(UsageError, match=words):
        HeadRecipe.from_json(json.loads((place / "recipe.json").read_text()) | changes)


@pytest.mark.parametrize("name", ["gender", "emotion-ravdess"])
def test_shipped_recipes_are_read_and_written(name):
    raw = json.loads(recipe_path(name).read_text())
    recipe = HeadRecipe.from_json(raw)
    assert HeadRecipe.from_json(json.loads(json.dumps(recipe.to_json()))) == recipe


def test_silence_around_the_speech_is_left_away():
    speech = voice(1, 1.0, 130.0)
    found = trimmed(np.concatenate([np.zeros(20_000, np.float32), speech, np.zeros(9_000, np.float32)]))
    assert len(speech) <= len(found) + 800
    assert len(found) <= len(speech) + 2 * 4800 + 320
    np.testing.assert_array_equal(trimmed(np.zeros(50, np.float32)), np.zeros(50))


def made_up(seed: int = 0) -> list[Heard]:
    """Three sets of people whose statistics depend on their gender, with windows of different weights."""
    rng = np.random.default_rng(seed)
    found = []
    for name in ("one", "two", "three"):
        for person in range(6):
            for _ in range(2):
                row = Recording("", "train", name, f"s{person}", "fm"[person % 2], "", "", 1.0, "", "")
                pooled = rng.normal(person % 2, 0.5, (3, 4)).astype(np.float32)
                found.append(Heard(row, "", pooled, np.array([1, 2, 0], np.float32)))
    return found


@pytest.mark.parametrize("protocol", ["sets", "speakers", "speaker"])
def test_nobody_is_told_by_a_head_that_learnt_from_him(place, protocol, monkeypatch):
    recipe = HeadRecipe.from_json(
        json.loads((place / "recipe.json").read_text()) | {"sets": ["one", "two", "three"], "learnt_copies": []}
    )
    pairs = []

    def learning(recipe, heard):
        pairs.append({(one.row.set, one.row.speaker) for one in heard})
        return learn(recipe, heard)

    monkeypatch.setattr("training.heads.learn.learn", learning)
    asked = []
    monkeypatch.setattr(
        "training.heads.learn.logits",
        lambda head, heard: (asked.append({(one.row.set, one.row.speaker) for one in heard}), logits(head, heard))[1],
    )
    told = tell(recipe, Measure(test="two", protocol=protocol), made_up())
    assert len(told.heard) == 12
    assert len(asked) == {"sets": 1, "speakers": 6, "speaker": 6}[protocol]
    for known, mine in zip(pairs, asked, strict=True):
        assert not known & mine
        assert protocol != "sets" or not any(name == "two" for name, _ in known)
    assert Counter(person for people in asked for person in people) == dict.fromkeys(
        {("two", f"s{n}") for n in range(6)}, 1
    )


def moody(seed: int = 0) -> list[Heard]:
    """People of two sets whose statistics depend on their mood, and much more on who they are."""
    rng = np.random.default_rng(seed)
    found = []
    for name in ("one", "two"):
        for person in range(6):
            own = rng.normal(0, 5, 6).astype(np.float32)
            for take, mood in enumerate(("happy", "sad", "angry") * 3):
                row = Recording(str(take), "train", name, f"s{person}", "fm"[person % 2], "", "", 1.0, "", "")
                row = replace(row, emotion=mood)
                mean = own + np.eye(6, dtype=np.float32)[take % 3] + (person % 2) * np.float32([0, 0, 0, 9, 0, 0])
                found.append(
                    Heard(row, "", mean + rng.normal(0, 0.1, (2, 6)).astype(np.float32), np.ones(2, np.float32))
                )
    return found


@pytest.fixture
def moods():
    raw = json.loads(recipe_path("emotion-ravdess").read_text())
    measures = [{"test": "two", "protocol": "sets", "teaches_doubt": True}]
    return HeadRecipe.from_json(raw | {"sets": ["one"], "learnt_copies": [], "measures": measures})


def test_without_the_means_of_people_what_is_left_is_the_mood(moods):
    shares = {}
    for centring in (False, True):
        told = tell(moods, Measure(test="two", protocol="sets", centred=centring), moody())
        shares[centring] = np.mean(told.logits.argmax(axis=1) == truth(moods, told.heard))
    assert shares[False] < 0.7
    assert shares[True] > 0.99
    means = {}
    for one in centred(moody()):
        means.setdefault(one.person, []).append(one.pooled.mean(axis=0))
    assert all(np.abs(np.mean(rows, axis=0)).max() < 1e-4 for rows in means.values())


def test_a_measure_of_some_classes_neither_learns_nor_tells_the_others(moods):
    told = tell(moods, Measure(test="two", protocol="sets", classes=("happy", "sad")), moody())
    assert {one.row.emotion for one in told.heard} == {"happy", "sad"}
    assert told.logits.shape == (2 * 6 * 3, 2)


@pytest.mark.parametrize("classes", [(), ("happy", "sad")])
def test_the_plain_head_is_a_logistic_regression(moods, classes):
    measure = Measure(test="two", protocol="sets", plain=True, classes=classes, centred=True)
    told = tell(moods, measure, moody())
    narrow = moods.only(classes)
    known = [one for one in centred(moody()) if one.row.set == "one" and one.row.emotion in narrow.classes]
    x = np.stack([one.pooled.mean(axis=0) for one in known])
    centre, scale = x.mean(axis=0), x.std(axis=0) + 1e-4
    model = LogisticRegression(max_iter=1000).fit((x - centre) / scale, [one.row.emotion for one in known])
    seen = {one.row.path + one.person: one for one in centred(moody())}
    means = np.stack([seen[one.row.path + one.person].pooled.mean(axis=0) for one in told.heard])
    expected = model.predict_proba((means - centre) / scale)
    columns = [narrow.columns.index(narrow.classes[word]) for word in model.classes_]
    np.testing.assert_allclose(softmax(told.logits)[:, columns], expected, atol=1e-4)


def test_a_pair_is_right_where_both_are(moods):
    measure = Measure(test="two", protocol="speakers", learn=("two",), with_gender=True, classes=("happy", "sad"))
    heard = moody()
    row = run_module._row(moods, measure, tell(moods, measure, heard), run_module._gender(moods, measure, heard))
    assert row["how"] == "2 classes, gender and label"
    assert set(row["recall"]) == {"female happy", "female sad", "male happy", "male sad"}
    assert row["utterances"] == 36
    assert "published" not in row
    assert "gender and label" in text({"accurate": [row]})


def test_each_recording_weighs_the_same_however_many_windows_it_has():
    heard = made_up()
    _, owner, weights = windows(heard)
    np.testing.assert_allclose(np.bincount(owner, weights), 1.0, atol=1e-4)


def test_what_the_first_head_is_sure_of_is_learnt_from_too(place, monkeypatch):
    raw = json.loads((place / "recipe.json").read_text()) | {"sets": ["one"], "learnt_copies": []}
    recipe = HeadRecipe.from_json(raw | {"guessed_sets": ["two"], "guessed_above": 0.9})
    labelled = [one for one in made_up() if one.row.set == "one"]
    others = [replace(one, row=replace(one.row, set="two", speaker="", path=str(n))) for n, one in enumerate(labelled)]
    others = [replace(one, row=replace(one.row, gender=""), pooled=2 * one.pooled) for one in others]
    others.append(replace(others[0], pooled=np.full((3, 4), 0.5, np.float32)))
    learnt = []
    monkeypatch.setattr(
        "training.heads.learn.fit", lambda x, y, *more: (learnt.append((len(x), np.unique(y))), fit(x, y, *more))[1]
    )
    learn(recipe, [*labelled, *others])
    (first, _), (second, classes) = learnt
    assert first == 3 * len(labelled)
    assert first < second < 3 * (len(labelled) + len(others)), "the doubtful one is left out"
    assert classes.tolist() == [0, 1]
    assert len({one.person for one in others[:-1]}) == len(labelled), "strangers are one by one"


def test_what_is_published_follows_the_rules_of_the_device():
    recipe = HeadRecipe.from_json(json.loads(recipe_path("emotion-ravdess").read_text()))
    p = np.zeros((5, len(recipe.columns)))
    at = recipe.columns.index
    p[0, [at("calm"), at("boredom")]] = 0.5  # neutral
    p[1, [at("fear"), at("disgust"), at("angry")]] = 0.35, 0.25, 0.4  # an emotion that is none of the four
    p[2, [at("angry"), at("happy")]] = 0.7, 0.3
    p[3, [at("sad"), at("happy")]] = 0.45, 0.3  # not sure enough
    p[4, at("happy")] = 1.0
    assert sureness(recipe, p).tolist() == [1.0, 0.4, 0.7, 0.45, 1.0]
    said = answers(recipe, p, np.full(5, 0.5))
    assert said == ["neutral", "unsure", "angry", "unsure", "happy"]
    truth_of = np.array([at(one) for one in ("neutral", "fear", "sad", "sad", "happy")])
    assert figures(recipe, truth_of, said) == {
        "told": 0.6,
        "right": pytest.approx(2 / 3, abs=1e-4),
        "recall": {"neutral": 1.0, "happy": 1.0, "sad": 0.0},
    }
