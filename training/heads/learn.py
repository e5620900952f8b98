"""Heads from what was heard, and what they say about people they have not heard.

Takes ``Heard`` rows and a ``HeadRecipe``. Gives a ``Linear`` head, or logits by folds. Must hold: with a protocol,
nobody is told by a head that learnt from him; each speaker weighs the same in his set, each recording the same among
his, and a set by the root of its number of people.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from edge.errors import ExtraMissingError
from training.corpus import Recording
from training.datasets.splits import speaker_folds
from training.heads.figures import softmax
from training.heads.heard import Heard, windows
from training.heads.recipe import HeadRecipe, Measure
from training.heads.regression import Linear, fit

Float64 = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]

_FOLDS = 6
_LEAST_DEVIATION = 1e-4
_NEVER = -30.0
"""The logit of a class that nobody taught."""
_TWO = 2
"""Of two classes scikit-learn gives one row of weights."""


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


def logistic(recipe: HeadRecipe, heard: Sequence[Heard]) -> Linear:
    """What anybody would try first, to compare with: logistic regression on a recording's mean vector, standardised.

    Raises ``ExtraMissingError`` without scikit-learn.
    """
    try:
        from sklearn.linear_model import LogisticRegression
    except ImportError as error:
        raise ExtraMissingError("A plain head needs scikit-learn", "pip install 'earmark[train]'") from error

    known = [one for one in heard if word(recipe, one.row) in recipe.classes]
    x = np.stack([np.average(one.pooled, axis=0, weights=one.weights + 1e-9) for one in known])
    centre, scale = x.mean(axis=0), x.std(axis=0) + _LEAST_DEVIATION
    found = LogisticRegression(max_iter=1000).fit((x - centre) / scale, truth(recipe, known))
    kernel = np.zeros((x.shape[1], len(recipe.columns)))
    bias = np.full(len(recipe.columns), _NEVER)
    rows = np.vstack([-found.coef_, found.coef_]) / 2 if len(found.classes_) == _TWO else found.coef_
    starts = np.array([-1, 1]) * found.intercept_ / 2 if len(found.classes_) == _TWO else found.intercept_
    kernel[:, found.classes_], bias[found.classes_] = rows.T, starts
    return Linear(*(np.asarray(part, np.float32) for part in (centre, scale, kernel, bias)))


def centred(heard: Sequence[Heard]) -> list[Heard]:
    """Everybody's statistics without the mean over his own recordings, each recording counting the same. No label is
    looked at.
    """
    sums: dict[str, list[Float64]] = {}
    for one in heard:
        mean = np.average(one.pooled, axis=0, weights=one.weights + 1e-9)
        sums.setdefault(one.person, []).append(np.asarray(mean, np.float64))
    means = {person: np.mean(vectors, axis=0).astype(np.float32) for person, vectors in sums.items()}
    return [replace(one, pooled=one.pooled - means[one.person]) for one in heard]


def logits(head: Linear, heard: Sequence[Heard]) -> Float64:
    """Per recording, the windows' logits averaged as on the device: (n, classes)."""
    return np.stack([np.average(head.logits(one.pooled), axis=0, weights=one.weights + 1e-9) for one in heard])


@dataclass(frozen=True, slots=True, eq=False)
class Told:
    """What was said of people who were not learnt from: ``heard`` and ``logits`` (n, classes)."""

    heard: tuple[Heard, ...]
    logits: Float64


def tell(recipe: HeadRecipe, measure: Measure, heard: Sequence[Heard]) -> Told:
    """Every recording of the measure's test, told by a head that has not heard its people."""
    recipe = recipe.only(measure.classes)
    sets = {*(measure.learn or recipe.sets), *recipe.guessed_sets}
    copies = ("",) if measure.plain else ("", *recipe.learnt_copies)
    heard = centred(heard) if measure.centred else heard
    meant = [one for one in heard if one.row.set in recipe.guessed_sets or word(recipe, one.row) in recipe.classes]
    known = [one for one in meant if one.row.set in sets and one.copy in copies]
    asked = [one for one in meant if one.row.set == measure.test and one.copy == measure.copy]
    teach = logistic if measure.plain else learn
    folds = _left_out(measure, asked)
    place = {id(one): number for number, one in enumerate(asked)}
    found = np.zeros((len(asked), len(recipe.columns)))
    for people in folds:
        mine = [one for one in asked if one.person in people]
        others = [one for one in known if _strange(measure, one, people)]
        found[[place[id(one)] for one in mine]] = logits(teach(recipe, others), mine)
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
