"""Fold what can be folded: batch normalisation into the convolution before it, ReLU into its producer.

Takes and gives a ``Graph``. Must hold: the output is unchanged; afterwards every ``Affine`` left is one that no
convolution precedes (a pre-activation), and every ``Relu`` left follows something else than a convolution.
"""

from __future__ import annotations

from dataclasses import replace

from convert.graph import Affine, Conv, Depthwise, Graph, Node, Relu, rewire


def fold(graph: Graph) -> Graph:
    """Fold batch normalisation, then ReLU, into a convolution that nothing else reads."""
    readers = graph.consumers()
    kept: dict[str, Node] = {}
    renamed: dict[str, str] = {}
    for node in graph.nodes:
        source = kept.get(_resolve(node.inputs[0], renamed)) if isinstance(node, Affine | Relu) else None
        alone = source is not None and len(readers[node.inputs[0]]) == 1
        merged: Node | None = None
        if alone and isinstance(source, Conv | Depthwise) and source.activation == "none":
            if isinstance(node, Relu):
                merged = replace(source, activation="relu")
            elif isinstance(node, Affine):
                merged = replace(source, kernel=source.kernel * node.gain, bias=source.bias * node.gain + node.offset)
        if merged is None:
            kept[node.name] = node
        else:
            kept[merged.name] = merged
            renamed[node.name] = merged.name
    return rewire(kept.values(), renamed)


def _resolve(name: str, renamed: dict[str, str]) -> str:
    while name in renamed:
        name = renamed[name]
    return name
