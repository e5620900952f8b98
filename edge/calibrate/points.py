"""Trials -> what to expect at each operating point.

Takes ``Trials`` and the bundle's calibration; gives a ``Point`` per false-accept target. Must hold: nobody's clips are
judged by a correction that was learned from them; a figure comes with its interval and what stands behind it.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np

from edge.calibrate.fit import fit
from edge.calibrate.intervals import interval, upper_bound
from edge.calibrate.trials import Trials
from edge.correction import Float64
from edge.decision import FAR_TARGETS
from edge.records import Profile
from edge.scoring import Calibration

FARS: Final[tuple[tuple[Profile | None, float], ...]] = (*FAR_TARGETS.items(), (None, 0.0001))
"""The profiles, and one target for information that no profile has."""

STRICT: Final = FAR_TARGETS["strict"]


@dataclass(frozen=True, slots=True)
class Refusals:
    """Clips of people enrolled that do not get the name, with a two-sided 95 % interval of the share."""

    refused: int
    clips: int
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Point:
    """One operating point.

    ``far``: the target. ``llr``: the bundle's threshold for one comparison, as in ``earmark verify``; ``llr_of_all``:
    where all people enrolled are compared. ``asked``, ``of_all``: refusals at either. ``accepted`` of ``trials``
    impostor comparisons by ``voices`` different people pass ``llr``; ``far_high``: one-sided 95 % bound of their share,
    if trials were independent; ``far_high_voices``: of the share of voices that pass for anybody. ``needed``: how many
    impostor trials more would support the target (3/far in all).
    """

    profile: Profile | None
    far: float
    llr: float
    llr_of_all: float
    asked: Refusals
    of_all: Refusals
    accepted: int
    trials: int
    voices: int
    far_high: float
    far_high_voices: float
    needed: int

    @property
    def supported(self) -> bool:
        """Whether enough impostor trials stand behind the target."""
        return self.needed == 0

    @property
    def refused(self) -> bool:
        """Whether no figure is given at all: a target as strict as ``strict`` without the trials to show it."""
        return not self.supported and self.far <= STRICT

    def to_json(self) -> dict[str, Any]:
        """Plain values; null for the figures that are refused."""
        plain = {key: _rounded(value) for key, value in asdict(self).items()} | {"supported": self.supported}
        hidden = ("asked", "of_all", "accepted", "far_high", "far_high_voices") if self.refused else ()
        return plain | dict.fromkeys(hidden)


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(inner) for key, inner in value.items()}
    return round(value, 6) if isinstance(value, float) else value


def points(trials: Trials, calibration: Calibration) -> tuple[Point, ...]:
    """What to expect at each of ``FARS``, loosest first."""
    llrs = corrected_by_the_others(trials)
    own, strange = llrs[trials.genuine], llrs[~trials.genuine]
    voice = trials.voice[~trials.genuine]
    made = []
    for profile, far in FARS:
        llr, llr_of_all = calibration.threshold(far), calibration.threshold(far / max(1, trials.people))
        passed = strange >= llr
        accepted, voices = int(np.count_nonzero(passed)), trials.impostor_voices
        made.append(
            Point(
                profile=profile,
                far=far,
                llr=llr,
                llr_of_all=llr_of_all,
                asked=_refusals(own, llr),
                of_all=_refusals(own, llr_of_all),
                accepted=accepted,
                trials=len(strange),
                voices=voices,
                far_high=upper_bound(accepted, len(strange)),
                far_high_voices=upper_bound(len(np.unique(voice[passed])), voices),
                needed=max(0, math.ceil(round(3.0 / far, 6)) - len(strange)),
            )
        )
    return tuple(made)


def corrected_by_the_others(trials: Trials) -> Float64:
    """Log-likelihood ratios ``(n,)``, those of each template corrected by what everybody but that person suggests."""
    llrs = trials.llr.copy()
    for person in range(trials.people):
        mine = trials.template == person
        llrs[mine] = fit(trials.where(~trials.concerning(person)))(trials.llr[mine])
    return llrs


def _refusals(llrs: Float64, threshold: float) -> Refusals:
    refused = int(np.count_nonzero(llrs < threshold))
    return Refusals(refused, len(llrs), *interval(refused, len(llrs)))
