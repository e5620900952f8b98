"""What a label head tells, in figures.

Takes the truth and probabilities of utterances. Gives the figures of ``training.recall``, the expected calibration
error, the temperature that calibrates, and the probability below which nothing is told. Must hold: what is learnt here
about doubt is judged on other people (``training.heads.run``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from training.recall import confusion, macro_f1, recalls, uar, uar_interval

Float64 = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]

_BINS: Final = 10
_TEMPERATURES: Final = np.geomspace(0.2, 8.0, 120)


def softmax(logits: Float64) -> Float64:
    """Probabilities (n, classes)."""
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True), np.float64)


def calibration_error(p: Float64, truth: Labels) -> float:
    """Expected calibration error of the likeliest class, ten bins of equal width (C. Guo et al., ICML 2017)."""
    sure, right = p.max(axis=1), p.argmax(axis=1) == truth
    bins = np.minimum((sure * _BINS).astype(int), _BINS - 1)
    count = np.bincount(bins, minlength=_BINS)
    gaps = np.abs(np.bincount(bins, sure - right, _BINS))
    return float(gaps.sum() / max(1, count.sum()))


def temperature(logits: Float64, truth: Labels, weights: Float64 | None = None) -> float:
    """What the logits must be divided by for the least cross-entropy. ``weights``: of the utterances."""

    def loss(t: float) -> float:
        chosen = np.log(softmax(logits / t)[np.arange(len(truth)), truth] + 1e-12)
        return -float(np.average(chosen, weights=weights))

    return float(min(_TEMPERATURES, key=loss))


def unsure_below(sureness: Float64, share: float, least: float) -> float:
    """The probability below which nothing is told: no more than ``share`` of ``sureness`` (n,) lie below it, and it is
    never above ``least``.
    """
    return min(float(np.quantile(sureness, share, method="lower")), least)


def summary(p: Float64, truth: Labels, speakers: Sequence[str], labels: Sequence[str]) -> dict[str, Any]:
    """Figures of the likeliest class, for a report."""
    told, classes = p.argmax(axis=1), len(labels)
    table = confusion(truth, told, classes)
    low, high = uar_interval(truth, told, speakers, classes)
    return {
        "utterances": len(truth),
        "speakers": len(set(speakers)),
        "accuracy": round(float(np.mean(told == truth)), 4),
        "uar": round(uar(table), 4),
        "uar_low": round(low, 4),
        "uar_high": round(high, 4),
        "macro_f1": round(macro_f1(table), 4),
        "recall": {
            label: round(float(value), 4)
            for label, value in zip(labels, recalls(table), strict=True)
            if np.isfinite(value)
        },
        "ece": round(calibration_error(p, truth), 4),
        "confusion": table.tolist(),
    }
