"""A ``Graph`` as a ``.tflite`` file with fixed shapes and float32 input and output.

Takes a graph. Gives the bytes of the file: all of it float32, or with its weights in int8. Must hold: batch is 1
and every shape is static, so that nothing but the operations themselves is left in the file.
"""

from __future__ import annotations

import contextlib
import io

from convert.graph import Graph
from convert.keras_graph import to_keras


def float_tflite(graph: Graph) -> bytes:
    """Convert without any quantisation."""
    return _convert(graph, dynamic=False)


def dynamic_tflite(graph: Graph) -> bytes:
    """Convert with the converter's default optimisation: weights of 1024 values or more become int8, activations stay
    float32 in the file (the runtime rounds them to int8, with the range they happen to have, for each product).
    """
    return _convert(graph, dynamic=True)


def _convert(graph: Graph, *, dynamic: bool) -> bytes:
    """The weights are made constants first: the converter cannot read the variables of a bare Keras 3 function, and
    exporting a saved model instead takes three times as long.
    """
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    model = to_keras(graph)
    window = tf.TensorSpec((1, *graph.nodes[0].shape), tf.float32, name="window")
    traced = tf.function(lambda values: model(values, training=False)).get_concrete_function(window)
    converter = tf.lite.TFLiteConverter.from_concrete_functions([convert_variables_to_constants_v2(traced)], model)
    if dynamic:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    with contextlib.redirect_stdout(io.StringIO()):  # it says where it saved a copy
        return bytes(converter.convert())
