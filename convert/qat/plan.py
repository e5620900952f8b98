"""Which scale every node of a graph has in its int8 file.

Takes a ``Graph`` and ``.tflite`` files that were made of it (before names are shortened). Gives node name ->
``QuantParams``, and back: ranges that make the converter use exactly these. Must hold: every activation of the file
belongs to a node, or ``ConversionError`` says which doesn't: nothing is rounded in the file that isn't in the plan.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from convert.errors import ConversionError
from convert.graph import Add, ChunkMean, Concat, Graph, Pad, Relu, Reshape
from convert.ranges import Range
from edge.runtime import QuantParams

Plan = Mapping[str, QuantParams]
"""Node name -> how its output is quantised; an addition whose ReLU is fused with it has no entry."""

SAME_SCALE = (Pad, Reshape, Concat)
"""Nodes that only move numbers: in TFLite their inputs and output share a scale."""


def _subgraph(model: bytes) -> Any:
    from tensorflow.lite.tools import flatbuffer_utils

    return flatbuffer_utils.convert_bytearray_to_object(bytearray(model)).subgraphs[0]


def _owners(subgraph: Any, graph: Graph) -> dict[int, str]:
    """Tensor index of each activation -> node that it belongs to, by the names that the converter gives: places of
    layers, the outermost first. A layer's name ends in ``_1`` there, because the model was called before.
    """
    known = graph.by_name()
    owners = {int(subgraph.inputs[0]): graph.nodes[0].name}
    for operation in subgraph.operators:
        index = int(operation.outputs[0])
        tensor = subgraph.tensors[index].name.decode()
        parts = [part.removesuffix("_1") for part in tensor.split(";")[0].split("/")]
        found = [part for part in parts if part in known]
        if index == int(subgraph.outputs[0]):
            found = [graph.output.name]
        if len(found) != 1:
            raise ConversionError(f"The tensor {tensor} belongs to no node of the graph", "Keep the converter's names")
        owners[index] = found[0]
    return owners


def _last(owners: Mapping[int, str], graph: Graph) -> dict[str, int]:
    """Node -> the tensor that is its output: the last of those it owns.

    Only a mean over chunks may own two, because it reshapes first.
    """
    known = graph.by_name()
    last: dict[str, int] = {}
    for index, name in owners.items():
        if name in last and not isinstance(known[name], ChunkMean):
            raise ConversionError(f"Two tensors belong to the node {name}", "Give layers names that differ more")
        last[name] = index
    readers = graph.consumers()
    for node in graph.nodes:
        fused = isinstance(node, Add) and [type(reader) for reader in readers[node.name]] == [Relu]
        if node.name not in last and not fused:
            raise ConversionError(f"The node {node.name} has no tensor in the file", "Keep the converter's names")
    return last


def read_plan(int8_model: bytes, graph: Graph) -> dict[str, QuantParams]:
    """The scales in an int8 file that ``convert.quantise`` made of the graph.

    Raises ``ConversionError`` where file and graph don't belong together.
    """
    subgraph = _subgraph(int8_model)
    plan: dict[str, QuantParams] = {}
    for name, index in _last(_owners(subgraph, graph), graph).items():
        found = subgraph.tensors[index].quantization
        plan[name] = QuantParams(float(found.scale[0]), int(found.zeroPoint[0]))
    return plan


def plan_ranges(float_model: bytes, graph: Graph, plan: Plan) -> dict[int, Range]:
    """Tensor index -> range, for ``convert.quantise``, that gives every node its scale of the plan."""
    owners, known = _owners(_subgraph(float_model), graph), graph.by_name()
    last = _last(owners, graph)
    ranges: dict[int, Range] = {}
    for index, name in owners.items():
        # A tensor on the way to a node's output holds its input in another shape.
        params = plan[name if last[name] == index else known[name].inputs[0]]
        ranges[index] = params.low, params.high
    return ranges


def groups(graph: Graph, plan: Plan) -> dict[str, str]:
    """Node of the plan -> the first node of those that must keep one scale together."""
    parent = {name: name for name in plan}

    def root(name: str) -> str:
        while parent[name] != name:
            name = parent[name]
        return name

    order = {node.name: place for place, node in enumerate(graph.nodes)}
    for node in graph.nodes:
        for source in node.inputs if isinstance(node, SAME_SCALE) else ():
            if plan[source] == plan[node.name]:
                first, second = sorted((root(source), root(node.name)), key=order.__getitem__)
                parent[second] = first
    return {name: root(name) for name in plan}
