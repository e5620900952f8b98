"""Judging labels: folds that divide nobody, guesses from strangers only, and planted labels found."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.errors import UsageError
from training.corpus import Recording
from training.explore import guess, sheet
from training.explore.folds import grouped
from training.explore.hear import Heard
from training.explore.measures import MEASURES
from training.explore.rows import NO_SPEECH, contents, draw
from training.explore.suspects import review, suspicious

MOODS = ("angry", "calm", "happy", "sad")


def row(number: int, speaker: str = "s", gender: str = "f", emotion: str = "", name: str = "made") -> Recording:
    return Recording(f"{number}.wav", "train", name, speaker, gender, emotion, "en", 2.0, "", "")


def heard(rows: list[Recording], vectors: np.ndarray) -> Heard:
    measures = np.random.default_rng(1).normal(size=(len(rows), len(MEASURES)))
    unit = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return Heard(tuple(rows), measures, np.zeros((len(rows), 40)), unit, (), ())


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 9)), min_size=2, max_size=60), st.integers(2, 6),
    st.integers(0, 5),
)  # fmt: skip
def test_a_group_is_never_divided_and_two_groups_of_a_class_lie_apart(pairs, count, seed):
    labels = np.array([label for label, _ in pairs])
    groups = [f"{label} {group}" for label, group in pairs]  # everybody has one class
    fold_of = grouped(labels, groups, count, seed)
    for name in set(groups):
        assert len({int(fold) for fold, group in zip(fold_of, groups, strict=True) if group == name}) == 1
    for label in set(labels.tolist()):
        mine = {group for group, one in zip(groups, labels, strict=True) if one == label}
        if len(mine) > 1:
            assert len(set(fold_of[labels == label].tolist())) > 1
    assert np.array_equal(fold_of, grouped(labels, groups, count, seed))


def test_a_guess_never_comes_from_the_same_group():
    """Features that name the speaker and say nothing else would be right everywhere if folds leaked."""
    rng = np.random.default_rng(2)
    groups = [str(number % 20) for number in range(200)]
    labels = rng.integers(0, 2, 20)[[int(group) for group in groups]]
    found = guess.by_regression(np.eye(20)[[int(group) for group in groups]], labels, groups, 1)
    assert np.allclose(found.sum(axis=1), 1)
    assert np.ptp(found[:, 0]) < 0.35, "an unknown speaker gets about the share of the classes"


def test_the_slope_of_the_regression_is_zero_where_it_stops():
    rng = np.random.default_rng(3)
    x, labels = rng.normal(size=(80, 5)), rng.integers(0, 3, 80)
    weights = guess.fit(x, labels, 0.1)
    weight = 1 / (3 * np.bincount(labels)[labels])
    error = (guess.apply(x, weights) - np.eye(3)[labels]) * weight[:, None]
    assert np.abs(x.T @ error + 0.1 / 5 * weights[:-1]).max() < 1e-4
    assert np.abs(error.sum(axis=0)).max() < 1e-4


def test_a_clip_is_left_out_of_its_own_voice_and_a_single_clip_is_not_judged():
    vectors = np.eye(4, dtype=np.float32)[[0, 0, 1, 1, 2]]
    found = guess.by_likeness(vectors, np.array([0, 0, 0, 1, 2]))
    assert found[0].argmax() == 0 and found[1].argmax() == 0
    assert found[2].argmax() == 1, "its own copy is what would have spoken for the wrong label"
    assert np.isnan(found[3]).all() and np.isnan(found[4]).all()


def test_three_planted_emotions_are_found_among_people_who_differ_more_than_their_moods():
    rng = np.random.default_rng(4)
    moods, rows, vectors = 0.7 * rng.normal(size=(4, 24)), [], []
    for person in range(12):
        voice = 2 * rng.normal(size=24)
        for number in range(12):
            rows.append(row(len(rows), f"p{person}", emotion=MOODS[number % 4]))
            vectors.append(voice + moods[number % 4] + 0.25 * rng.normal(size=24))
    planted = {7: "calm", 50: "angry", 100: "calm"}
    for number, wrong in planted.items():
        assert rows[number].emotion != wrong
        rows[number] = row(number, rows[number].speaker, emotion=wrong)
    found = review(heard(rows, np.array(vectors)), "emotion", 1)
    assert {int(one.row.path.partition(".")[0]) for one in found.suspects[:4]} >= set(planted)
    assert found.judged == len(rows) and found.agreement > 0.8


def test_a_suggestion_is_a_class_of_the_clips_own_set():
    rng = np.random.default_rng(5)
    rows, vectors = [], []
    for number in range(80):
        name, moods = (("one", ("angry", "calm")), ("other", ("angry", "sad")))[number % 2]
        rows.append(row(number, f"{name}{number % 10}", emotion=moods[number // 2 % 2], name=name))
        vectors.append(rng.normal(size=8))
    for one in review(heard(rows, np.array(vectors)), "emotion", 1).suspects:
        assert one.suggested in {"one": ("angry", "calm"), "other": ("angry", "sad")}[one.row.set]


def test_what_cannot_be_judged_has_a_reason():
    rows = [row(number, f"p{number % 3}", gender="f") for number in range(12)]
    assert "the same" in review(heard(rows, np.eye(12)), "gender", 1).reason
    assert "only 0" in review(heard(rows, np.eye(12)), "emotion", 1).reason
    assert "bundle" in review(heard(rows, np.ones((12, 0))), "speaker", 1).reason
    lone = [row(number, f"p{number % 2}", gender="fm"[number % 2]) for number in range(12)]
    assert "another speaker" in review(heard(lone, np.eye(12)), "gender", 1).reason


def test_a_label_is_suspect_where_it_is_far_less_probable_than_its_class_usually_is():
    found = np.array([[0.9, 0.1], [0.8, 0.2], [0.45, 0.55], [0.2, 0.8], [0.1, 0.9], [0.05, 0.95], [0.2, 0.8]])
    labels = np.array([0, 0, 0, 1, 1, 0, 0])
    assert suspicious(found, labels, np.ones(7, bool)) == [(5, 1), (6, 1)], "0.45 is nearly what is usual"
    assert suspicious(found, labels, labels == 1) == []


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 5)), min_size=1, max_size=80), st.integers(1, 30))
def test_a_draw_gives_every_set_its_turn_and_nothing_twice(pairs, count):
    rows = [row(n, f"p{person}" if person else "", name=f"set{one}") for n, (one, person) in enumerate(pairs)]
    noise = [Recording("n.wav", split, "n", "", "", "", "", 1.0, "", "") for split in sorted(NO_SPEECH)]
    chosen = draw([*rows, *noise], count, 1)
    assert len(chosen) == min(count, len(rows)) == len({one.path for one in chosen})
    assert [one.path for one in rows if one in chosen] == [one.path for one in chosen]
    sets = {one.set for one in rows}
    if count >= 4 * len(sets):
        assert {one.set for one in chosen} == sets
    assert chosen == draw([*rows, *noise], count, 1)


def test_a_manifest_cannot_reach_out_of_its_folder(tmp_path):
    (tmp_path / "manifest.tsv").write_text(
        "path\tsplit\tset\tspeaker\tgender\temotion\tlanguage\tseconds\tlicence\tsource\n"
        "../secret.wav\ttrain\ta\t\t\t\t\t1\t\t\n/etc/passwd\ttrain\ta\t\t\t\t\t1\t\t\na.wav\ttrain\ta\t\t\t\t\t1\t\t\n"
    )
    found = contents(tmp_path)
    assert [one.path for one in found.rows] == ["a.wav"]
    assert [one.path for one in found.problems] == ["../secret.wav", "/etc/passwd"]


@pytest.fixture
def small(tmp_path):
    (tmp_path / "manifest.tsv").write_text(
        "path\tsplit\tset\tspeaker\tgender\temotion\tlanguage\tseconds\tlicence\tsource\textra\n"
        + "".join(f"{n}.wav\ttrain\ta\tp{n}\t{'fm'[n % 2]}\t\ten\t1.500\t\t\tkept {n}\n" for n in range(4))
    )
    return tmp_path


def decided(folder, *lines):
    path = folder / "sheet.tsv"
    path.write_text("decide\tlabel\tpath\tgiven\tsuggested\n" + "".join(line + "\n" for line in lines))
    return path


def test_decisions_change_what_they_name_and_nothing_else(small):
    decisions = ("change\tgender\t0.wav\tf\tm", "keep\tgender\t1.wav\tm\tf", "drop\tspeaker\t2.wav\tp2\tp0",
                 "unknown\tgender\t3.wav\tm\tf", "p1\tspeaker\t0.wav\tp0\tp3", "\tspeaker\t1.wav\tp1\tp0")  # fmt: skip
    text, done = sheet.apply(decided(small, *decisions), small)
    before = (small / "manifest.tsv").read_text().splitlines()
    assert text.splitlines() == [
        before[0], before[1].replace("p0\tf", "p1\tm"), before[2], before[4].replace("p3\tm", "p3\t")
    ]  # fmt: skip
    assert done == {"changed": 3, "dropped": 1}


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("mael\tgender\t0.wav\tf\tm", "Line 2.*'mael'"),
        ("change\tgender\tgone.wav\tf\tm", "a path"),
        ("change\tgender\t1.wav\tf\tm", "by now"),
        ("change\tsplit\t1.wav\ttrain\tdev", "a label"),
    ],
)
def test_a_decision_that_cannot_be_followed_is_refused_with_its_line(small, line, named):
    with pytest.raises(UsageError, match=named):
        sheet.apply(decided(small, line), small)
