"""What training needs of a network, whatever its family.

Gives the protocol ``Architecture`` and two kinds of it: ``Campp``, whose shape follows from its tensors, and ``Fresh``,
which a function builds from a configuration. Must hold: ``architecture.with_tensors(architecture.tensors(model))``
builds a network that computes what ``model`` computes, for windows of any length.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import keras
import numpy as np
import numpy.typing as npt

from training.models import campp
from training.models.families import Family

Float32 = npt.NDArray[np.float32]
Tensors = dict[str, npt.NDArray[Any]]


class Architecture(Protocol):
    """A network that can be built for windows of some length, trained, and given its tensors back."""

    def build(self, frames: int) -> keras.Model:
        """Windows (n, frames, bands, 1) -> unit embeddings (n, dim)."""

    def tensors(self, model: keras.Model) -> dict[str, Float32]:
        """What ``model``, built here, has learnt."""

    def with_tensors(self, tensors: Tensors) -> Architecture:
        """The same with other tensors."""


@dataclass(frozen=True, slots=True, eq=False)
class Campp:
    """CAM++ of any width."""

    weights: Tensors

    def build(self, frames: int) -> keras.Model:
        """See ``Architecture``."""
        return campp.embedder(self.weights, frames)

    def tensors(self, model: keras.Model) -> dict[str, Float32]:
        """By the checkpoint's names."""
        return campp.tensors(model, self.weights)

    def with_tensors(self, tensors: Tensors) -> Campp:
        """See ``Architecture``."""
        return Campp(tensors)


@dataclass(frozen=True, slots=True, eq=False)
class Fresh:
    """A network of a ``family``; begins at random (``seed``) where it has no tensors."""

    family: Family
    bands: int
    dimensions: int
    seed: int = 1
    weights: Tensors = field(default_factory=dict)

    def build(self, frames: int) -> keras.Model:
        """See ``Architecture``."""
        keras.utils.set_random_seed(self.seed)
        model = self.family.build(frames, self.bands, self.dimensions)
        for layer in model.layers:
            names = [f"{layer.name}/{place}" for place in range(len(layer.weights))]
            if names and names[0] in self.weights:
                layer.set_weights([np.asarray(self.weights[name]) for name in names])
        return model

    def tensors(self, model: keras.Model) -> dict[str, Float32]:
        """By the layers' names and the place among a layer's weights."""
        return {
            f"{layer.name}/{place}": np.array(value, np.float32)
            for layer in model.layers
            for place, value in enumerate(layer.get_weights())
        }

    def with_tensors(self, tensors: Tensors) -> Fresh:
        """See ``Architecture``."""
        return replace(self, weights=tensors)
