"""Removes channels from the tensors of a CAM++ checkpoint.

Takes tensors, the channels that stay, and the mean of every channel. Gives the tensors of the smaller network, which
``training.teachers.campp`` builds like any other. Must hold: what a removed channel contributed on average stays, as a
bias of whoever read it; with every channel kept, nothing changes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
import numpy.typing as npt

from training.slim.channels import BLOCKS, STAGES, depth
from training.slim.choose import Kept
from training.teachers.campp import EPSILON
from training.teachers.checkpoint import Weights
from training.teachers.pace import marks

Float32 = npt.NDArray[np.float32]
Indices = npt.NDArray[np.int64]

_NORM: Final = ("weight", "bias", "running_mean", "running_var")
_CONTEXT_GAIN: Final = 2.0
"""The context is the mean over all frames plus that over the segment: a constant arrives twice."""


class _Cutter:
    def __init__(self, weights: Weights, kept: Kept, means: Mapping[str, Float32]) -> None:
        self.weights = {name: np.asarray(value, np.float32) for name, value in weights.items()}
        self.kept = kept
        self.means = means
        self.out: dict[str, Float32] = {}

    def norm(self, name: str, keep: Indices, renamed: str = "") -> None:
        """Keep these channels of a batch normalisation."""
        for part in _NORM:
            if f"{name}.{part}" in self.weights:
                self.out[f"{renamed or name}.{part}"] = self.weights[f"{name}.{part}"][keep]

    def rectified(self, name: str, constants: Float32) -> Float32:
        """What constants become in a batch normalisation and ReLU."""
        gain, offset, mean, variance = (self.weights[f"{name}.{part}"] for part in _NORM)
        return np.asarray(np.maximum(gain * (constants - mean) / np.sqrt(variance + EPSILON) + offset, 0.0), np.float32)

    def conv(self, name: str, rows: Indices, columns: Indices, constants: Float32 | None, renamed: str = "") -> None:
        """Keep output ``rows`` and input ``columns``; removed inputs are taken as ``constants`` (all inputs)."""
        weight = self.weights[f"{name}.weight"][rows]
        gone = np.setdiff1d(np.arange(weight.shape[1]), columns)
        bias = self.weights.get(f"{name}.bias")
        bias = None if bias is None else bias[rows]
        if len(gone) and constants is not None:
            extra = np.tensordot(weight[:, gone].sum(axis=tuple(range(2, weight.ndim))), constants[gone], 1)
            bias = extra if bias is None else bias + extra
        self.out[f"{renamed or name}.weight"] = np.ascontiguousarray(weight[:, columns])
        if bias is not None:
            self.out[f"{renamed or name}.bias"] = np.asarray(bias, np.float32)


def _front(cutter: _Cutter) -> None:
    kept, means = cutter.kept, cutter.means
    cutter.conv("head.conv1", kept["front.in"], np.arange(1), None)
    cutter.norm("head.bn1", kept["front.in"])
    inputs, constants = kept["front.in"], means["head_bn1_relu"]
    for stage in STAGES:
        stream = kept[f"front.{stage}"]
        for block in (0, 1):
            name, inner = f"head.layer{stage}.{block}", kept[f"front.{stage}.{block}"]
            cutter.conv(f"{name}.conv1", inner, inputs, constants)
            cutter.norm(f"{name}.bn1", inner)
            cutter.conv(f"{name}.conv2", stream, inner, means[f"{name.replace('.', '_')}_bn1_relu"])
            cutter.norm(f"{name}.bn2", stream)
            if block == 0:
                cutter.conv(f"{name}.shortcut.0", stream, inputs, constants)
                cutter.norm(f"{name}.shortcut.1", stream)
            inputs, constants = stream, means[f"{name.replace('.', '_')}_relu"]
    cutter.conv("head.conv2", kept["front.out"], inputs, constants)
    cutter.norm("head.bn2", kept["front.out"])
    # The checkpoint flattens (channel, mel).
    width = len(means["head_bn2_relu"])
    mel = cutter.weights["xvector.tdnn.linear.weight"].shape[1] // width
    columns = (kept["front.out"][:, None] * mel + np.arange(mel)).reshape(-1)
    cutter.conv("xvector.tdnn.linear", kept["tdnn"], columns, np.repeat(means["head_bn2_relu"], mel))
    cutter.norm("xvector.tdnn.nonlinear.batchnorm", kept["tdnn"])


def _layer(  # noqa: PLR0917 - all of them differ from layer to layer
    cutter: _Cutter, source: str, target: str, key: str, stream: Indices, constants: Float32
) -> None:
    """One dense layer, written under the name ``target``."""
    bottleneck, gate, growth = (cutter.kept[f"{key}.{part}"] for part in ("bottleneck", "gate", "growth"))
    inner = cutter.means[f"{source.replace('.', '_')}_nonlinear2_batchnorm_relu"]
    first = f"{source}.nonlinear1.batchnorm"
    cutter.norm(first, stream, f"{target}.nonlinear1.batchnorm")
    cutter.conv(f"{source}.linear1", bottleneck, stream, cutter.rectified(first, constants), f"{target}.linear1")
    cutter.norm(f"{source}.nonlinear2.batchnorm", bottleneck, f"{target}.nonlinear2.batchnorm")
    cam, renamed = f"{source}.cam_layer", f"{target}.cam_layer"
    cutter.conv(f"{cam}.linear_local", growth, bottleneck, inner, f"{renamed}.linear_local")
    cutter.conv(f"{cam}.linear1", gate, bottleneck, inner * _CONTEXT_GAIN, f"{renamed}.linear1")
    hidden = cutter.means[f"{source.replace('.', '_')}_gate_relu"]
    cutter.conv(f"{cam}.linear2", growth, gate, hidden, f"{renamed}.linear2")


def _block(cutter: _Cutter, block: int, stream: Indices, constants: Float32) -> None:
    """A dense block and its transition. ``stream``: the channels of its input that stay."""
    layers = 0
    for layer in range(1, depth(cutter.weights, block) + 1):
        source, key = f"xvector.block{block}.tdnnd{layer}", f"block{block}.{layer}"
        growth = cutter.kept[f"{key}.growth"]
        if len(growth):
            layers += 1
            _layer(cutter, source, f"xvector.block{block}.tdnnd{layers}", key, stream, constants)
        stream = np.concatenate([stream, growth + len(constants)])
        constants = np.concatenate([constants, cutter.means[f"{source.replace('.', '_')}_gated"]])
    norm = f"xvector.transit{block}.nonlinear.batchnorm"
    cutter.norm(norm, stream)
    rows = cutter.kept[f"transit{block}"]
    cutter.conv(f"xvector.transit{block}.linear", rows, stream, cutter.rectified(norm, constants))


def cut(weights: Weights, kept: Kept, means: Mapping[str, Float32]) -> dict[str, Float32]:
    """The tensors of the smaller network. ``means``: of every tap (``training.slim.importance.channel_means``)."""
    cutter = _Cutter(weights, kept, means)
    _front(cutter)
    stream, constants = kept["tdnn"], cutter.means["xvector_tdnn_nonlinear_batchnorm_relu"]
    for block in BLOCKS:
        _block(cutter, block, stream, constants)
        stream, constants = kept[f"transit{block}"], cutter.means[f"xvector_transit{block}_linear"]
    cutter.norm("xvector.out_nonlinear.batchnorm", stream)
    _head(cutter, stream, cutter.rectified("xvector.out_nonlinear.batchnorm", constants))
    return cutter.out | dict(marks(weights))


def _head(cutter: _Cutter, stream: Indices, constants: Float32) -> None:
    """The dense layer on mean and deviation: a constant has no deviation."""
    width = len(constants)
    columns = np.concatenate([stream, stream + width])
    pooled = np.concatenate([constants, np.zeros(width, np.float32)])
    rows = np.arange(cutter.weights["xvector.dense.linear.weight"].shape[0])
    cutter.conv("xvector.dense.linear", rows, columns, pooled)
    norm = "xvector.dense.nonlinear.batchnorm"
    cutter.norm(norm, rows)
    extra = cutter.out.pop("xvector.dense.linear.bias", None)
    if extra is not None:
        cutter.out[f"{norm}.running_mean"] = cutter.out[f"{norm}.running_mean"] - extra
