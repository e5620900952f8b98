"""Features brought to a common scale, the same way in training and afterwards.

Takes features of the examples that are learnt from. Gives a ``Scaler``. Must hold: nothing that is tested on has a part
in it; the scaler lies beside the model's weights and gives the same numbers when it is read back.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edge.records import Float32
from training.classify.inputs import PICTURES, TABLES
from training.classify.recipe import Input
from training.teachers.checkpoint import save_tensors

_LEAST: float = 1e-6
_BRIGHTEST = 255.0


@dataclass(frozen=True, slots=True, eq=False)
class Scaler:
    """``mean``, ``scale``: float32, of a shape that spreads over one example."""

    mean: Float32
    scale: Float32

    def __call__(self, features: Float32) -> Float32:
        """``(features - mean) / scale``."""
        return np.asarray((features - self.mean) / self.scale, np.float32)

    def save(self, path: Path) -> None:
        """Write it to an ``.npz``."""
        save_tensors(path, {"mean": self.mean, "scale": self.scale})

    @classmethod
    def load(cls, path: Path) -> Scaler:
        """Read it back."""
        with np.load(path) as kept:
            return cls(kept["mean"], kept["scale"])

    @classmethod
    def of(cls, what: Input, features: Float32) -> Scaler:
        """Each column of a table and each coefficient to mean 0 and deviation 1; pictures from 0 to 1."""
        if what.kind in PICTURES:
            return cls(np.zeros(1, np.float32), np.full(1, _BRIGHTEST, np.float32))
        if what.kind in TABLES:
            return cls(*_moments(features, (0,)))
        if what.kind == "mfcc-column":
            images = features.reshape(len(features), what.coefficients, what.frames)
            mean, scale = (np.repeat(one.ravel(), what.frames)[:, None] for one in _moments(images, (0, 2)))
            return cls(mean, scale)
        axes = {"mfcc-image": (0, 2, 3), "mfcc-sequence": (0, 1), "mfcc-envelope": (0, 1, 2)}[what.kind]
        return cls(*_moments(features, axes))


def _moments(features: Float32, axes: tuple[int, ...]) -> tuple[Float32, Float32]:
    """Mean and deviation over ``axes``, without the axis of examples."""
    mean = features.mean(axis=axes, dtype=np.float64, keepdims=True)[0]
    deviation = features.std(axis=axes, dtype=np.float64, keepdims=True)[0]
    return mean.astype(np.float32), np.maximum(deviation, _LEAST).astype(np.float32)
