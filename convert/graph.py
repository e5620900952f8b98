"""A network as a list of operations with numpy weights: what the passes read and write.

Takes nothing, gives the node types and ``Graph``. Must hold: nodes stand in order of evaluation, names are unique,
and a pass returns a new graph; nothing is changed in place. Shapes leave the batch out and are (time, mel, channel)
or (time, channel); kernels are (time, mel, in, out).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from convert.errors import ConversionError

Float32 = npt.NDArray[np.float32]
Shape = tuple[int, ...]
Pair = tuple[int, int]
Activated = Literal["none", "relu"]


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """One operation. ``inputs`` are names of earlier nodes; ``shape`` is that of its output, without batch."""

    name: str
    inputs: tuple[str, ...]
    shape: Shape


@dataclass(frozen=True, slots=True, eq=False)
class Input(Node):
    """The network's input."""


@dataclass(frozen=True, slots=True, eq=False)
class Conv(Node):
    """A 2-D convolution. ``kernel`` (kh, kw, in, out), ``bias`` (out,)."""

    kernel: Float32
    bias: Float32
    strides: Pair = (1, 1)
    dilation: Pair = (1, 1)
    padding: Literal["valid", "same"] = "valid"
    activation: Activated = "none"


@dataclass(frozen=True, slots=True, eq=False)
class Depthwise(Node):
    """A depthwise convolution without padding. ``kernel`` (kh, kw, channels), ``bias`` (channels,)."""

    kernel: Float32
    bias: Float32
    activation: Activated = "none"


@dataclass(frozen=True, slots=True, eq=False)
class Affine(Node):
    """Batch normalisation in inference: ``x * gain + offset`` per channel."""

    gain: Float32
    offset: Float32


@dataclass(frozen=True, slots=True, eq=False)
class Relu(Node):
    """max(x, 0)."""


@dataclass(frozen=True, slots=True, eq=False)
class Sigmoid(Node):
    """1 / (1 + exp(-x))."""


@dataclass(frozen=True, slots=True, eq=False)
class Add(Node):
    """Sum of its inputs."""


@dataclass(frozen=True, slots=True, eq=False)
class Multiply(Node):
    """Product of two inputs; a length of 1 is spread."""


@dataclass(frozen=True, slots=True, eq=False)
class Concat(Node):
    """Inputs one after the other along ``axis`` (0 = time, -1 = channel; without batch)."""

    axis: int = -1


@dataclass(frozen=True, slots=True, eq=False)
class Pad(Node):
    """Zeros around time and mel: ``((before, after), (before, after))``."""

    pads: tuple[Pair, Pair]


@dataclass(frozen=True, slots=True, eq=False)
class Reshape(Node):
    """The same values in the order of memory, in another shape."""


@dataclass(frozen=True, slots=True, eq=False)
class ChunkMean(Node):
    """Means over ``chunk`` frames each, side by side: (T, 1, C) -> (T / chunk, 1, C)."""

    chunk: int


@dataclass(frozen=True, slots=True, eq=False)
class SegmentMean(Node):
    """Mean over all frames plus mean over the frame's segment of ``segment`` frames, on every frame."""

    segment: int


@dataclass(frozen=True, slots=True, eq=False)
class Graph:
    """Nodes in order of evaluation; the last one is the output, the first one the input."""

    nodes: tuple[Node, ...]

    def __post_init__(self) -> None:
        seen: set[str] = set()
        for node in self.nodes:
            missing = [name for name in node.inputs if name not in seen]
            if missing or node.name in seen:
                raise ConversionError(f"The graph is out of order at {node.name}")
            seen.add(node.name)

    @property
    def output(self) -> Node:
        """The last node."""
        return self.nodes[-1]

    def by_name(self) -> dict[str, Node]:
        """Nodes by name."""
        return {node.name: node for node in self.nodes}

    def consumers(self) -> dict[str, list[Node]]:
        """For each name the nodes that read it, in order."""
        readers: dict[str, list[Node]] = {node.name: [] for node in self.nodes}
        for node in self.nodes:
            for name in node.inputs:
                readers[name].append(node)
        return readers


def rewire(nodes: Iterable[Node], renamed: Mapping[str, str]) -> Graph:
    """A graph of ``nodes`` in which every input that was ``renamed`` (also through several steps) has its new name."""

    def final(name: str) -> str:
        while name in renamed:
            name = renamed[name]
        return name

    return Graph(tuple(replace(node, inputs=tuple(final(name) for name in node.inputs)) for node in nodes))
