"""CAM++ (3D-Speaker) as a Keras model for one window of fixed length.

Takes the tensors of the published checkpoint (see ``checkpoint.py``). Gives the trunk as a functional Keras 3 model,
``(1, frames, bands, 1)`` log-mel window -> ``(1, frames / 2, channels)`` frame features, and the head (``kernel``,
``bias``) that turns their mean and deviation into the embedding. Must hold: equal to the original to float precision.

Architecture: H. Wang et al., "CAM++: A Fast and Efficient Network for Speaker Verification Using Context-Aware
Masking", Interspeech 2023. The original works channels-first with mel as height; here it is (time, mel, channel),
with every padding spelled out, so that the mel axis keeps its natural order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import keras
import numpy as np
import numpy.typing as npt
from keras import layers, ops

from edge.errors import UsageError
from training.teachers.builder import Builder
from training.teachers.checkpoint import Weights
from training.teachers.pace import SEGMENT_FRAMES, Pace, pace_of

Float32 = npt.NDArray[np.float32]

EPSILON: Final = 1e-5
"""Batch normalisation's, as PyTorch sets it."""

_REMEDY: Final = "Give the CAM++ checkpoint of 3D-Speaker, or the .npz that `earmark train` made of it"


@dataclass(frozen=True, slots=True, eq=False)
class Head:
    """The layer after pooling: ``[mean, deviation] @ kernel + bias``; ``kernel`` (2C, dim), ``bias`` (dim,)."""

    kernel: Float32
    bias: Float32

    def embed(self, frames: npt.NDArray[np.floating[Any]]) -> Float32:
        """Frame features (T, C) -> embedding (dim,) of unit norm; the deviation divides by T - 1."""
        pooled = np.concatenate([frames.mean(0), frames.std(0, ddof=1)])
        vector = (pooled @ self.kernel + self.bias).astype(np.float32)
        return np.asarray(vector / np.linalg.norm(vector), np.float32)


@keras.saving.register_keras_serializable(package="earmark")
class SegmentContext(layers.Layer):  # type: ignore[misc]
    """What surrounds each frame: the mean over all frames plus that over its segment; ``(B, T, 1, C)`` -> the same."""

    def __init__(self, segment: int = SEGMENT_FRAMES, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.segment = segment

    def call(self, x: Any) -> Any:
        """Both means, spread over the frames they belong to."""
        frames = x.shape[1]
        parts = []
        for start in range(0, frames, self.segment):
            part = x[:, start : min(start + self.segment, frames)]
            parts.append(ops.repeat(ops.mean(part, axis=1, keepdims=True), part.shape[1], axis=1))
        return ops.mean(x, axis=1, keepdims=True) + ops.concatenate(parts, axis=1)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """The same as the input's."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """The segment's length beside Keras' own keys."""
        return dict(super().get_config()) | {"segment": self.segment}


@keras.saving.register_keras_serializable(package="earmark")
class FixedNormalization(layers.BatchNormalization):  # type: ignore[misc]
    """Batch normalisation that keeps the statistics it was given, also while gain and offset are trained: the network
    that is trained is then the one that is converted.
    """

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """As in inference, although ``fit`` passes ``training`` to every layer."""
        del training
        return super().call(inputs, training=False, mask=mask)


class _Builder(Builder):
    """Adds layers by the names of the checkpoint and gives them its tensors once the model exists."""

    def __init__(self, weights: Weights) -> None:
        super().__init__(weights, _REMEDY)

    def conv(
        self, x: Any, name: str, *, strides: tuple[int, int] = (1, 1), dilation: int = 1, same: bool = False
    ) -> Any:
        """A convolution; kernels (out, in, mel, time) or (out, in, time) become (time, mel, in, out)."""
        kernel = self.tensor(f"{name}.weight")
        kernel = kernel.transpose(3, 2, 1, 0) if kernel.ndim == 4 else kernel.transpose(2, 1, 0)[:, None]
        bias = [self.tensor(f"{name}.bias")] if self.has(f"{name}.bias") else []
        layer = layers.Conv2D(
            kernel.shape[3],
            kernel.shape[:2],
            strides=strides,
            dilation_rate=(dilation, 1),
            padding="same" if same else "valid",
            use_bias=bool(bias),
            name=name.replace(".", "_"),
        )
        self._pending.append((layer, [np.ascontiguousarray(kernel), *bias]))
        return layer(x)

    def norm(self, x: Any, name: str) -> Any:
        """Batch normalisation in inference mode."""
        layer = FixedNormalization(epsilon=EPSILON, name=name.replace(".", "_"))
        names = ("weight", "bias", "running_mean", "running_var")
        self._pending.append((layer, [self.tensor(f"{name}.{part}") for part in names]))
        return layer(x)

    def norm_relu(self, x: Any, name: str) -> Any:
        return layers.ReLU(name=f"{name.replace('.', '_')}_relu")(self.norm(x, name))


def _mel_conv(build: _Builder, x: Any, name: str, strides: tuple[int, int] = (1, 1)) -> Any:
    """3 x 3 with one zero on every side, but for the one behind the last place where a stride of 2 never reads it."""
    if strides == (1, 1):
        return build.conv(x, name, same=True)
    ends = tuple((1, 2 - stride) for stride in strides)
    padded = layers.ZeroPadding2D(ends, name=f"{name.replace('.', '_')}_pad")(x)
    return build.conv(padded, name, strides=strides)


def _residual(build: _Builder, x: Any, name: str, strides: tuple[int, int]) -> Any:
    y = build.norm_relu(_mel_conv(build, x, f"{name}.conv1", strides), f"{name}.bn1")
    y = build.norm(_mel_conv(build, y, f"{name}.conv2"), f"{name}.bn2")
    if build.has(f"{name}.shortcut.0.weight"):
        x = build.norm(build.conv(x, f"{name}.shortcut.0", strides=strides), f"{name}.shortcut.1")
    return layers.ReLU(name=f"{name.replace('.', '_')}_relu")(layers.Add(name=f"{name.replace('.', '_')}_add")([y, x]))


def _front(build: _Builder, x: Any, pace: Pace) -> Any:
    """The 2-D part: ``(B, T, bands, 1)`` -> ``(B, T / pace, 1, bands / 8 * channels)``, channels fastest."""
    x = build.norm_relu(_mel_conv(build, x, "head.conv1"), "head.bn1")
    for stage in (1, 2):
        x = _residual(build, x, f"head.layer{stage}.0", (pace.front if stage == 1 else 1, 2))
        x = _residual(build, x, f"head.layer{stage}.1", (1, 1))
    x = build.norm_relu(_mel_conv(build, x, "head.conv2", (1, 2)), "head.bn2")
    frames, bands, channels = x.shape[1:]
    return layers.Reshape((frames, 1, bands * channels), name="flatten")(x)


def _dense_layer(build: _Builder, x: Any, name: str, dilation: int, segment: int) -> Any:
    """One layer of a dense block: bottleneck, local convolution, and a gate computed from the context."""
    flat = name.replace(".", "_")
    h = build.conv(build.norm_relu(x, f"{name}.nonlinear1.batchnorm"), f"{name}.linear1")
    h = build.norm_relu(h, f"{name}.nonlinear2.batchnorm")
    local = build.conv(h, f"{name}.cam_layer.linear_local", dilation=dilation, same=True)
    gate = build.conv(SegmentContext(segment, name=f"{flat}_context")(h), f"{name}.cam_layer.linear1")
    gate = build.conv(layers.ReLU(name=f"{flat}_gate_relu")(gate), f"{name}.cam_layer.linear2")
    gate = layers.Activation("sigmoid", name=f"{flat}_gate")(gate)
    return layers.Concatenate(name=f"{flat}_stack")([x, layers.Multiply(name=f"{flat}_gated")([local, gate])])


def _channels_fastest(weights: Weights) -> Weights:
    """The original flattens (channel, mel), we flatten (mel, channel): turn the inputs of the layer behind it."""
    name = "xvector.tdnn.linear.weight"
    try:
        kernel, channels = weights[name], weights["head.conv2.weight"].shape[0]
    except KeyError as error:
        raise UsageError(f"The checkpoint has no tensor {error}", _REMEDY) from None
    outputs, inputs, taps = kernel.shape
    turned = kernel.reshape(outputs, channels, inputs // channels, taps).transpose(0, 2, 1, 3)
    return weights | {name: turned.reshape(outputs, inputs, taps)}


def campp_trunk(weights: Weights, frames: int = 300, batch: int | None = 1) -> keras.Model:
    """The trunk for windows of ``frames`` frames (even); bands, widths, depth and pace follow from the tensors.
    ``batch`` None takes any number of windows at once, which training wants.

    Raises ``UsageError`` where a tensor is missing or has a shape that does not fit.
    """
    build, pace = _Builder(_channels_fastest(weights)), pace_of(weights)
    front_channels = build.tensor("head.conv2.weight").shape[0]
    bands = 8 * build.tensor("xvector.tdnn.linear.weight").shape[1] // front_channels
    window = layers.Input((frames, bands, 1), batch_size=batch, name="window")
    try:
        x = _front(build, window, pace)
        margin = build.tensor("xvector.tdnn.linear.weight").shape[2] // 2
        x = layers.ZeroPadding2D(((margin, margin), (0, 0)), name="xvector_tdnn_pad")(x)
        x = build.conv(x, "xvector.tdnn.linear", strides=(pace.tdnn_stride, 1))
        x = build.norm_relu(x, "xvector.tdnn.nonlinear.batchnorm")
        for block in (1, 2, 3):
            layer = 1
            while build.has(f"xvector.block{block}.tdnnd{layer}.linear1.weight"):
                name = f"xvector.block{block}.tdnnd{layer}"
                x = _dense_layer(build, x, name, pace.dilation(block), pace.segment(block))
                layer += 1
            x = build.norm_relu(x, f"xvector.transit{block}.nonlinear.batchnorm")
            x = build.conv(x, f"xvector.transit{block}.linear", strides=(pace.transit_stride(block), 1))
        x = build.norm_relu(x, "xvector.out_nonlinear.batchnorm")
        x = layers.Reshape((x.shape[1], x.shape[3]), name="frame_features")(x)
        model = keras.Model(window, x, name="campp_trunk")
        build.finish()
    except ValueError as error:
        raise UsageError(f"A tensor of the checkpoint does not fit: {error}", _REMEDY) from error
    return model


def campp_head(weights: Weights) -> Head:
    """The dense layer after pooling, its batch normalisation (which has no gain or offset) folded in."""
    build = _Builder(weights)
    kernel = build.tensor("xvector.dense.linear.weight")[:, :, 0].T
    mean, variance = (build.tensor(f"xvector.dense.nonlinear.batchnorm.running_{part}") for part in ("mean", "var"))
    gain = 1.0 / np.sqrt(variance.astype(np.float64) + EPSILON)
    return Head((kernel * gain).astype(np.float32), (-mean * gain).astype(np.float32))
