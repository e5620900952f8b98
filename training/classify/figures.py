"""How often labels are told right.

Takes true and told labels as class numbers. Gives accuracy, balanced accuracy, F1 and the confusion matrix. Must hold:
a class without examples counts in no mean; intervals are over speakers, since the clips of one are alike
(``training.recall``).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from training.classify.fit import Labels
from training.recall import Matrix, confusion, macro_f1, uar, uar_interval
from training.report import canvas

_MOST_WRITTEN: Final = 15
"""With more classes than that no numbers are written into the cells."""


@dataclass(frozen=True, slots=True)
class Figures:
    """All from 0 to 1. ``low``, ``high``: 95 % interval of the UAR, bootstrap over speakers."""

    examples: int
    speakers: int
    accuracy: float
    uar: float
    f1: float
    low: float
    high: float


def figures(truth: Labels, told: Labels, speakers: Sequence[str], classes: int, seed: int = 1) -> Figures:
    """All figures of some answers."""
    matrix = confusion(truth, told, classes)
    low, high = uar_interval(truth, told, speakers, classes, seed)
    return Figures(
        examples=len(truth),
        speakers=len(set(speakers)),
        accuracy=float((truth == told).mean()),
        uar=uar(matrix),
        f1=macro_f1(matrix),
        low=low,
        high=high,
    )


def write_confusion(folder: Path, stem: str, matrix: Matrix, labels: Sequence[str], title: str) -> None:
    """``STEM.json`` and ``STEM.png`` in ``folder``; drawn only where something has changed."""
    values: dict[str, Any] = {"labels": list(labels), "rows_are_the_truth": matrix.tolist()}
    told, (numbers, drawn) = json.dumps(values, indent=1) + "\n", (folder / f"{stem}.{end}" for end in ("json", "png"))
    if drawn.exists() and numbers.exists() and numbers.read_text(encoding="utf-8") == told:
        return
    drawn.write_bytes(confusion_picture(matrix, labels, title))
    numbers.write_text(told, encoding="utf-8")


def confusion_picture(matrix: Matrix, labels: Sequence[str], title: str) -> bytes:
    """Share of each row by colour, counts where there is room: PNG."""
    side = max(420, 60 + 34 * len(labels))
    made, (panel,) = canvas.figure(side + 100, side)
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    panel.imshow(shares, cmap="Blues", vmin=0.0, vmax=1.0)
    names = [canvas.plain(label) for label in labels]
    panel.set_xticks(range(len(names)), names, rotation=90, fontsize=8)
    panel.set_yticks(range(len(names)), names, fontsize=8)
    panel.set_xlabel("told")
    panel.set_ylabel("truth")
    panel.set_title(canvas.plain(title), fontsize=10)
    if len(labels) <= _MOST_WRITTEN:
        for row, column in np.ndindex(*matrix.shape):
            colour = "white" if shares[row, column] > 0.5 else "black"
            panel.text(column, row, str(matrix[row, column]), ha="center", va="center", color=colour, fontsize=8)
    return canvas.png(made)
