"""Which channels of a graph must share one scale.

Takes a ``Graph`` (after the other passes). Gives, for every node, one class number per channel. Must hold: dividing
the values of each class by any positive number, in the convolution that makes them, and multiplying it into the
convolutions that read them, leaves the output as it was; class 0 stands for channels that nothing may scale.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from convert.errors import ConversionError
from convert.graph import (
    Add,
    ChunkMean,
    Concat,
    Conv,
    Depthwise,
    Graph,
    Input,
    Multiply,
    Node,
    Pad,
    Relu,
    Reshape,
    Sigmoid,
)

Ids = npt.NDArray[np.int64]

PINNED = 0
"""The class of channels that keep their scale: the input, and both sides of a sigmoid."""


class _Classes:
    """Union-find over channels."""

    def __init__(self) -> None:
        self._parent = [PINNED]

    def new(self, count: int) -> Ids:
        first = len(self._parent)
        self._parent.extend(range(first, first + count))
        return np.arange(first, first + count)

    def root(self, item: int) -> int:
        while self._parent[item] != item:
            self._parent[item] = self._parent[self._parent[item]]
            item = self._parent[item]
        return item

    def roots(self, items: Ids) -> Ids:
        return np.array([self.root(int(item)) for item in items], np.int64)

    def join(self, left: Ids, right: Ids) -> None:
        for a, b in zip(left, right, strict=True):
            low, high = sorted((self.root(int(a)), self.root(int(b))))
            self._parent[high] = low


def _passed(node: Node, inputs: list[Ids], classes: _Classes) -> Ids:  # noqa: PLR0911 - one return for each kind
    """Classes behind a node that has no weights of its own."""
    first = inputs[0]
    match node:
        case Relu() | Pad() | ChunkMean():
            return first
        case Sigmoid():
            classes.join(first, np.zeros_like(first))
            return first
        case Reshape() if node.shape[-1] == len(first):
            return first
        case Reshape() if node.shape[-1] % len(first) == 0:
            return np.tile(first, node.shape[-1] // len(first))
        case Concat(axis=-1):
            return np.concatenate(inputs)
        case Add() | Concat():
            for other in inputs[1:]:
                classes.join(first, other)
            return first
        case Multiply():
            pinned = [bool((classes.roots(ids) == PINNED).all()) for ids in inputs]
            if len(inputs) == 2 and any(pinned):
                return inputs[0] if pinned[1] else inputs[1]
    raise ConversionError(f"No channel scaling passes through {node.name} ({type(node).__name__})", "Run fold first")


def channel_classes(graph: Graph) -> dict[str, Ids]:
    """Node name -> class of each channel of its output.

    Raises ``ConversionError`` for a node through which no scale can pass.
    """
    classes, ids = _Classes(), dict[str, Ids]()
    for node in graph.nodes:
        if isinstance(node, Input):
            ids[node.name] = np.full(node.shape[-1], PINNED, np.int64)
        elif isinstance(node, Conv | Depthwise):
            ids[node.name] = classes.new(node.shape[-1])
        else:
            ids[node.name] = _passed(node, [ids[name] for name in node.inputs], classes)
    return {name: classes.roots(values) for name, values in ids.items()}
