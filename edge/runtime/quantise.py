"""Between float32 and int8: the only place where numbers are quantised.

Takes: arrays and ``QuantParams``. Gives: arrays.
Must hold: inside the range the round trip is off by at most half a step; outside it saturates; what was quantised stays
as it is when it is quantised again.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge.errors import UsageError
from edge.records import Float32

Int8 = npt.NDArray[np.int8]


@dataclass(frozen=True, slots=True)
class QuantParams:
    """How int8 stands for real numbers: ``real = (int8 - zero_point) * scale``.

    ``scale`` is positive and finite, ``zero_point`` lies in -128..127. Raises ``UsageError`` otherwise.
    """

    scale: float
    zero_point: int

    def __post_init__(self) -> None:
        # np.isfinite of the float32: a scale that underflows to 0 there would divide by zero.
        scale = np.float32(self.scale)
        if not (np.isfinite(scale) and scale > 0 and -128 <= self.zero_point <= 127):
            raise UsageError(
                f"quantisation with scale {self.scale} and zero point {self.zero_point} makes no sense",
                "The scale must be positive and the zero point must fit int8.",
            )

    @property
    def low(self) -> float:
        """The smallest number that int8 can stand for."""
        return float(np.float32(self.scale)) * (-128 - self.zero_point)

    @property
    def high(self) -> float:
        """The largest number that int8 can stand for."""
        return float(np.float32(self.scale)) * (127 - self.zero_point)


def quantise(values: Float32, params: QuantParams) -> Int8:
    """``round(values / scale) + zero_point``, saturating; ties go to the even number.

    ``values``: float32 of any shape, infinities saturate. Returns int8 of the same shape. Raises ``UsageError`` for
    NaN, which no int8 stands for. Formula: the TFLite 8-bit quantisation specification.
    """
    with np.errstate(over="ignore"):  # an infinity saturates like any other large number
        steps = np.rint(np.asarray(values, np.float32) / np.float32(params.scale))
    if np.isnan(steps).any():
        raise UsageError("a value that is not a number cannot be quantised", "Check the features before the network.")
    result: Int8 = np.clip(steps + np.float32(params.zero_point), -128, 127).astype(np.int8)
    return result


def dequantise(values: Int8, params: QuantParams) -> Float32:
    """``(values - zero_point) * scale``: int8 of any shape -> float32 of the same shape."""
    real: Float32 = (values.astype(np.float32) - np.float32(params.zero_point)) * np.float32(params.scale)
    return real
