"""ECAPA-TDNN (SpeechBrain) as a Keras model for utterances of any length.

Takes the tensors of the published checkpoint (see ``checkpoint.py``). Gives a functional Keras 3 model,
``(B, T, bands)`` features of ``ecapa_features.py`` -> ``(B, dim)`` embeddings as the original gives them, not of unit
norm. Must hold: equal to the original to float precision; utterances in a batch don't influence each other.

Architecture: B. Desplanques, J. Thienpondt, K. Demuynck, "ECAPA-TDNN: Emphasized Channel Attention, Propagation and
Aggregation in TDNN Based Speaker Verification", Interspeech 2020, https://arxiv.org/abs/2005.07143. What the paper
leaves open follows the checkpoint's own code: batch normalisation comes after ReLU, convolutions over time see the
utterance mirrored at its ends, a ReLU stands before the attention's tanh.
"""

from __future__ import annotations

from typing import Any, Final

import keras
import numpy as np
import numpy.typing as npt
from keras import layers, ops

from edge.errors import UsageError
from training.teachers.builder import Builder
from training.teachers.checkpoint import Weights

Float32 = npt.NDArray[np.float32]

EPSILON: Final = 1e-5
"""Batch normalisation's, as PyTorch sets it."""

LEAST_VARIANCE: Final = 1e-12
"""Below it a deviation is taken to be its root: the original's guard against roots of nothing."""

DILATIONS: Final = (2, 3, 4)
"""Dilation of the Res2Net convolutions in the blocks 1, 2, 3."""

LEAST_FRAMES: Final = 5
"""Mirroring by four frames, as the widest convolution asks for, needs a frame more than that."""

_REMEDY: Final = "Give the ECAPA-TDNN checkpoint of SpeechBrain (embedding_model.ckpt)"


@keras.saving.register_keras_serializable(package="earmark")
class MirroredEnds(layers.Layer):  # type: ignore[misc]
    """Puts ``frames`` mirrored frames before and behind, the end frames not repeated: (B, T, C) -> (B, T + 2n, C)."""

    def __init__(self, frames: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.frames = frames

    def call(self, x: Any) -> Any:
        """Needs more than ``frames`` frames."""
        return ops.pad(x, ((0, 0), (self.frames, self.frames), (0, 0)), mode="reflect")

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Longer by twice ``frames``, unknown where the input's length is."""
        batch, time, channels = input_shape
        return batch, None if time is None else time + 2 * self.frames, channels

    def get_config(self) -> dict[str, Any]:
        """The number of frames beside Keras' own keys."""
        return dict(super().get_config()) | {"frames": self.frames}


@keras.saving.register_keras_serializable(package="earmark")
class AttentiveStatistics(layers.Layer):  # type: ignore[misc]
    """Mean and deviation over time: ``x`` (B, T, C), logits (B, T, C) or None for equal weights -> (B, 1, 2C).

    The logits become weights by a softmax over time, for each channel alone (the paper's equations 1 to 4).
    """

    def call(self, x: Any, logits: Any = None) -> Any:
        """The deviation divides by T (or the weights' sum, which is 1)."""
        if logits is None:
            mean = ops.mean(x, axis=1, keepdims=True)
            variance = ops.mean(ops.square(x - mean), axis=1, keepdims=True)
        else:
            weights = ops.softmax(logits, axis=1)
            mean = ops.sum(weights * x, axis=1, keepdims=True)
            variance = ops.sum(weights * ops.square(x - mean), axis=1, keepdims=True)
        return ops.concatenate([mean, ops.sqrt(ops.maximum(variance, LEAST_VARIANCE))], axis=-1)

    def compute_output_shape(
        self, x_shape: tuple[int | None, ...], logits_shape: tuple[int | None, ...] | None = None
    ) -> tuple[int | None, ...]:
        """One frame of twice the channels."""
        batch, _, channels = x_shape
        return batch, 1, None if channels is None else 2 * channels


class _Builder(Builder):
    """Adds layers by the names of the checkpoint and gives them its tensors once the model exists."""

    def __init__(self, weights: Weights) -> None:
        super().__init__(weights, _REMEDY)

    def kernel(self, name: str) -> Float32:
        """The kernel of a convolution as Keras wants it: (out, in, time) becomes (time, in, out)."""
        kernel = self.tensor(f"{name}.conv.weight")
        if kernel.ndim != 3:
            raise UsageError(f"The checkpoint's tensor {name}.conv.weight has the shape {kernel.shape}", _REMEDY)
        return np.ascontiguousarray(kernel.transpose(2, 1, 0))

    def conv(self, x: Any, name: str, dilation: int = 1) -> Any:
        """A convolution over time that keeps the length."""
        kernel = self.kernel(name)
        beyond = (kernel.shape[0] - 1) // 2 * dilation
        if beyond:
            x = MirroredEnds(beyond, name=f"{_flat(name)}_mirrored")(x)
        return self.dense(x, name, kernel, self.tensor(f"{name}.conv.bias"), dilation)

    def dense(self, x: Any, name: str, kernel: Float32, bias: Float32 | None, dilation: int = 1) -> Any:
        """A convolution with a given kernel (time, in, out) and without padding."""
        layer = layers.Conv1D(
            kernel.shape[2], kernel.shape[0], dilation_rate=dilation, use_bias=bias is not None, name=_flat(name)
        )
        self._pending.append((layer, [kernel] if bias is None else [kernel, bias]))
        return layer(x)

    def norm(self, x: Any, name: str) -> Any:
        """Batch normalisation in inference mode, even in a network in training.

        A model called with ``training=True`` overrides a layer's own ``training=False``, but not ``trainable``.
        """
        layer = layers.BatchNormalization(epsilon=EPSILON, trainable=False, name=_flat(name))
        names = ("weight", "bias", "running_mean", "running_var")
        self._pending.append((layer, [self.tensor(f"{name}.norm.{part}") for part in names]))
        return layer(x)

    def tdnn(self, x: Any, name: str, dilation: int = 1) -> Any:
        """Convolution, ReLU, normalisation."""
        return self.relu_norm(self.conv(x, f"{name}.conv", dilation), name)

    def relu_norm(self, x: Any, name: str) -> Any:
        return self.norm(layers.ReLU(name=f"{_flat(name)}_relu")(x), f"{name}.norm")


def _flat(name: str) -> str:
    return name.replace(".", "_")


def _count(build: _Builder, pattern: str, first: int) -> int:
    """How many of the tensors ``pattern`` (with a place for the number) there are, counted from ``first``."""
    number = first
    while build.has(pattern.format(number)):
        number += 1
    return number - first


def _res2net(build: _Builder, x: Any, name: str, dilation: int) -> Any:
    """Channels in groups; each but the first is convolved after the result of the one before was added to it."""
    convolved = _count(build, name + ".blocks.{}.conv.conv.weight", 0)
    groups = ops.split(x, convolved + 1, axis=-1)
    done = [groups[0]]
    for number, group in enumerate(groups[1:]):
        mixed = layers.Add(name=f"{_flat(name)}_add{number}")([group, done[-1]]) if number else group
        done.append(build.tdnn(mixed, f"{name}.blocks.{number}", dilation))
    return layers.Concatenate(name=f"{_flat(name)}_stack")(done)


def _block(build: _Builder, x: Any, name: str, dilation: int) -> Any:
    """SE-Res2Net block: narrow, convolve in groups, widen, gate every channel by the utterance, add the input."""
    flat = _flat(name)
    y = build.tdnn(x, f"{name}.tdnn1")
    y = _res2net(build, y, f"{name}.res2net_block", dilation)
    y = build.tdnn(y, f"{name}.tdnn2")
    gate = layers.GlobalAveragePooling1D(keepdims=True, name=f"{flat}_squeeze")(y)
    gate = layers.ReLU(name=f"{flat}_squeeze_relu")(build.conv(gate, f"{name}.se_block.conv1"))
    gate = layers.Activation("sigmoid", name=f"{flat}_gate")(build.conv(gate, f"{name}.se_block.conv2"))
    return layers.Add(name=f"{flat}_add")([layers.Multiply(name=f"{flat}_gated")([y, gate]), x])


def _attention(build: _Builder, x: Any) -> Any:
    """Logits (B, T, C) of the pooling from each frame, and from mean and deviation of the whole utterance.

    The original repeats mean and deviation in every frame and convolves all; here their share of the kernel is applied
    once, which is the same sum.
    """
    name, channels = "asp.tdnn.conv", x.shape[-1]
    kernel = build.kernel(name)
    whole = AttentiveStatistics(name="asp_context")(x)
    local = build.dense(x, f"{name}.local", kernel[:, :channels], None)
    context = build.dense(whole, f"{name}.context", kernel[:, channels:], build.tensor(f"{name}.conv.bias"))
    hidden = build.relu_norm(layers.Add(name="asp_tdnn_add")([local, context]), "asp.tdnn")
    return build.conv(layers.Activation("tanh", name="asp_tanh")(hidden), "asp.conv")


def ecapa_network(weights: Weights, frames: int | None = None) -> keras.Model:
    """The network for utterances of ``frames`` frames, or of any number from ``LEAST_FRAMES`` on where that is None.

    Bands, widths, groups and the length of the embedding follow from the tensors. Raises ``UsageError`` where a tensor
    is missing or has a shape that does not fit.
    """
    build = _Builder(weights)
    bands = build.kernel("blocks.0.conv").shape[1]
    utterance = layers.Input((frames, bands), name="features")
    try:
        x = build.tdnn(utterance, "blocks.0")
        outputs = []
        for number, dilation in enumerate(DILATIONS, 1):
            x = _block(build, x, f"blocks.{number}", dilation)
            outputs.append(x)
        x = build.tdnn(layers.Concatenate(name="mfa_stack")(outputs), "mfa")
        x = AttentiveStatistics(name="asp")(x, _attention(build, x))
        x = build.conv(build.norm(x, "asp_bn"), "fc")
        model = keras.Model(utterance, layers.Flatten(name="embedding")(x), name="ecapa")
        build.finish()
    except ValueError as error:
        reason = str(error).strip().partition("\n")[0].rstrip(".")  # Keras goes on for a page
        raise UsageError(f"A tensor of the checkpoint does not fit: {reason}", _REMEDY) from error
    return model
