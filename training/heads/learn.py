"""Heads from what was heard, and what they say about people they have not heard.

Takes ``Heard`` rows and a ``HeadRecipe``. Gives a ``Linear`` head, or logits by folds. Must hold: with a protocol,
nobody is told by a head that learnt from him; each speaker weighs the same in his set, each recording the same among
his, and a set by the root of its number of people.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from training.corpus import Recording
from training.datasets.splits import speaker_folds
from training.heads.figures import softmax
from training.heads.heard import Heard, windows
from training.heads.recipe import HeadRecipe, Measure
from training.heads.regression import Linear, fit

Float64 = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]

_FOLDS = 6


def word(recipe: HeadRecipe, row: Recording) -> str:
    """What the manifest says of a recording, "" where nothing."""
    return row.gender if recipe.label == "gender" else row.emotion


def truth(recipe: HeadRecipe, heard: Sequence[Heard]) -> Labels:
    """Class numbers (n,)."""
    return np.array([recipe.columns.index(recipe.classes[word(recipe, one.row)]) for one in heard], np.int64)


def learn(recipe: HeadRecipe, heard: Sequence[Heard]) -> Linear:
    """A head that learnt from all of ``heard``: from labels, then from its own guesses about the rest, too (D.-H. Lee,
    "Pseudo-label", ICML 2013 workshop).
    """
    known = [one for one in heard if word(recipe, one.row) in recipe.classes]
    classes = truth(recipe, known)
    first = _fitted(recipe, known, classes)
    rest = [one for one in heard if word(recipe, one.row) not in recipe.classes]
    if not rest:
        return first
    p = softmax(logits(first, rest))
    sure = np.flatnonzero(p.max(axis=1) > recipe.guessed_above)
    return _fitted(recipe, [*known, *(rest[at] for at in sure)], np.concatenate([classes, p.argmax(axis=1)[sure]]))


def _fitted(recipe: HeadRecipe, heard: Sequence[Heard], classes: Labels) -> Linear:
    x, owner, weights = windows(heard)
    people = Counter(one.person for one in heard)
    per_set = Counter(one.row.set for one in {one.person: one for one in heard}.values())
    share = np.array([1.0 / people[one.person] / per_set[one.row.set] ** 0.5 for one in heard])
    return fit(x, classes[owner], weights * share[owner], len(recipe.columns), recipe.penalty)


def logits(head: Linear, heard: Sequence[Heard]) -> Float64:
    """Per recording, the windows' logits averaged as on the device: (n, classes)."""
    return np.stack([np.average(head.logits(one.pooled), axis=0, weights=one.weights + 1e-9) for one in heard])


@dataclass(frozen=True, slots=True, eq=False)
class Told:
    """What was said of people who were not learnt from: ``heard`` and ``logits`` (n, classes)."""

    heard: tuple[Heard, ...]
    logits: Float64


def tell(recipe: HeadRecipe, measure: Measure, heard: Sequence[Heard], progress: Callable[[int, int], None]) -> Told:
    """Every recording of the measure's test, told by a head that has not heard its people."""
    sets = {*(measure.learn or recipe.sets), *recipe.guessed_sets}
    known = [one for one in heard if one.row.set in sets and one.copy in ("", *recipe.learnt_copies)]
    asked = [one for one in heard if one.row.set == measure.test and one.copy == measure.copy]
    folds = _left_out(measure, asked)
    place = {id(one): number for number, one in enumerate(asked)}
    found = np.zeros((len(asked), len(recipe.columns)))
    for done, people in enumerate(folds, 1):
        mine = [one for one in asked if one.person in people]
        others = [one for one in known if _strange(measure, one, people)]
        found[[place[id(one)] for one in mine]] = logits(learn(recipe, others), mine)
        progress(done, len(folds))
    return Told(tuple(asked), found)


def _strange(measure: Measure, one: Heard, people: frozenset[str]) -> bool:
    return one.row.set != measure.test if measure.protocol == "sets" else one.person not in people


def _left_out(measure: Measure, asked: Sequence[Heard]) -> list[frozenset[str]]:
    everybody = sorted({one.person for one in asked})
    if measure.protocol == "sets":
        return [frozenset(everybody)]
    if measure.protocol == "speaker":
        return [frozenset([person]) for person in everybody]
    return [
        frozenset(f"{name} {speaker}" for name, speaker in fold)
        for fold in speaker_folds([one.row for one in asked], _FOLDS)
    ]
