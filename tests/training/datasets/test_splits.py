"""People stay on one side, whatever is drawn."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.errors import UsageError
from training.corpus import Recording
from training.datasets.splits import hold_out, speaker_folds


def row(number: int, speaker: str, gender: str, split: str = "train", name: str = "toys") -> Recording:
    return Recording(f"{number}.wav", split, name, speaker, gender, "", "en", 1.0, "CC0", "made")


ROWS = st.lists(
    st.tuples(st.sampled_from("abcdefghijkl"), st.sampled_from("xy"), st.integers(0, 99)), min_size=1, max_size=60
).map(
    lambda drawn: tuple(
        row(number, speaker if number % 7 else "", "f" if speaker < "g" else "m", name=name)
        for number, (speaker, name, _) in enumerate(drawn)
    )
)


@settings(max_examples=60)
@given(ROWS, st.floats(0, 0.9), st.integers(0, 5))
def test_nobody_is_on_both_sides(rows, share, seed):
    """Rows keep their order and everything but the split; nobody without a name is held out; the order of rows
    does not matter; a gender of two or more is on both sides.
    """
    divided = hold_out(rows, share, seed)
    assert [one.path for one in divided] == [one.path for one in rows]
    sides = {split: {(r.set, r.speaker) for r in divided if r.split == split} for split in ("train", "dev")}
    assert not (sides["dev"] & sides["train"])
    assert all(speaker for _, speaker in sides["dev"])
    again = {one.path: one for one in hold_out(rows[::-1], share, seed)}
    assert all(again[one.path] == one for one in divided)
    groups: dict[tuple[str, str], set[str]] = {}
    for one in rows:
        if one.speaker:
            groups.setdefault((one.set, one.gender), set()).add(one.speaker)
    for (name, _), people in groups.items():
        held = {speaker for speaker in people if (name, speaker) in sides["dev"]}
        assert bool(held) == ((share > 0 and len(people) > 1) or round(share * len(people)) > 0)
        assert len(held) < len(people) or len(people) == 1


def test_sets_with_a_split_of_their_own_keep_it():
    rows = (row(0, "a", "f"), row(1, "b", "f"), row(2, "c", "f", "test"), row(3, "d", "f", name="other"))
    assert hold_out(rows, 0.5)[:3] == rows[:3]
    with pytest.raises(UsageError, match="makes no sense"):
        hold_out(rows, 1.0)


@settings(max_examples=40)
@given(ROWS, st.integers(2, 4), st.integers(0, 5))
def test_folds_hold_everybody_once_and_both_genders(rows, count, seed):
    """Sizes differ by one at most, in all and for each gender of each set."""
    people = {(r.set, r.speaker): r.gender for r in rows if r.speaker}
    if len(people) < count:
        with pytest.raises(UsageError):
            speaker_folds(rows, count, seed)
        return
    folds = speaker_folds(rows, count, seed)
    assert sorted(person for fold in folds for person in fold) == sorted(people)
    for kind in [None, *{(person[0], gender) for person, gender in people.items()}]:
        sizes = [sum(kind is None or (one[0], people[one]) == kind for one in fold) for fold in folds]
        assert max(sizes) - min(sizes) <= 1


def test_four_actors_a_fold_balanced_by_sex():
    """What RAVDESS needs: six folds of two women and two men."""
    rows = tuple(row(n, f"{n:02d}", "m" if n % 2 else "f") for n in range(1, 25))
    for fold in speaker_folds(rows, 6):
        assert sorted(int(speaker) % 2 for _, speaker in fold) == [0, 0, 1, 1]
