"""The int8 file as a network that can be trained.

Takes a ``Graph``, the scale of every node (``convert.qat.plan``) and the float head behind it. Gives a Keras model for
any number of windows, and the graph back that it has become. Must hold: the model computes what the int8 file made of
that graph and plan computes, but for numbers that lie on the border between two steps.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import keras
import numpy as np
import numpy.typing as npt
from keras import layers

from convert.graph import Conv, Depthwise, Float32, Graph, Input, Sigmoid
from convert.keras_graph import plain_layer
from convert.qat.fake import FakeQuantise, QuantisedConvolution
from convert.qat.plan import SAME_SCALE, Plan, groups
from edge.errors import UsageError
from edge.runtime import QuantParams
from training.models.campp import HEAD, StatisticsPooling
from training.teachers.campp import Head

_INT8: Final = "_int8"
"""Ends the names of layers that round."""
_SCALE: Final = "/scale"


def _rounding(graph: Graph, plan: Plan, rate: float) -> tuple[dict[str, FakeQuantise], set[str]]:
    """Node -> the layer that rounds its output, and the nodes that only move numbers which that layer has rounded.

    The scale of a sigmoid is fixed by its kernel: 1/256.
    """
    group, known = groups(graph, plan), graph.by_name()
    fixed = {group[node.name] for node in graph.nodes if isinstance(node, Sigmoid)}
    shared = {
        name: FakeQuantise(plan[name], 0.0 if name in fixed else rate, name=f"{name}{_INT8}")
        for name in sorted(set(group.values()))
    }
    moved = {
        name
        for name in plan
        if isinstance(known[name], SAME_SCALE) and all(group[source] == group[name] for source in known[name].inputs)
    }
    return {name: shared[first] for name, first in group.items()}, moved


def quantised_embedder(graph: Graph, plan: Plan, head: Head, rate: float = 0.0) -> keras.Model:
    """Windows (n, frames, bands, 1) -> unit embeddings (n, dim). ``head``: stays as it is. ``rate``: how fast scales
    learn (``FakeQuantise``).
    """
    rounding, moved = _rounding(graph, plan, rate)
    values: dict[str, Any] = {}
    for node in graph.nodes:
        if isinstance(node, Input):
            window = values[node.name] = layers.Input(node.shape, name=node.name)
        else:
            if isinstance(node, Conv | Depthwise):
                layer = QuantisedConvolution(node, rounding[node.inputs[0]], rounding[node.name])
            else:
                layer = plain_layer(node)
            arguments = [values[name] for name in node.inputs]
            values[node.name] = layer(arguments[0] if len(arguments) == 1 else arguments)
        if node.name in rounding and node.name not in moved:
            values[node.name] = rounding[node.name](values[node.name])
    dense = layers.Dense(len(head.bias), trainable=False, name=HEAD)
    vector = dense(StatisticsPooling(name="pool")(values[graph.output.name]))
    model = keras.Model(window, layers.UnitNormalization(name="embedding")(vector), name="quantised")
    dense.set_weights([head.kernel, head.bias])
    # It is asked now and then only, and tracing its hundreds of layers takes longer than a few answers. Training isn't
    # touched: the model around it is compiled.
    model.run_eagerly = True
    return model


@dataclass(frozen=True, slots=True, eq=False)
class Quantised:
    """A ``training.models.architecture.Architecture`` whose network rounds as its int8 file will."""

    graph: Graph
    plan: Plan
    head: Head
    rate: float = 0.0

    def build(self, frames: int) -> keras.Model:
        """See ``Architecture``. Raises ``UsageError`` for windows of another length than the graph's."""
        wanted = self.graph.nodes[0].shape[0]
        if frames != wanted:
            raise UsageError(
                f"A network that is to be quantised takes windows of {wanted} frames, not {frames}",
                "Leave window_frames out of the recipe.",
            )
        return quantised_embedder(self.graph, self.plan, self.head, self.rate)

    def tensors(self, model: keras.Model) -> dict[str, Float32]:
        """Kernels and biases by the nodes' names, and the scales that were learnt."""
        found: dict[str, Float32] = {}
        for layer in model.layers:
            if isinstance(layer, QuantisedConvolution):
                found[f"{layer.name}/kernel"], found[f"{layer.name}/bias"] = layer.arrays
            elif isinstance(layer, FakeQuantise) and self.rate:
                found[layer.name.removesuffix(_INT8) + _SCALE] = np.array(layer.params.scale, np.float32)
        return found

    def with_tensors(self, tensors: Mapping[str, npt.NDArray[Any]]) -> Quantised:
        """See ``Architecture``."""
        nodes = tuple(
            replace(
                node,
                kernel=np.asarray(tensors[f"{node.name}/kernel"], np.float32),
                bias=np.asarray(tensors[f"{node.name}/bias"], np.float32),
            )
            if isinstance(node, Conv | Depthwise)
            else node
            for node in self.graph.nodes
        )
        plan = dict(self.plan)
        for name, first in groups(self.graph, self.plan).items():
            if first + _SCALE in tensors:
                plan[name] = QuantParams(float(tensors[first + _SCALE]), plan[name].zero_point)
        return replace(self, graph=Graph(nodes), plan=plan)
