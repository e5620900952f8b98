"""Operating points: thresholds on the log-likelihood ratio, and what they stand on.

Takes and gives the objects under ``points`` of a card's ``calibration``. Must hold: a point without evidence is one of
an older bundle, never one whose evidence was damaged.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Evidence:
    """What an operating point stands on: impostor ``trials`` of distinct impostor ``voices``, ``accepted`` of them.

    ``far_high``: one-sided 95 % upper bound of the false-acceptance rate (Clopper-Pearson; 3/n where none was seen),
    which takes trials for independent. ``far_high_voices``: the same from a bootstrap over voices, which does not.
    """

    trials: int
    voices: int
    accepted: int
    far_high: float
    far_high_voices: float

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Evidence:
        """Parse; raises ``KeyError``, ``TypeError`` or ``ValueError`` where it is malformed."""
        counts = [int(raw[name]) for name in ("trials", "voices", "accepted")]
        bounds = [float(raw[name]) for name in ("far_high", "far_high_voices")]
        if min(counts) < 0 or not all(0 < bound <= 1 for bound in bounds):
            raise ValueError("evidence out of range")
        return cls(counts[0], counts[1], counts[2], bounds[0], bounds[1])


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """``far``: share of impostor trials that pass; ``llr``: the threshold that lets this share pass.

    ``evidence``: None in bundles that were calibrated before it was kept.
    """

    far: float
    llr: float
    evidence: Evidence | None = None

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> OperatingPoint:
        """Parse; raises ``KeyError``, ``TypeError`` or ``ValueError`` where it is malformed."""
        evidence = raw.get("evidence")
        return cls(float(raw["far"]), float(raw["llr"]), None if evidence is None else Evidence.from_json(evidence))

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        plain: dict[str, Any] = {"far": self.far, "llr": self.llr}
        return plain if self.evidence is None else plain | {"evidence": asdict(self.evidence)}
