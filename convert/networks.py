"""Reads the network that is to be converted, whoever made it.

Takes what a recipe calls it (``campplus`` or ``trained``) and where it lies. Gives its graph up to the frame features
and the head behind the pooling. Must hold: a network that looks at other features than the recipe says is refused.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Final

import keras
import numpy as np

from convert.errors import ConversionError
from convert.graph import Graph
from convert.keras_graph import from_keras
from convert.recipe import Recipe
from convert.windows import WINDOW_FRAMES
from training.models.campp import HEAD
from training.models.families import FRAME_FEATURES
from training.students import trained_network
from training.teachers.campp import Head, campp_head, campp_trunk
from training.teachers.checkpoint import Weights, read_checkpoint

CAMPPLUS: Final = "campplus"
TRAINED: Final = "trained"


def read_network(recipe: Recipe, checkpoint: Path) -> tuple[Graph, Head, Weights]:
    """Graph, head and the tensors that both come from. ``checkpoint``: a file, or the folder of ``earmark train`` for
    ``trained``. Raises ``ConversionError``, and ``UsageError`` where it cannot be read.
    """
    path = checkpoint / "weights.npz" if recipe.teacher == TRAINED else checkpoint
    weights = read_checkpoint(path)
    if recipe.checkpoint_sha256 not in ("", hashlib.sha256(path.read_bytes()).hexdigest()):
        raise ConversionError(
            f"{path} is not the checkpoint that the recipe pins",
            "Fetch the one it names, or give a recipe of your own: an empty checkpoint_sha256 takes any",
        )
    if recipe.teacher == CAMPPLUS:
        return from_keras(campp_trunk(weights, WINDOW_FRAMES)), campp_head(weights), weights
    network, spec = trained_network(checkpoint)
    if spec != recipe.spec:
        raise ConversionError(
            f"{checkpoint} learnt from other features than the recipe says", "Give a recipe with the same features"
        )
    return (*_parts(network), weights)


def _parts(network: Any) -> tuple[Graph, Head]:
    if FRAME_FEATURES not in {layer.name for layer in network.layers}:
        raise ConversionError("This training made a CAM++", "Convert its weights.npz with `earmark convert campplus`")
    dense = network.get_layer(HEAD)
    trunk = keras.Model(network.input, network.get_layer(FRAME_FEATURES).output)
    return from_keras(trunk), Head(np.asarray(dense.kernel, np.float32), np.asarray(dense.bias, np.float32))
