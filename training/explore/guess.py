"""What a label should be, as guessed by a classifier that has never heard the clip, nor its speaker.

Takes features, labels and groups; gives out-of-fold probabilities. Must hold: no clip's probability comes from a
classifier that was trained on a clip of the same group; a clip that cannot be judged (its class has no other group) has
NaN.

Sources: softmax regression with a Gaussian prior, classes weighted equally (Hastie et al., "The Elements of Statistical
Learning", 2009, section 4.4). Speakers are compared as the device does it: cosine to the mean of the others' clips.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from training.explore.folds import Ints, grouped

Float64 = npt.NDArray[np.float64]

FOLDS: Final = 6
_PRIORS: Final = (0.1, 1.0, 10.0, 100.0)
"""Strengths of the prior, weak to strong; the one with the least out-of-fold loss is taken."""
_SHARPNESS: Final = (4.0, 8.0, 12.0, 16.0, 24.0, 32.0, 48.0)


def by_regression(features: Float64, labels: Ints, groups: Sequence[str], seed: int) -> Float64:
    """Return probabilities float64 ``(n, classes)``, out of ``FOLDS`` folds in which no group is divided.

    ``features``: float64 ``(n, d)``, finite. ``labels``: class numbers from 0, each of which occurs.
    """
    classes = int(labels.max()) + 1
    fold_of = grouped(labels, groups, FOLDS, seed)
    best, least = np.full((len(labels), classes), np.nan), np.inf
    for prior in _PRIORS:
        found = np.full((len(labels), classes), np.nan)
        for fold in range(int(fold_of.max()) + 1):
            train, test = fold_of != fold, fold_of == fold
            there = np.unique(labels[train])
            if len(there) < 2:
                continue
            centre, scale = features[train].mean(axis=0), features[train].std(axis=0) + 1e-6
            weights = fit((features[train] - centre) / scale, np.searchsorted(there, labels[train]), prior)
            known = np.zeros((int(test.sum()), classes))
            known[:, there] = apply((features[test] - centre) / scale, weights)
            known[~np.isin(labels[test], there)] = np.nan
            found[test] = known
        loss = _loss(found, labels)
        if loss < least:
            best, least = found, loss
    return best


def by_likeness(vectors: npt.NDArray[np.float32], labels: Ints) -> Float64:
    """Return probabilities float64 ``(n, classes)`` from cosines to class means; each clip is left out of its own.

    ``vectors``: unit norm ``(n, dim)``. The sharpness of the softmax is the one that explains the labels best.
    """
    x = vectors.astype(np.float64)
    classes = int(labels.max()) + 1
    sums = np.zeros((classes, x.shape[1]))
    np.add.at(sums, labels, x)
    cosines = x @ _unit(sums).T
    without = sums[labels] - x
    rows = np.arange(len(x))
    cosines[rows, labels] = np.sum(x * _unit(without), axis=1)
    cosines[np.bincount(labels, minlength=classes)[labels] < 2] = np.nan
    return min((_softmax(sharp * cosines) for sharp in _SHARPNESS), key=lambda found: _loss(found, labels))


def fit(x: Float64, labels: Ints, prior: float) -> Float64:
    """Return weights float64 ``(d + 1, classes)`` of a softmax regression, the last row the biases.

    Minimises the mean log loss, classes weighted equally, plus ``prior`` / (2 d) times the squared weights without the
    biases.
    """
    from scipy.optimize import minimize

    count, width = x.shape
    classes = int(labels.max()) + 1
    weight = 1 / (classes * np.bincount(labels, minlength=classes)[labels])
    wanted = np.eye(classes)[labels]

    def loss(flat: Float64) -> tuple[float, Float64]:
        weights = flat.reshape(width + 1, classes)
        found = apply(x, weights)
        error = (found - wanted) * weight[:, None]
        slope = np.concatenate([x.T @ error + prior / width * weights[:-1], error.sum(axis=0)[None]])
        kept = np.sum(weight * np.log(np.maximum(found[np.arange(count), labels], 1e-300)))
        return float(prior / (2 * width) * np.sum(weights[:-1] ** 2) - kept), slope.ravel()

    result = minimize(loss, np.zeros((width + 1) * classes), jac=True, method="L-BFGS-B", options={"maxiter": 100})
    return np.asarray(result.x, np.float64).reshape(width + 1, classes)


def apply(x: Float64, weights: Float64) -> Float64:
    """Return the probabilities float64 ``(n, classes)`` of a softmax regression."""
    return _softmax(x @ weights[:-1] + weights[-1])


def _softmax(scores: Float64) -> Float64:
    raised = np.exp(scores - scores.max(axis=1, keepdims=True))
    result: Float64 = raised / raised.sum(axis=1, keepdims=True)
    return result


def _loss(found: Float64, labels: Ints) -> float:
    given = found[np.arange(len(labels)), labels]
    return float(-np.mean(np.log(np.maximum(given[np.isfinite(given)], 1e-12)))) if np.isfinite(given).any() else np.inf


def _unit(vectors: Float64) -> Float64:
    result: Float64 = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
    return result
