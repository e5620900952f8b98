"""What a household adds to its bundle's calibration.

Takes calibrated log-likelihood ratios, gives corrected ones. Must hold: the order of scores never changes; the identity
changes nothing. ``edge.scoring.Scorer`` applies it, ``edge.calibrate`` learns it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

Float64 = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Correction:
    """A log-likelihood ratio becomes ``shift + slope * llr``. Raises ``ValueError`` unless that is a rising line.

    ``least_far``: the strictest false-accept target that it may be used for; too few trials of the household stand
    behind stricter ones.
    """

    shift: float = 0.0
    slope: float = 1.0
    least_far: float = 0.0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.shift) and math.isfinite(self.slope) and self.slope > 0):
            raise ValueError("a correction needs a finite shift and a positive slope")

    def __call__(self, llrs: npt.NDArray[np.floating[Any]]) -> Float64:
        """Corrected log-likelihood ratios, float64, of the same shape."""
        corrected: Float64 = self.shift + self.slope * np.asarray(llrs, np.float64)
        return corrected


UNCORRECTED: Final = Correction()
"""The bundle's calibration as it is."""
