"""Labels that look wrong: a classifier that never heard the clip is sure of something else.

Takes what was heard and a kind of label; gives ``Suspect``s, the worst first, and how far the guess can be believed.
Must hold: a guess about a clip uses no other clip of its speaker (gender, emotion) or not the clip itself (speaker); a
kind of label that cannot be judged is told with a reason, not left out in silence.

Source: C. Northcutt, L. Jiang and I. Chuang, "Confident learning: estimating uncertainty in dataset labels", JAIR 70,
2021: how probable a class is usually given to its own clips is what a label is measured against. Ranked is by the ratio
of the two probabilities: a wrong label often spoils its own class a little, and then no other is near its usual one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from training.corpus import Recording
from training.explore.folds import Ints
from training.explore.guess import by_likeness, by_regression
from training.explore.hear import Heard

Float64 = npt.NDArray[np.float64]
Kind = Literal["gender", "emotion", "speaker"]

KINDS: Final[tuple[Kind, ...]] = ("gender", "emotion", "speaker")
_LEAST_CLIPS: Final = 8
_LEAST: Final = 1e-9
"""Below that, probabilities are all the same to a reader."""


@dataclass(frozen=True, slots=True)
class Suspect:
    """One label to look at. Probabilities are the classifier's, of the label given and of the one that it suggests."""

    row: Recording
    label: Kind
    given: str
    suggested: str
    p_given: float
    p_suggested: float


@dataclass(frozen=True, slots=True)
class Review:
    """What came of a kind of label.

    ``classes``: names. ``judged``: clips with a guess. ``agreement``: balanced share of judged labels that the guess
    agrees with, 0 to 1. ``suspects``: the worst first. ``reason``: why nothing could be judged, else empty.
    """

    label: Kind
    classes: tuple[str, ...]
    judged: int
    agreement: float
    suspects: tuple[Suspect, ...]
    reason: str = ""


def review(heard: Heard, label: Kind, seed: int) -> Review:
    """Judge all labels of a kind. Never raises."""
    values = [name_of(row, label) for row in heard.rows]
    places = np.array([place for place, value in enumerate(values) if value], np.int64)
    classes = tuple(sorted({value for value in values if value}))
    reason = _too_little(label, len(places), classes, heard)
    if reason:
        return Review(label, classes, 0, 0.0, (), reason)
    labels = np.array([classes.index(values[place]) for place in places], np.int64)
    found = _within_own_set(_guess(heard, places, label, labels, seed), [heard.rows[int(p)] for p in places], labels)
    judged = np.isfinite(found).all(axis=1)
    if judged.sum() < _LEAST_CLIPS:
        return Review(label, classes, 0, 0.0, (), "too few clips have another speaker of their class to compare with")
    suspects = [
        Suspect(
            heard.rows[int(places[row])], label, classes[labels[row]], classes[other],
            round(float(found[row, labels[row]]), 4), round(float(found[row, other]), 4),
        )
        for row, other in suspicious(np.where(judged[:, None], found, 0.0), labels, judged)
    ]  # fmt: skip
    right = found[judged].argmax(axis=1) == labels[judged]
    agreement = float(np.mean([right[labels[judged] == one].mean() for one in np.unique(labels[judged])]))
    return Review(label, classes, int(judged.sum()), agreement, tuple(suspects))


def suspicious(found: Float64, labels: Ints, judged: npt.NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Return (clip, suggested class) of the labels that look wrong, the most improbable against the suggestion first.

    ``found``: probabilities float64 ``(n, classes)``. A label looks wrong where another class is more probable, and its
    own has less than half the probability that clips of that class have for it on average.
    """
    rows = np.arange(len(labels))
    usual = np.zeros(found.shape[1])
    for one in np.unique(labels[judged]):
        usual[one] = found[judged & (labels == one), one].mean()
    given = found[rows, labels]
    others = found.copy()
    others[rows, labels] = -np.inf
    best = others.argmax(axis=1)
    ratio = np.log(np.maximum(given, _LEAST)) - np.log(np.maximum(others[rows, best], _LEAST))
    wrong = judged & (ratio < 0) & (given < usual[labels] / 2)
    order = np.argsort(ratio, kind="stable")
    return [(int(row), int(best[row])) for row in order if wrong[row]]


def name_of(row: Recording, label: Kind) -> str:
    """The label of a row, empty where it has none. Speakers of different sets are different people."""
    if label == "speaker":
        return f"{row.set}/{row.speaker}" if row.speaker else ""
    return row.gender if label == "gender" else row.emotion


def _too_little(label: Kind, clips: int, classes: tuple[str, ...], heard: Heard) -> str:
    if clips < _LEAST_CLIPS:
        return f"only {clips} of the clips heard have this label"
    if len(classes) < 2:
        return f"every clip has the same: {classes[0]}"
    if label == "speaker" and not heard.vectors.shape[1]:
        return "telling speakers apart needs a bundle"
    return ""


def _guess(heard: Heard, places: Ints, label: Kind, labels: Ints, seed: int) -> Float64:
    if label == "speaker":
        return by_likeness(heard.vectors[places], labels)
    rows = [heard.rows[int(place)] for place in places]
    groups = [name_of(row, "speaker") or f"\0{row.path}" for row in rows]
    features = features_of(heard)[places]
    if label == "emotion":
        features = _against_own_voice(features, groups)
    return by_regression(features, labels, groups, seed)


def _within_own_set(found: Float64, rows: Sequence[Recording], labels: Ints) -> Float64:
    """Probabilities among the classes that a clip's own set has: nobody in a set that knows no calm was labelled calm
    by mistake, and a speaker of another set is somebody else. A set with one class (a men's corpus) is left as it is.
    """
    sets = np.array([row.set for row in rows])
    result = found.copy()
    for name in np.unique(sets):
        mine = sets == name
        there = np.unique(labels[mine])
        if len(there) > 1:
            kept = np.zeros(found.shape[1])
            kept[there] = 1
            result[mine] *= kept
            result[mine] /= np.maximum(result[mine].sum(axis=1, keepdims=True), 1e-300)
    return result


def features_of(heard: Heard) -> Float64:
    """What the guess sees of each clip, float64 ``(n, d)``: embedding, cepstra, plain figures but for the length.

    A figure that a clip does not have (no voice: no pitch) is the median of the others.
    """
    plain = heard.measures[:, 1:].copy()
    for column in plain.T:
        known = np.isfinite(column)
        column[~known] = np.median(column[known]) if known.any() else 0.0
    return np.concatenate([heard.vectors.astype(np.float64), heard.mfcc, plain], axis=1)


def _against_own_voice(features: Float64, groups: list[str]) -> Float64:
    """Features less their speaker's mean, beside what they were: a mood is heard against somebody's usual voice."""
    names = {name: number for number, name in enumerate(dict.fromkeys(groups))}
    number = np.array([names[name] for name in groups])
    counts = np.bincount(number)
    means = np.zeros((len(names), features.shape[1]))
    np.add.at(means, number, features)
    own = means[number] / counts[number][:, None]
    return np.concatenate([features - own, features], axis=1)
