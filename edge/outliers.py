"""What a likelihood ratio may still say about kinds of speech that calibration never met.

Takes natural-log likelihood ratios, gives more modest ones. Must hold: the order of scores never changes, 0 stays 0,
and no outliers at all change nothing.

Some tests of a person sound like nobody who is enrolled, whatever the scores of ordinary speech say: shouted or
whispered ones, or those through a bad microphone. With a share ``genuine`` of such tests, and a share ``impostor`` of
strangers who sound like the person, scores that are drawn from the one or the other have the likelihood ratio
((1 - genuine) L + genuine) / ((1 - impostor) + impostor L): a mixture model, as in robust logistic regression
(J. B. Copas, "Binary regression models for contaminated data", Journal of the Royal Statistical Society B 50, 1988). It
lies between ``genuine`` and 1 / ``impostor``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

Float64 = npt.NDArray[np.float64]

MOST: Final = 0.1
"""A share of outliers beyond this would say that nothing is known; it also keeps the map rising."""


@dataclass(frozen=True, slots=True)
class Outliers:
    """Shares from 0 to ``MOST``. Raises ``ValueError`` for others."""

    genuine: float = 0.0
    impostor: float = 0.0

    def __post_init__(self) -> None:
        if not (0.0 <= self.genuine <= MOST and 0.0 <= self.impostor <= MOST):
            raise ValueError(f"a share of outliers lies between 0 and {MOST:g}")

    def __call__(self, llrs: npt.NDArray[np.floating[Any]]) -> Float64:
        """Likelihood ratios that allow for outliers, float64, of the same shape."""
        raw = np.asarray(llrs, np.float64)
        if not self.genuine and not self.impostor:
            return raw
        above = np.logaddexp(math.log1p(-self.genuine) + raw, _log(self.genuine))
        below = np.logaddexp(math.log1p(-self.impostor), _log(self.impostor) + raw)
        result: Float64 = above - below
        return result

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Outliers:
        """Parse; raises ``KeyError``, ``TypeError`` or ``ValueError`` where it is malformed."""
        return cls(float(raw["genuine"]), float(raw["impostor"]))

    def to_json(self) -> dict[str, float]:
        """Plain values."""
        return asdict(self)


NONE: Final = Outliers()
"""Calibrations that were fitted before outliers were thought of."""


def _log(share: float) -> float:
    return math.log(share) if share > 0 else -math.inf
