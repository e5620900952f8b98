"""Give the channels that share an int8 scale the same range, by moving factors between convolutions.

Takes a ``Graph`` (after the other passes) and the largest value of every channel on calibration windows. Gives a graph
and the factors of its output channels. Must hold: ``output * factors`` is what the output was.

Where channels are read by depthwise convolutions only (or by the float head) the weights have a scale per channel, so
all channels are brought to the same peak. Where a full convolution reads them, what a channel gains its weights lose;
the burden is shared half and half (after M. Nagel et al., "Data-Free Quantization through Weight Equalization and
Bias Correction", ICCV 2019). A gated channel has two tensors, before and behind the gate: it is scaled by the
geometric mean of both peaks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from convert.graph import ChunkMean, Conv, Depthwise, Float32, Graph, Multiply, Node
from convert.passes.channels import PINNED, Ids, channel_classes

Float64 = npt.NDArray[np.float64]

SMALLEST_SHARE = 1e-3
"""A channel counts as at least this share of its tensor's largest, so that a dead channel gets no huge factor."""


def _peaks(graph: Graph, ids: Mapping[str, Ids], peaks: Mapping[str, Float32], count: int) -> Float64:
    """One magnitude for each class."""
    highest, behind_gate = np.zeros(count), np.full(count, np.inf)
    for node in graph.nodes:
        if node.name not in peaks or isinstance(node, ChunkMean):
            continue
        value = np.maximum(peaks[node.name].astype(np.float64), SMALLEST_SHARE * peaks[node.name].max())
        np.maximum.at(highest, ids[node.name], value)
        if isinstance(node, Multiply):
            np.minimum.at(behind_gate, ids[node.name], value)
    gated = np.isfinite(behind_gate)
    highest[gated] = np.sqrt(highest[gated] * behind_gate[gated])
    return np.where(highest > 0, highest, 1.0)


def _weights_read(graph: Graph, ids: Mapping[str, Ids], count: int) -> Float64:
    """The largest weight with which a full convolution reads each class; 0 where none does."""
    largest = np.zeros(count)
    for node in graph.nodes:
        if isinstance(node, Conv):
            np.maximum.at(largest, ids[node.inputs[0]], np.abs(node.kernel).max(axis=(0, 1, 3)).astype(np.float64))
    return largest


def _centred(factors: Float64, graph: Graph, ids: Mapping[str, Ids]) -> Float64:
    """Scale factors so that those of every convolution's output have a geometric mean of 1 where a share is free."""
    factors = factors.copy()
    done = np.zeros(len(factors), bool)
    for node in graph.nodes:
        mine = np.unique(ids[node.name][~done[ids[node.name]]]) if isinstance(node, Conv | Depthwise) else []
        if len(mine):
            factors[mine] /= np.exp(np.log(factors[mine]).mean())
            done[mine] = True
    return factors


def channel_factors(graph: Graph, peaks: Mapping[str, Float32], share: float = 0.5) -> dict[str, Float32]:
    """Node name -> what each channel of its output is divided by.

    ``peaks``: largest magnitude of each channel, per node. ``share``: how much of the burden the activations of a full
    convolution take over (0.5 = half).
    """
    ids = channel_classes(graph)
    count = 1 + max(int(values.max()) for values in ids.values())
    peak, weight = _peaks(graph, ids, peaks, count), _weights_read(graph, ids, count)
    full = weight > 0
    shared = np.ones(count)
    shared[full] = peak[full] ** share / weight[full] ** (1.0 - share)
    factors = np.where(full, _centred(shared, graph, ids), peak)
    # To a sixteenth of an octave: observation differs in the last bits from run to run, the file should not.
    factors = np.exp2(np.round(16.0 * np.log2(factors)) / 16.0)
    factors[PINNED] = 1.0
    return {name: factors[values].astype(np.float32) for name, values in ids.items()}


def _scaled(node: Node, factors: Mapping[str, Float32]) -> Node:
    if isinstance(node, Conv):
        kernel = node.kernel * factors[node.inputs[0]][:, None] / factors[node.name]
        return replace(node, kernel=kernel, bias=node.bias / factors[node.name])
    if isinstance(node, Depthwise):
        kernel = node.kernel * (factors[node.inputs[0]] / factors[node.name])
        return replace(node, kernel=kernel, bias=node.bias / factors[node.name])
    return node


def equalise(graph: Graph, peaks: Mapping[str, Float32], share: float = 0.5) -> tuple[Graph, Float32]:
    """The equalised graph and the factors (channels,) by which its output must be multiplied."""
    factors = channel_factors(graph, peaks, share)
    return Graph(tuple(_scaled(node, factors) for node in graph.nodes)), factors[graph.output.name]


def scale_output(graph: Graph, factors: Float32) -> Graph:
    """The graph with the channels of its output divided by ``factors`` (channels,); nothing else is scaled."""
    ids = channel_classes(graph)
    by_class = np.ones(1 + max(int(values.max()) for values in ids.values()))
    by_class[ids[graph.output.name]] = factors
    by_class[PINNED] = 1.0
    spread = {name: by_class[values].astype(np.float32) for name, values in ids.items()}
    return Graph(tuple(_scaled(node, spread) for node in graph.nodes))
