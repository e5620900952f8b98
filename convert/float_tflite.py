"""A ``Graph`` as a float32 ``.tflite`` file with fixed shapes.

Takes a graph. Gives the bytes of the file. Must hold: batch is 1 and every shape is static, so that nothing but the
operations themselves is left in the file.
"""

from __future__ import annotations

import contextlib
import io
import tempfile

from convert.graph import Graph
from convert.keras_graph import to_keras


def float_tflite(graph: Graph) -> bytes:
    """Convert without any quantisation."""
    import tensorflow as tf

    model = to_keras(graph)
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        signature = tf.TensorSpec((1, *graph.nodes[0].shape), tf.float32)  # else the batch becomes dynamic
        model.export(folder, format="tf_saved_model", verbose=False, input_signature=[signature])
        return bytes(tf.lite.TFLiteConverter.from_saved_model(folder).convert())
