"""What `earmark train` has made, as an encoder to compare: the float network behind the device's own windows.

Takes the folder of a training (``report.json`` and ``weights.npz``). Gives a function from samples to a vector. Must
hold: features, windows and their weights are the edge's code; the network is the one that the recipe built.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from edge.bundle.embedding import EmbeddingStream, Machinery
from edge.bundle.heads import Head
from edge.errors import UsageError
from edge.features import FrontEnd
from edge.records import FeatureSpec, Float32
from training.models.architecture import Architecture, Campp, Fresh
from training.models.campp import HEAD
from training.models.count import count
from training.teachers.checkpoint import read_checkpoint
from training.windows import WINDOW_FRAMES


class Student:
    """A trained float network. ``parameters``, ``megabytes`` (10^6 bytes of float32), ``macs`` per window."""

    def __init__(self, folder: Path) -> None:
        """Raises ``UsageError`` where the folder holds no finished training."""
        network, spec = trained_network(folder)
        costs = count(network)
        self.parameters, self.macs = costs.weights, costs.macs
        self.megabytes = 4e-6 * sum(int(np.prod(variable.shape)) for variable in network.weights)
        dimensions = int(network.outputs[0].shape[-1])

        def twice(window: Float32) -> tuple[Float32, ...]:
            embedding = np.asarray(network(window[np.newaxis, ..., np.newaxis], training=False), np.float32)
            return (np.repeat(embedding, 2, axis=0),)

        # The network pools by itself: of two equal frames the mean is the embedding, and the deviation counts nothing.
        same = np.concatenate([np.eye(dimensions), np.zeros((dimensions, dimensions))]).astype(np.float32)
        self._machinery = Machinery(
            encoder="student",
            front_end=FrontEnd(spec),
            frames_of=twice,
            fixed=True,
            window_frames=WINDOW_FRAMES,
            head=Head(same, np.zeros(dimensions, np.float32), None, 0.0),
            labels={},
        )

    def __call__(self, samples: Float32) -> Float32:
        """The unit-norm vector of an utterance, float32 mono 16 kHz, half a second or more."""
        stream = EmbeddingStream(self._machinery)
        stream.push(samples)
        return stream.finish().vector


def trained_network(folder: Path) -> tuple[Any, FeatureSpec]:
    """The Keras model in ``folder`` for windows of 3 s, and what it looks at. Raises ``UsageError``."""
    from training.data.choices import features_of

    recipe, tensors = _report(folder)["recipe"], read_checkpoint(folder / "weights.npz")
    spec = features_of(recipe.get("features", "accurate"))
    return _architecture(recipe, tensors, spec.coefficients).build(WINDOW_FRAMES), spec


def _report(folder: Path) -> dict[str, Any]:
    path = folder / "report.json"
    try:
        report: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        report["recipe"]["kind"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(
            f"{folder} holds no finished training ({error})", "Give the folder that `earmark train --out` wrote."
        ) from error
    return report


def _architecture(recipe: dict[str, Any], tensors: dict[str, Any], bands: int) -> Architecture:
    if recipe["kind"] == "slim":
        return Campp(tensors)
    if recipe["kind"] == "distil":
        from training.distil.fresh import FreshRecipe

        plan = FreshRecipe.from_json(recipe)
        return Fresh(plan.architecture, bands, int(tensors[f"{HEAD}/0"].shape[-1]), plan.seed, tensors)
    raise UsageError(
        f"A training of the kind {recipe['kind']} makes no float network", "Convert it, and compare the bundle."
    )
