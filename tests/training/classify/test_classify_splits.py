"""Who is learnt from is not tested on."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.errors import UsageError
from training.classify.examples import Example
from training.classify.recipe import Split
from training.classify.splits import folds


def examples(speakers: int, clips: int, segments: int) -> list[Example]:
    return [
        Example(
            f"toy/s{who}/{clip}.wav", 2.0 * part, 2.0, "toy", f"toy/s{who}", ("female", "male")[who % 2], "", change
        )
        for who in range(speakers)
        for clip in range(clips)
        for part in range(segments)
        for change in (("", "white") if part == 0 else ("",))
    ]


def sides(fold, key):
    return [{key(k) for k in side} for side in (fold.learn, fold.judge, fold.test)]


@settings(max_examples=12, deadline=None)
@given(speakers=st.integers(8, 30), clips=st.integers(4, 6), parts=st.integers(2, 4), seed=st.integers(0, 99))
def test_no_speaker_is_on_two_sides_and_everybody_is_tested_once(speakers, clips, parts, seed):
    rows = examples(speakers, clips, 2)
    made = folds(rows, "gender", Split(parts=parts, apart=parts), "apart", seed)
    tested = np.concatenate([fold.test for fold in made])
    assert sorted(tested) == [k for k, one in enumerate(rows) if not one.change]
    for fold in made:
        learn, judge, test = sides(fold, lambda k: rows[k].speaker)
        assert not learn & judge
        assert not (learn | judge) & test


@pytest.mark.parametrize("task", ["gender", "speaker", "verify", "verify-one"])
@pytest.mark.parametrize("protocol", ["same", "apart"])
def test_a_changed_copy_stays_with_its_original_and_is_only_learnt_from(task, protocol):
    rows = examples(12, 8, 2)
    for fold in folds(rows, task, Split(apart=4, same=4), protocol, 1):
        learn, judge, test = sides(fold, lambda k: (rows[k].path, rows[k].start))
        assert not learn & (judge | test)
        assert not any(rows[k].change for k in [*fold.judge, *fold.test])


def test_of_a_closed_set_apart_means_other_recordings_and_same_the_same_ones():
    rows = examples(6, 12, 3)
    apart, same = (folds(rows, "speaker", Split(), protocol, 1)[0] for protocol in ("apart", "same"))
    learn, judge, test = sides(apart, lambda k: rows[k].path)
    assert not test & (learn | judge)
    learn, _, test = sides(same, lambda k: rows[k].path)
    assert test & learn
    everybody = {one.speaker for one in rows}
    assert all(side == everybody for side in sides(apart, lambda k: rows[k].speaker)[::2])


def test_both_genders_are_in_every_test():
    rows = examples(16, 4, 1)
    for fold in folds(rows, "gender", Split(), "apart", 3):
        assert {rows[k].gender for k in fold.test} == {"female", "male"}


def test_too_few_speakers_are_one_sentence():
    with pytest.raises(UsageError, match="too little speech"):
        folds(examples(2, 2, 1), "gender", Split(), "apart", 1)
