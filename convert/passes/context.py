"""Context gates on a handful of frames instead of all of them.

Takes and gives a ``Graph`` (after ``fold``). Must hold: the output is unchanged and no ``SegmentMean`` is left. Why:
the mean over everything plus the mean over the segment is constant inside a segment, yet the original spreads it over
every frame and runs two convolutions on each. With a window of fixed length the segments' borders are known: the
frames are averaged in chunks that no border cuts, a depthwise convolution mixes the chunks' means into each segment's
context, the gate is computed once per chunk, and it is spread by multiplying (chunks, frames, C) with (chunks, 1, C).
"""

from __future__ import annotations

from dataclasses import replace
from math import gcd

import numpy as np

from convert.errors import ConversionError
from convert.graph import (
    ChunkMean,
    Concat,
    Conv,
    Depthwise,
    Float32,
    Graph,
    Multiply,
    Node,
    Reshape,
    SegmentMean,
    Sigmoid,
    rewire,
)


def mixing(frames: int, segment: int) -> tuple[int, Float32, tuple[int, ...]]:
    """How chunk means make contexts: the chunk's length, weights (contexts, chunks), and the context of every chunk."""
    chunk = gcd(segment, frames)
    chunks, starts = frames // chunk, range(0, frames, segment)
    weights = np.full((len(starts), chunks), 1.0 / chunks)
    owner = [index * chunk // segment for index in range(chunks)]
    for context in range(len(starts)):
        mine = [index for index in range(chunks) if owner[index] == context]
        weights[context, mine] += 1.0 / len(mine)
    return chunk, weights.astype(np.float32), tuple(owner)


def _gate_chain(mean: Node, readers: dict[str, list[Node]]) -> tuple[list[Node], Multiply]:
    """The 1 x 1 convolutions and the sigmoid behind a segment mean, and the product they end in."""
    chain: list[Node] = []
    node = mean
    while True:
        following = readers[node.name]
        if len(following) != 1:
            raise ConversionError(f"The context {mean.name} is read by more than its gate")
        node = following[0]
        if isinstance(node, Multiply):
            return chain, node
        pointwise = isinstance(node, Conv) and node.kernel.shape[:2] == (1, 1) and node.strides == (1, 1)
        if not (pointwise or isinstance(node, Sigmoid)):
            raise ConversionError(f"The context {mean.name} does not end in a gate: {node.name} is in the way")
        chain.append(node)


def _short(mean: SegmentMean, chain: list[Node], product: Multiply) -> list[Node]:
    """The nodes that stand for one context gate."""
    frames, width, channels = mean.shape
    chunk, weights, owner = mixing(frames, mean.segment)
    chunks = frames // chunk
    name, last = mean.name, chain[-1]
    pooled = ChunkMean(f"{name}_chunks", mean.inputs, (chunks, width, channels), chunk)
    spread = [np.repeat(row[:, None, None], channels, axis=2) for row in weights]
    zero = np.zeros(channels, np.float32)
    mixed = [
        Depthwise(f"{name}_mix{index}", (pooled.name,), (1, width, channels), kernel, zero)
        for index, kernel in enumerate(spread)
    ]
    contexts = Concat(name, tuple(mixed[index].name for index in owner), (chunks, width, channels), 0)
    gate = [replace(node, shape=(chunks, width, node.shape[-1])) for node in chain]
    (local,) = (source for source in product.inputs if source != last.name)
    outputs = product.shape[-1]
    cut = Reshape(f"{product.name}_cut", (local,), (chunks, chunk * width, outputs))
    times = Multiply(f"{product.name}_times", (cut.name, last.name), cut.shape)
    return [pooled, *mixed, contexts, *gate, cut, times, Reshape(product.name, (times.name,), product.shape)]


def chunked_context(graph: Graph) -> Graph:
    """Rewrite every context gate.

    Raises ``ConversionError`` where a segment mean does not end, through 1 x 1 convolutions, in one product.
    """
    readers = graph.consumers()
    dropped: set[str] = set()
    inserted: dict[str, list[Node]] = {}
    for node in graph.nodes:
        if isinstance(node, SegmentMean):
            chain, product = _gate_chain(node, readers)
            dropped |= {node.name, product.name, *(link.name for link in chain)}
            inserted[product.name] = _short(node, chain, product)
    nodes: list[Node] = []
    for node in graph.nodes:
        nodes.extend(inserted.get(node.name, [] if node.name in dropped else [node]))
    return rewire(nodes, {})
