"""Builds a Keras model from the tensors of a checkpoint, by their names.

Takes tensors, and what to tell people whose checkpoint lacks one. Gives access to them, and sets the weights of layers
once the model exists. Must hold: a missing tensor is named.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from edge.errors import UsageError
from training.teachers.checkpoint import Weights

Float32 = npt.NDArray[np.float32]


class Builder:
    """What the builders of all teachers share. ``remedy``: ends the sentence about a tensor that is not there."""

    def __init__(self, weights: Weights, remedy: str) -> None:
        self._weights = weights
        self._remedy = remedy
        self._pending: list[tuple[Any, list[Float32]]] = []

    def tensor(self, name: str) -> Float32:
        """As float32. Raises ``UsageError``."""
        try:
            return np.asarray(self._weights[name], np.float32)
        except KeyError:
            raise UsageError(f"The checkpoint has no tensor {name}", self._remedy) from None

    def has(self, name: str) -> bool:
        """Whether there is such a tensor."""
        return name in self._weights

    def finish(self) -> None:
        """Give every layer its tensors."""
        for layer, values in self._pending:
            layer.set_weights(values)
