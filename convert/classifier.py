"""A label model as a full-int8 file.

Takes a Keras model and what it may see. Gives the bytes of the file. Must hold: batch 1, static shapes, nothing but
int8 from input to output; recurrent layers are unrolled, because a loop's body cannot be quantised.
"""

from __future__ import annotations

import contextlib
import io
from typing import Any

import keras
from keras import layers

from convert.compact import compact
from convert.graph import Float32
from convert.quantise import quantise
from convert.ranges import activation_ranges, extremes


def int8_file(model: keras.Model, seen: Float32) -> bytes:
    """``seen``: inputs float32 ``(n, *shape)`` that show the ranges; some dozens are enough.

    Raises ``ConversionError`` where an operation stays float.
    """
    model = unrolled(model)
    float_file = _float_file(model)
    # A label model's largest values are its surest answers: nothing is clipped.
    return compact(quantise(float_file, activation_ranges(float_file, seen, choose=extremes)))


def unrolled(model: keras.Model) -> keras.Model:
    """The same function with batch 1 and every LSTM step by step."""

    def copy(layer: Any) -> Any:
        config = layer.get_config()
        return type(layer).from_config(config | {"unroll": True} if isinstance(layer, layers.LSTM) else config)

    start = layers.Input(batch_shape=(1, *model.inputs[0].shape[1:]))
    values = start
    kept = [layer for layer in model.layers if not isinstance(layer, layers.InputLayer | layers.Dropout)]
    copies = [copy(layer) for layer in kept]
    for made in copies:
        values = made(values)
    for layer, made in zip(kept, copies, strict=True):
        made.set_weights(layer.get_weights())
    return keras.Model(start, values)


def _float_file(model: keras.Model) -> bytes:
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    shape = (1, *model.inputs[0].shape[1:])
    traced = tf.function(lambda values: model(values, training=False)).get_concrete_function(
        tf.TensorSpec(shape, tf.float32, name="features")
    )
    converter = tf.lite.TFLiteConverter.from_concrete_functions([convert_variables_to_constants_v2(traced)], model)
    with contextlib.redirect_stdout(io.StringIO()):  # it says where it saved a copy
        return bytes(converter.convert())
