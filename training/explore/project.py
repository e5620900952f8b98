"""Vectors of many dimensions as points on a sheet: principal components, and t-SNE.

Takes float ``(n, dim)``; gives float64 ``(n, 2)``. Must hold: the same vectors give the same points; neither needs more
than numpy.

Source: L. van der Maaten and G. Hinton, "Visualizing data using t-SNE", JMLR 9, 2008, the exact form, with its early
exaggeration and momentum; begun from the principal components as in D. Kobak and P. Berens, "The art of using t-SNE for
single-cell transcriptomics", Nature Communications 10, 2019.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

Float64 = npt.NDArray[np.float64]

MOST_POINTS: Final = 700
"""The exact t-SNE compares all pairs; more points than that tell the eye nothing new."""
_STEPS: Final = 350
_EXAGGERATED: Final = 100
_EXAGGERATION: Final = 12.0
_SEARCH: Final = 40


def principal(vectors: npt.ArrayLike) -> tuple[Float64, Float64]:
    """Return the first two principal components ``(n, 2)`` and the shares of the variance that they hold ``(2,)``.

    The sign of a component is chosen so that its largest coordinate is positive.
    """
    centred = np.asarray(vectors, np.float64)
    centred = centred - centred.mean(axis=0)
    left, strength, _ = np.linalg.svd(centred, full_matrices=False)
    points, shares = np.zeros((len(centred), 2)), np.zeros(2)
    for place in range(min(2, len(strength))):
        column = left[:, place] * strength[place]
        points[:, place] = column * (np.sign(column[np.argmax(np.abs(column))]) or 1.0)
        shares[place] = strength[place] ** 2 / max(float((strength**2).sum()), 1e-12)
    return points, shares


def neighbours(vectors: npt.ArrayLike, perplexity: float = 30.0) -> Float64:
    """Return t-SNE coordinates ``(n, 2)``: who is near whom is kept, distances between groups mean nothing.

    ``perplexity``: about how many neighbours count; at most a third of the points.
    """
    x = np.asarray(vectors, np.float64)
    begun, _ = principal(x)
    if len(x) < 4:
        return begun
    likeness = _affinities(_square_distances(x), min(perplexity, (len(x) - 1) / 3))
    y = 1e-4 * begun / max(float(begun[:, 0].std()), 1e-12)
    speed = np.zeros_like(y)
    gains = np.ones_like(y)
    rate = max(len(x) / _EXAGGERATION / 4, 50.0)
    for step in range(_STEPS):
        wanted = likeness * _EXAGGERATION if step < _EXAGGERATED else likeness
        near = 1 / (1 + _square_distances(y))
        np.fill_diagonal(near, 0)
        pull = (wanted - near / near.sum()) * near
        gradient = 4 * (pull.sum(axis=1)[:, None] * y - pull @ y)
        gains = np.maximum(np.where((gradient > 0) == (speed > 0), 0.8 * gains, gains + 0.2), 0.01)
        speed = (0.5 if step < _EXAGGERATED else 0.8) * speed - rate * gains * gradient
        y = y + speed
        y -= y.mean(axis=0)
    return y


def _square_distances(x: Float64) -> Float64:
    norms = (x**2).sum(axis=1)
    result: Float64 = np.maximum(norms[:, None] + norms[None] - 2 * x @ x.T, 0)
    return result


def _affinities(distances: Float64, perplexity: float) -> Float64:
    """Symmetric neighbour probabilities: for each point a width that gives its neighbours the wanted entropy."""
    count = len(distances)
    apart = distances.copy()
    np.fill_diagonal(apart, np.inf)
    apart -= apart.min(axis=1, keepdims=True)  # the nearest has weight 1: no row can vanish
    low, high, sharp = (
        np.zeros(count),
        np.full(count, np.inf),
        np.full(count, 1.0 / max(apart[apart < np.inf].mean(), 1e-12)),
    )
    for _ in range(_SEARCH):
        weights = np.exp(-apart * sharp[:, None])
        shares = weights / weights.sum(axis=1, keepdims=True)
        entropy = -np.sum(shares * np.log(np.maximum(shares, 1e-300)), axis=1)
        wide = entropy > np.log(perplexity)
        low, high = np.where(wide, sharp, low), np.where(wide, high, sharp)
        sharp = np.where(np.isinf(high), sharp * 2, (low + high) / 2)
    joint: Float64 = (shares + shares.T) / (2 * count)
    return np.maximum(joint, 1e-12)
