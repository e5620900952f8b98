"""What stands on the network: pooling over time, and dense layers in float32.

Takes: frame features float32 (frames, channels) and the arrays of a head. Gives: pooled vectors, embeddings,
probabilities.
Must hold: float32 throughout; every shape is checked at load, so that nothing can fail later.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from edge.errors import BundleError
from edge.records import Float32

_AGAIN = "Get the bundle again, or make it again."


def pool(frames: Float32) -> Float32:
    """Mean and standard deviation (n-1) over time: float32 ``(n, channels)``, n >= 2 -> float32 ``(2 * channels,)``."""
    return np.concatenate([frames.mean(axis=0), frames.std(axis=0, ddof=1)])


def unit(vector: Float32) -> Float32:
    """``vector`` at length 1; the zero vector stays zero."""
    length = np.sqrt(np.dot(vector, vector))
    scaled: Float32 = vector / max(float(length), 1e-20)
    return scaled.astype(np.float32, copy=False)


@dataclass(frozen=True, slots=True, eq=False)
class Head:
    """The last dense layer of the encoder, and perhaps a logistic speech / not-speech on the same pooled vector.

    ``kernel`` float32 (2 * channels, dim), ``bias`` (dim,), ``speech_kernel`` (2 * channels,), ``speech_bias`` ().
    """

    kernel: Float32
    bias: Float32
    speech_kernel: Float32 | None
    speech_bias: float

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Float32], channels: int, dim: int) -> Head:
        """Check the arrays of ``head.npz``. Raises ``BundleError`` that names the array at fault."""
        _known(arrays, {"kernel", "bias", "speech_kernel", "speech_bias"})
        kernel = _array(arrays, "kernel", (2 * channels, dim))
        bias = _array(arrays, "bias", (dim,))
        if ("speech_kernel" in arrays) != ("speech_bias" in arrays):
            raise BundleError("the bundle's head has only half of a speech head", _AGAIN)
        if "speech_kernel" not in arrays:
            return cls(kernel, bias, None, 0.0)
        speech_kernel = _array(arrays, "speech_kernel", (2 * channels,))
        return cls(kernel, bias, speech_kernel, float(_array(arrays, "speech_bias", ())))

    def embed(self, pooled: Float32) -> Float32:
        """Pooled ``(2 * channels,)`` -> unit-norm float32 ``(dim,)``."""
        return unit(pooled @ self.kernel + self.bias)

    def speech_logit(self, pooled: Float32) -> float | None:
        """Log odds that this is speech, None without such a head."""
        if self.speech_kernel is None:
            return None
        return float(np.dot(pooled, self.speech_kernel)) + self.speech_bias


@dataclass(frozen=True, slots=True, eq=False)
class Labels:
    """A softmax over labels on the pooled vector: ``kernel`` float32 (2 * channels, labels), ``bias`` (labels,)."""

    labels: tuple[str, ...]
    kernel: Float32
    bias: Float32

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Float32], channels: int, labels: Sequence[str]) -> Labels:
        """Check the arrays of a label head's file. Raises ``BundleError`` that names the array at fault."""
        _known(arrays, {"kernel", "bias"})
        kernel = _array(arrays, "kernel", (2 * channels, len(labels)))
        return cls(tuple(labels), kernel, _array(arrays, "bias", (len(labels),)))

    def probabilities(self, pooled: Sequence[Float32], weights: Sequence[float]) -> dict[str, float]:
        """Label -> probability from the pooled vectors of all windows, logits averaged with ``weights``."""
        logits = np.average(np.stack([one @ self.kernel for one in pooled]), axis=0, weights=weights) + self.bias
        shares = np.exp(logits - logits.max())
        return {label: float(share) for label, share in zip(self.labels, shares / shares.sum(), strict=True)}


def _known(arrays: Mapping[str, Float32], names: set[str]) -> None:
    unknown = sorted(set(arrays) - names)
    if unknown:
        raise BundleError(f"the bundle's head has an array {unknown[0]!r} that this program does not know", _AGAIN)


def _array(arrays: Mapping[str, Float32], name: str, shape: tuple[int, ...]) -> Float32:
    if name not in arrays:
        raise BundleError(f"the bundle's head lacks the array {name}", _AGAIN)
    array = arrays[name]
    if array.shape != shape:
        raise BundleError(f"the bundle's head has {name} of shape {array.shape}, and {shape} is needed", _AGAIN)
    return array
