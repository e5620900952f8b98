"""The digit recogniser as a full-int8 file.

Takes a Keras model of any number of frames and what it may see. Gives the bytes of a file for one window. Must hold:
batch 1, static shapes, nothing but int8 from input to output.
"""

from __future__ import annotations

import contextlib
import io

import keras
import numpy as np

from convert.compact import compact
from convert.graph import Float32
from convert.quantise import quantise
from convert.ranges import activation_ranges, extremes


def int8_file(model: keras.Model, seen: Float32) -> bytes:
    """``seen``: windows float32 ``(n, frames, bands)`` that show the ranges; the file takes one of that shape.

    Raises ``ConversionError`` where an operation stays float.
    """
    float_file = _float_file(model, (1, *seen.shape[1:], 1))
    return compact(quantise(float_file, activation_ranges(float_file, np.asarray(seen, np.float32), choose=extremes)))


def _float_file(model: keras.Model, shape: tuple[int, ...]) -> bytes:
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    traced = tf.function(lambda values: model(values, training=False)).get_concrete_function(
        tf.TensorSpec(shape, tf.float32, name="frames")
    )
    converter = tf.lite.TFLiteConverter.from_concrete_functions([convert_variables_to_constants_v2(traced)], model)
    with contextlib.redirect_stdout(io.StringIO()):  # it says where it saved a copy
        return bytes(converter.convert())
