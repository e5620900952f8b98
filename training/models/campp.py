"""CAM++ of any width as one trainable Keras model.

Takes tensors by the names of the checkpoint. Gives a model from windows (n, frames, bands, 1) to unit embeddings
(n, dim), and takes its tensors back. Must hold: ``tensors(embedder(weights), weights)`` are ``weights``, so that
slimming, training and conversion all speak of the same dictionary.
"""

from __future__ import annotations

from typing import Any, Final

import keras
import numpy as np
import numpy.typing as npt
from keras import layers, ops

from training.teachers.campp import EPSILON, campp_head, campp_trunk
from training.teachers.checkpoint import Weights
from training.teachers.pace import is_mark, marks

Float32 = npt.NDArray[np.float32]

HEAD: Final = "head_dense"
_DENSE: Final = "xvector.dense.linear.weight"
_DENSE_NORM: Final = "xvector.dense.nonlinear.batchnorm"
_TDNN: Final = "xvector.tdnn.linear.weight"
_TINY: Final = 1e-8
"""Keeps the gradient of a deviation finite where a feature doesn't move."""


@keras.saving.register_keras_serializable(package="earmark")
class StatisticsPooling(layers.Layer):  # type: ignore[misc]
    """Mean and deviation over time (divided by T - 1): ``(B, T, C)`` -> ``(B, 2 C)``."""

    def call(self, x: Any) -> Any:
        """Both, one after the other."""
        mean = ops.mean(x, axis=1, keepdims=True)
        variance = ops.sum(ops.square(x - mean), axis=1) / (x.shape[1] - 1)
        return ops.concatenate([ops.squeeze(mean, 1), ops.sqrt(ops.maximum(variance, _TINY))], axis=-1)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Twice the channels, no time."""
        return input_shape[0], 2 * (input_shape[2] or 0)


def embedder(weights: Weights, frames: int = 300, batch: int | None = None) -> keras.Model:
    """The trunk with pooling and head. Raises ``UsageError`` where a tensor is missing or does not fit."""
    trunk = campp_trunk(weights, frames, batch)
    head = campp_head(weights)
    dense = layers.Dense(len(head.bias), name=HEAD)
    vector = dense(StatisticsPooling(name="pool")(trunk.output))
    model = keras.Model(trunk.input, layers.UnitNormalization(name="embedding")(vector), name="campp")
    dense.set_weights([head.kernel, head.bias])
    return model


def tensors(model: keras.Model, like: Weights) -> dict[str, Float32]:
    """The model's tensors by the names and in the layouts of ``like``, the dictionary that it was built from."""
    found: dict[str, Float32] = dict(marks(like))
    for name, old in like.items():
        if is_mark(name):
            continue
        prefix, part = name.rsplit(".", 1)
        if prefix in {"xvector.dense.linear", _DENSE_NORM}:
            continue
        layer = model.get_layer(prefix.replace(".", "_"))
        found[name] = _tensor(layer, part, np.asarray(old, np.float32).shape)
    found[_TDNN] = _mel_fastest(found[_TDNN], found["head.conv2.weight"].shape[0])
    kernel, bias = model.get_layer(HEAD).get_weights()
    variance = np.asarray(like[f"{_DENSE_NORM}.running_var"], np.float32)
    gain = np.sqrt(variance.astype(np.float64) + EPSILON)
    found[_DENSE] = np.ascontiguousarray((kernel * gain).T[:, :, None], np.float32)
    found[f"{_DENSE_NORM}.running_mean"] = (-bias * gain).astype(np.float32)
    found[f"{_DENSE_NORM}.running_var"] = variance
    return found


def _tensor(layer: Any, part: str, shape: tuple[int, ...]) -> Float32:
    if isinstance(layer, layers.BatchNormalization):
        order = ("weight", "bias", "running_mean", "running_var")
        return np.array(layer.get_weights()[order.index(part)], np.float32)
    if part == "bias":
        return np.array(layer.get_weights()[1], np.float32)
    kernel = np.asarray(layer.get_weights()[0], np.float32)
    turned = kernel.transpose(3, 2, 1, 0) if len(shape) == 4 else kernel[:, 0].transpose(2, 1, 0)
    return np.ascontiguousarray(turned)


def _mel_fastest(weight: Float32, channels: int) -> Float32:
    """Undo what the builder did to the inputs of the layer behind the front: (mel, channel) to (channel, mel)."""
    outputs, inputs, taps = weight.shape
    turned = weight.reshape(outputs, inputs // channels, channels, taps).transpose(0, 2, 1, 3)
    return np.ascontiguousarray(turned.reshape(outputs, inputs, taps))
