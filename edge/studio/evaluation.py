"""The trade-off between letting strangers in and refusing the right person, from a report of ``earmark evaluate``.

Takes the bytes of ``--json``. Gives ``TradeOff`` per trial list, and rates with intervals at any of its thresholds.
Must hold: every rate is a count of that list, nothing is interpolated; a file that is something else is refused by
name.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import pairwise
from statistics import NormalDist
from typing import Any, Final

from edge.calibrate.intervals import interval
from edge.decision import FAR_TARGETS
from edge.errors import UsageError
from edge.records import Profile

LOWEST: Final = 0.0005
HIGHEST: Final = 0.6
"""Ends of a DET curve's axes, as rates: a normal deviate of zero would be infinite."""
_MOST_POINTS: Final = 100_000
_NORMAL: Final = NormalDist()


@dataclass(frozen=True, slots=True)
class Rate:
    """``errors`` of ``trials``, as shares: the rate and its 95 % interval (Clopper-Pearson, trials independent)."""

    errors: int
    trials: int

    @property
    def share(self) -> float:
        """Errors per trial."""
        return self.errors / self.trials

    @property
    def ends(self) -> tuple[float, float]:
        """The interval."""
        return interval(self.errors, self.trials)

    def text(self) -> str:
        """For a person."""
        return f"{self.share:.2%}"

    def range_text(self) -> str:
        """The interval, for a person."""
        low, high = self.ends
        return f"95 %: {100 * low:.2f}-{100 * high:.2f} %, {self.errors} of {self.trials}"


@dataclass(frozen=True, slots=True)
class TradeOff:
    """One list. ``score``: ``llr`` or ``cosine``. ``thresholds``: falling. ``accepted``: impostor tests at or above
    each. ``refused``: genuine tests below it. ``profiles``: the bundle's own thresholds.
    """

    name: str
    score: str
    genuine: int
    impostors: int
    thresholds: tuple[float, ...]
    accepted: tuple[int, ...]
    refused: tuple[int, ...]
    profiles: dict[Profile, float]

    def far(self, number: int) -> Rate:
        """Strangers let in at the threshold with this number."""
        return Rate(self.accepted[number], self.impostors)

    def frr(self, number: int) -> Rate:
        """Genuine tests refused there."""
        return Rate(self.refused[number], self.genuine)

    def number_at(self, threshold: float) -> int:
        """The number of the least strict measured threshold that is at least ``threshold``; the strictest where none
        is.
        """
        passing = sum(one >= threshold for one in self.thresholds)
        return max(0, passing - 1)

    def equal_error(self) -> int:
        """Where both rates are closest."""
        return min(range(len(self.thresholds)), key=lambda i: abs(self.far(i).share - self.frr(i).share))


def read(data: bytes) -> tuple[TradeOff, ...]:
    """The lists of a report. Raises ``UsageError`` where it is no report, or one without curves."""
    try:
        report = json.loads(data)
    except ValueError:
        report = None
    if not isinstance(report, dict) or not report or not all(isinstance(one, dict) for one in report.values()):
        raise UsageError("This is no report of `earmark evaluate`", "Make one with its option --json FILE.")
    if not any("curve" in one for one in report.values()):
        raise UsageError(
            "This report holds no error curves", "Make it again: `earmark evaluate --json FILE` writes them."
        )
    found = []
    for name, one in report.items():
        try:
            found.append(_trade_off(str(name), one))
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise UsageError(
                f"The error curve of the list {name!r} makes no sense", "Make the report again."
            ) from error
    return tuple(found)


def _trade_off(name: str, one: dict[str, Any]) -> TradeOff:
    curve = one["curve"]
    genuine, impostors = int(curve["genuine"]), int(curve["impostors"])
    thresholds = tuple(float(value) for value in curve["thresholds"])
    accepted, refused = (tuple(int(value) for value in curve[key]) for key in ("accepted", "refused"))
    if not 0 < len(thresholds) == len(accepted) == len(refused) <= _MOST_POINTS or min(genuine, impostors) < 1:
        raise ValueError("lengths differ")
    ordered = all(a > b for a, b in pairwise(thresholds)) and all(a <= b for a, b in pairwise(accepted))
    if not ordered or not all(a >= b for a, b in pairwise(refused)):
        raise ValueError("no order")
    if accepted[0] < 0 or accepted[-1] > impostors or refused[-1] < 0 or refused[0] > genuine:
        raise ValueError("counts out of range")
    targets: dict[float, Profile] = {100 * far: profile for profile, far in FAR_TARGETS.items()}
    profiles: dict[Profile, float] = {}
    for point in one.get("fixed_points", []) if curve["score"] == "llr" else []:
        for target, profile in targets.items():
            if abs(float(point["far_target"]) - target) < 1e-9:
                profiles[profile] = float(point["llr"])
    return TradeOff(name, str(curve["score"]), genuine, impostors, thresholds, accepted, refused, profiles)


def probit(rate: float) -> float:
    """The normal deviate of a rate that was brought between the axes' ends."""
    return _NORMAL.inv_cdf(min(max(rate, LOWEST), HIGHEST))
