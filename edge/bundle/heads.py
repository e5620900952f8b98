"""What stands on the network: pooling over time, and the embedding's dense layers in float32.

Takes: frame features float32 (frames, channels) and the arrays of a head. Gives: pooled vectors, embeddings, the odds
of speech. (``labels`` has the heads that tell labels.)
Must hold: float32 throughout; every shape is checked at load, so that nothing can fail later.
"""

from __future__ import annotations

from collections.abc import Mapping
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


def compensated(vector: Float32, centre: Float32, transform: Float32) -> Float32:
    """A unit embedding ``(dim,)`` moved by ``centre`` ``(dim,)``, turned and stretched by ``transform`` ``(dim, dim)``,
    and of length 1 again.

    With ``transform`` the inverse square root of the covariance within speakers this is within-class covariance
    normalisation (A. Hatch, S. Kajarekar and A. Stolcke, Interspeech 2006).
    """
    return unit((vector - centre) @ transform)


@dataclass(frozen=True, slots=True, eq=False)
class Head:
    """The last dense layer of the encoder, and perhaps a logistic speech / not-speech on the same pooled vector.

    ``kernel`` float32 (2 * channels, dim), ``bias`` (dim,), ``speech_kernel`` (2 * channels,), ``speech_bias`` ().
    ``centre`` (dim,) and ``transform`` (dim, dim): compensation of the unit embeddings for what differs between
    recordings of one voice, None for a head without it.
    """

    kernel: Float32
    bias: Float32
    speech_kernel: Float32 | None
    speech_bias: float
    centre: Float32 | None = None
    transform: Float32 | None = None

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Float32], channels: int, dim: int) -> Head:
        """Check the arrays of ``head.npz``. Raises ``BundleError`` that names the array at fault."""
        known(arrays, {"kernel", "bias", "speech_kernel", "speech_bias", "centre", "transform"})
        kernel = array(arrays, "kernel", (2 * channels, dim))
        bias = array(arrays, "bias", (dim,))
        centre = transform = speech_kernel = None
        speech_bias = 0.0
        if both(arrays, "centre", "transform"):
            centre, transform = array(arrays, "centre", (dim,)), array(arrays, "transform", (dim, dim))
        if both(arrays, "speech_kernel", "speech_bias"):
            speech_kernel = array(arrays, "speech_kernel", (2 * channels,))
            speech_bias = float(array(arrays, "speech_bias", ()))
        return cls(kernel, bias, speech_kernel, speech_bias, centre, transform)

    def embed(self, pooled: Float32) -> Float32:
        """Pooled ``(2 * channels,)`` -> unit-norm float32 ``(dim,)``."""
        found = unit(pooled @ self.kernel + self.bias)
        if self.centre is None or self.transform is None:
            return found
        return compensated(found, self.centre, self.transform)

    def speech_logit(self, pooled: Float32) -> float | None:
        """Log odds that this is speech, None without such a head."""
        if self.speech_kernel is None:
            return None
        return float(np.dot(pooled, self.speech_kernel)) + self.speech_bias


def known(arrays: Mapping[str, Float32], names: set[str]) -> None:
    """Raises ``BundleError`` for an array that is none of ``names``."""
    unknown = sorted(set(arrays) - names)
    if unknown:
        raise BundleError(f"the bundle's head has an array {unknown[0]!r} that this program does not know", _AGAIN)


def both(arrays: Mapping[str, Float32], first: str, second: str) -> bool:
    """Whether both arrays are there. Raises ``BundleError`` for one without the other."""
    if (first in arrays) != (second in arrays):
        raise BundleError(f"the bundle's head has only one of {first} and {second}", _AGAIN)
    return first in arrays


def array(arrays: Mapping[str, Float32], name: str, shape: tuple[int, ...]) -> Float32:
    """The array ``name``. Raises ``BundleError`` where it is missing or has another shape."""
    if name not in arrays:
        raise BundleError(f"the bundle's head lacks the array {name}", _AGAIN)
    found = arrays[name]
    if found.shape != shape:
        raise BundleError(f"the bundle's head has {name} of shape {found.shape}, and {shape} is needed", _AGAIN)
    return found
