"""What the device would publish of what a head says.

Takes probabilities of the trained classes and a recipe. Gives answers, and figures of them. Must hold: the rules are
the device's own (``edge.bundle.Labels.answer``).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from edge.bundle import LabelHead, Labels
from edge.records import UNSURE
from training.heads.recipe import HeadRecipe

Float64 = npt.NDArray[np.float64]


def publish(recipe: HeadRecipe) -> dict[str, tuple[str, ...]]:
    """Published label -> trained classes."""
    return dict(recipe.publish) or {label: (label,) for label in recipe.columns}


def sums(recipe: HeadRecipe, p: Float64) -> dict[str, Float64]:
    """Probability of every published label (n,), and of what is published as none."""
    return {
        label: p[:, [recipe.columns.index(one) for one in parts]].sum(axis=1)
        for label, parts in publish(recipe).items()
    }


def sureness(recipe: HeadRecipe, p: Float64) -> Float64:
    """Probability (n,) of the likeliest label that can be told."""
    found = [shares for label, shares in sums(recipe, p).items() if label != UNSURE]
    return np.asarray(np.max(found, axis=0), np.float64)


def answers(recipe: HeadRecipe, p: Float64, below: Float64) -> list[str]:
    """What is published of each utterance; ``below`` (n,): limit of ``unsure``."""
    found = sums(recipe, p)
    told = []
    for place in range(len(p)):
        head = LabelHead("", recipe.columns, publish(recipe), float(below[place]))
        nothing = np.zeros((0, len(recipe.columns)), np.float32)
        labels = Labels(head, 0, nothing, np.zeros(len(recipe.columns), np.float32))
        told.append(labels.answer({label: float(shares[place]) for label, shares in found.items()}).label)
    return told


def figures(recipe: HeadRecipe, truth: npt.NDArray[np.int64], told: list[str]) -> dict[str, Any]:
    """``told``: share of the utterances that get a label. ``right``: share of these that is right. ``recall``: of each
    label, where ``unsure`` counts as missed.
    """
    label_of = {one: label for label, parts in publish(recipe).items() for one in parts}
    wanted = np.array([label_of[recipe.columns[at]] for at in truth])
    said = np.array(told)
    given = said != UNSURE
    return {
        "told": round(float(given.mean()), 4),
        "right": round(float((said == wanted)[given].mean()), 4) if given.any() else None,
        "recall": {
            label: round(float((said == label)[wanted == label].mean()), 4)
            for label in publish(recipe)
            if label != UNSURE and (wanted == label).any()
        },
    }
