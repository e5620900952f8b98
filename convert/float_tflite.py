"""A ``Graph`` as a float32 ``.tflite`` file with fixed shapes.

Takes a graph. Gives the bytes of the file. Must hold: batch is 1 and every shape is static, so that nothing but the
operations themselves is left in the file.
"""

from __future__ import annotations

import contextlib
import io

from convert.graph import Graph
from convert.keras_graph import to_keras


def float_tflite(graph: Graph) -> bytes:
    """Convert without any quantisation.

    The weights are made constants first: the converter cannot read the variables of a bare Keras 3 function, and
    exporting a saved model instead takes three times as long.
    """
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    model = to_keras(graph)
    window = tf.TensorSpec((1, *graph.nodes[0].shape), tf.float32, name="window")
    traced = tf.function(lambda values: model(values, training=False)).get_concrete_function(window)
    frozen = convert_variables_to_constants_v2(traced)
    with contextlib.redirect_stdout(io.StringIO()):  # it says where it saved a copy
        return bytes(tf.lite.TFLiteConverter.from_concrete_functions([frozen], model).convert())
