"""Batch normalisation that cannot be folded becomes a 1 x 1 depthwise convolution.

Takes and gives a ``Graph`` (after ``fold``). Must hold: the output is unchanged and no ``Affine`` is left. Why: in
int8 the converter makes it MUL and ADD with one scale for all channels, which loses nearly everything; a depthwise
convolution has one weight scale per channel and a 32-bit bias.
"""

from __future__ import annotations

from convert.graph import Affine, Depthwise, Graph, Node, rewire
from convert.passes.fold import fold


def depthwise_preactivations(graph: Graph) -> Graph:
    """Replace every ``Affine``, then take the ReLU behind it in."""
    nodes: list[Node] = [
        Depthwise(node.name, node.inputs, node.shape, node.gain[None, None], node.offset)
        if isinstance(node, Affine)
        else node
        for node in graph.nodes
    ]
    return fold(rewire(nodes, {}))
