"""Between a functional Keras model and a ``Graph``.

Takes a model with one input and one output whose layers are each used once, or a graph. Gives the other. Must hold:
``to_keras(from_keras(model))`` computes what ``model`` computes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import layers

from convert import graph as g
from convert.errors import ConversionError
from convert.keras_layers import ChunkAverage
from training.teachers.campp import SegmentContext


def _inputs(layer: Any) -> list[Any]:
    return list(layer.input) if isinstance(layer.input, list | tuple) else [layer.input]


def _bias(layer: Any, width: int) -> g.Float32:
    return np.asarray(layer.bias, np.float32) if layer.use_bias else np.zeros(width, np.float32)


def _activation(layer: Any) -> g.Activated:
    name = keras.activations.serialize(layer.activation)
    if name not in ("linear", "relu"):
        raise ConversionError(f"Layer {layer.name} has the activation {name}", "Make it a layer of its own")
    return "relu" if name == "relu" else "none"


def _affine(layer: Any, node: g.Node) -> g.Affine:
    """Gain and offset of a batch normalisation, computed in float64."""
    variance = np.asarray(layer.moving_variance, np.float64)
    gain = (np.asarray(layer.gamma, np.float64) if layer.scale else 1.0) / np.sqrt(variance + layer.epsilon)
    offset = (np.asarray(layer.beta, np.float64) if layer.center else 0.0) - np.asarray(layer.moving_mean) * gain
    return g.Affine(node.name, node.inputs, node.shape, gain.astype(np.float32), offset.astype(np.float32))


def _node(layer: Any, base: g.Node) -> g.Node:  # noqa: PLR0911, PLR0912 - one return for each kind of layer
    common = (base.name, base.inputs, base.shape)
    match layer:
        case layers.InputLayer():
            return g.Input(*common)
        case layers.DepthwiseConv2D(padding="valid", strides=(1, 1), dilation_rate=(1, 1), depth_multiplier=1):
            kernel = np.asarray(layer.kernel, np.float32)[..., 0]
            return g.Depthwise(*common, kernel, _bias(layer, kernel.shape[-1]), _activation(layer))
        case layers.DepthwiseConv2D():
            raise ConversionError(f"Layer {layer.name} is a depthwise convolution with padding, stride or multiplier")
        case layers.Conv2D():
            kernel = np.asarray(layer.kernel, np.float32)
            bias = _bias(layer, kernel.shape[-1])
            return g.Conv(*common, kernel, bias, layer.strides, layer.dilation_rate, layer.padding, _activation(layer))
        case layers.BatchNormalization():
            return _affine(layer, base)
        case layers.ReLU(max_value=None, negative_slope=0.0, threshold=0.0):
            return g.Relu(*common)
        case layers.Activation() if keras.activations.serialize(layer.activation) in ("relu", "sigmoid"):
            return (g.Relu if keras.activations.serialize(layer.activation) == "relu" else g.Sigmoid)(*common)
        case layers.Add():
            return g.Add(*common)
        case layers.Multiply():
            return g.Multiply(*common)
        case layers.Concatenate():
            return g.Concat(*common, layer.axis if layer.axis < 0 else layer.axis - 1)
        case layers.ZeroPadding2D():
            return g.Pad(*common, layer.padding)
        case layers.Reshape():
            return g.Reshape(*common)
        case ChunkAverage():
            return g.ChunkMean(*common, layer.chunk)
        case SegmentContext():
            return g.SegmentMean(*common, layer.segment)
        case _:
            raise ConversionError(f"Layer {layer.name} ({type(layer).__name__}) is not one that the passes know")


def from_keras(model: Any) -> g.Graph:
    """The graph of a functional model.

    Raises ``ConversionError`` for a kind of layer that the passes do not know.
    """
    producer: dict[int, str] = {}
    nodes: list[g.Node] = []
    for layer in model.layers:
        inputs = () if isinstance(layer, layers.InputLayer) else tuple(producer[id(t)] for t in _inputs(layer))
        nodes.append(_node(layer, g.Node(layer.name, inputs, tuple(layer.output.shape[1:]))))
        producer[id(layer.output)] = layer.name
    return g.Graph(tuple(nodes))


def _layer(node: g.Node) -> tuple[Any, list[g.Float32]]:
    """The Keras layer for a node and the weights it gets once built."""
    name, linear = node.name, {"none": None, "relu": "relu"}
    match node:
        case g.Conv():
            layer = layers.Conv2D(
                node.kernel.shape[3],
                node.kernel.shape[:2],
                strides=node.strides,
                dilation_rate=node.dilation,
                padding=node.padding,
                activation=linear[node.activation],
                name=name,
            )
            return layer, [node.kernel, node.bias]
        case g.Depthwise():
            layer = layers.DepthwiseConv2D(node.kernel.shape[:2], activation=linear[node.activation], name=name)
            return layer, [node.kernel[..., None], node.bias]
        case g.Affine():
            ones = np.ones_like(node.gain)
            layer = layers.BatchNormalization(epsilon=0.0, name=name)
            return layer, [node.gain, node.offset, np.zeros_like(ones), ones]
        case _:
            return plain_layer(node), []


def plain_layer(node: g.Node) -> Any:  # noqa: PLR0911 - one return for each kind of node
    """The Keras layer for a node without weights. Raises ``ConversionError`` for one that has some."""
    name = node.name
    match node:
        case g.Relu():
            return layers.ReLU(name=name)
        case g.Sigmoid():
            return layers.Activation("sigmoid", name=name)
        case g.Add():
            return layers.Add(name=name)
        case g.Multiply():
            return layers.Multiply(name=name)
        case g.Concat():
            return layers.Concatenate(axis=node.axis if node.axis < 0 else node.axis + 1, name=name)
        case g.Pad():
            return layers.ZeroPadding2D(node.pads, name=name)
        case g.Reshape():
            return layers.Reshape(node.shape, name=name)
        case g.ChunkMean():
            return ChunkAverage(node.chunk, name=name)
        case g.SegmentMean():
            return SegmentContext(node.segment, name=name)
        case _:
            raise ConversionError(f"Node {name} has no layer")


def to_keras(graph: g.Graph, outputs: Sequence[str] = ()) -> Any:
    """A functional model with batch 1. ``outputs``: names of nodes whose values it gives as a dictionary; the graph's
    own output alone when there are none.
    """
    values: dict[str, Any] = {}
    pending: list[tuple[Any, list[g.Float32]]] = []
    for node in graph.nodes:
        if isinstance(node, g.Input):
            values[node.name] = layers.Input(node.shape, batch_size=1, name=node.name)
            continue
        layer, weights = _layer(node)
        arguments = [values[name] for name in node.inputs]
        values[node.name] = layer(arguments[0] if len(arguments) == 1 else arguments)
        pending.append((layer, weights))
    wanted = {name: values[name] for name in outputs} if outputs else values[graph.output.name]
    model = keras.Model(values[graph.nodes[0].name], wanted)
    for layer, weights in pending:
        if weights:
            layer.set_weights(weights)
    return model
