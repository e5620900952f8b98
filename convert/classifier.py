"""A label model as a full-int8 file.

Takes a Keras model and what it may see. Gives the bytes of the file. Must hold: batch 1, static shapes, nothing but
int8 from input to output; recurrent layers are unrolled, because a loop's body cannot be quantised.
"""

from __future__ import annotations

import contextlib
import io
from typing import Any

import keras
from keras import layers, ops

from convert.compact import compact
from convert.errors import ConversionError
from convert.graph import Float32
from convert.quantise import quantise
from convert.ranges import activation_ranges, extremes


def int8_file(model: keras.Model, seen: Float32) -> bytes:
    """``seen``: inputs float32 ``(n, *shape)`` that show the ranges; some dozens are enough.

    Raises ``ConversionError`` where an operation stays float.
    """
    float_file = _float_file(unrolled(model))
    # A label model's largest values are its surest answers: nothing is clipped.
    return compact(quantise(float_file, activation_ranges(float_file, seen, choose=extremes)))


class StepByStep(layers.Layer):  # type: ignore[misc]
    """An LSTM that gives its last state, ``(1, time, values) -> (1, units)``, without a loop.

    Each gate is a slice of its own. Keras' own unrolled layer splits them in one operation, of which the first step
    uses three outputs only, and with some weights the quantiser then leaves that operation float.
    """

    def __init__(self, lstm: layers.LSTM) -> None:
        super().__init__()
        config = lstm.get_config()
        plain = (config["activation"], config["recurrent_activation"]) == ("tanh", "sigmoid")
        if not plain or config["return_sequences"] or config["go_backwards"] or not config["use_bias"]:
            raise ConversionError("An LSTM is converted with Keras' defaults alone")
        self._units = lstm.units
        self._kernel, self._recurrent, self._bias = (ops.convert_to_tensor(one) for one in lstm.get_weights())

    def call(self, x: Any) -> Any:
        """The state after the last step."""
        units = self._units
        state = cell = None
        for step in range(x.shape[1]):
            sums = ops.matmul(x[:, step], self._kernel) + self._bias
            if state is not None:
                sums = sums + ops.matmul(state, self._recurrent)
            write = ops.sigmoid(sums[:, :units]) * ops.tanh(sums[:, 2 * units : 3 * units])
            cell = write if cell is None else ops.sigmoid(sums[:, units : 2 * units]) * cell + write
            state = ops.sigmoid(sums[:, 3 * units :]) * ops.tanh(cell)
        return state

    def compute_output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        """One state."""
        return (input_shape[0], self._units)


def unrolled(model: keras.Model) -> keras.Model:
    """The same function with batch 1 and every LSTM step by step."""
    values = start = layers.Input(batch_shape=(1, *model.inputs[0].shape[1:]))
    for layer in model.layers:
        if isinstance(layer, layers.InputLayer | layers.Dropout):
            continue
        if isinstance(layer, layers.LSTM):
            values = StepByStep(layer)(values)
            continue
        copy = type(layer).from_config(layer.get_config())
        values = copy(values)
        copy.set_weights(layer.get_weights())
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
