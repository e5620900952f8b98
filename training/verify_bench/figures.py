"""Shares of strangers let in and of people refused, per attempt and per three attempts.

Takes ``Answers``. Gives figures with 95 % bootstrap intervals over people.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from edge.decision import FAR_TARGETS
from edge.records import Profile
from training.bench import PROFILES
from training.bench.rates import rate
from training.verify_bench.attempts import Answers
from training.verify_bench.plan import Condition

TRIES: Final = 3


def figures(condition: Condition, found: Answers) -> list[dict[str, Any]]:
    """One row per profile."""
    return [_row(condition, found, profile) for profile in PROFILES]


def _row(condition: Condition, found: Answers, profile: Profile) -> dict[str, Any]:
    accepted, own = found.accepted[profile], found.claimed == found.tried
    genders = np.array([one.gender for one in condition.people])
    alike = ~own & (genders[found.claimed] == genders[found.tried]) & (genders[found.claimed] != "")
    refused = rate(~accepted[own], found.tried[own])
    strangers = rate(accepted[~own], found.tried[~own])
    thrice_own, who = _in_threes(found, own, accepted)
    thrice_strangers, whose = _in_threes(found, ~own, accepted)
    return {
        "condition": condition.name,
        "profile": profile,
        "target_far": FAR_TARGETS[profile],
        "people": len(condition.people),
        "false_accepts": asdict(strangers),
        "false_accepts_same_gender": asdict(rate(accepted[alike], found.tried[alike])),
        "refusals": asdict(refused),
        "false_accepts_in_three": asdict(rate(thrice_strangers, whose)),
        "refusals_in_three": asdict(rate(~thrice_own, who)),
    }


def _in_threes(
    found: Answers, among: npt.NDArray[np.bool_], accepted: npt.NDArray[np.bool_]
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.int64]]:
    """Whether any of three attempts in a row was let in, and who tried. What doesn't fill three is left out."""
    keys = np.stack([found.claimed, found.tried, found.attempt // TRIES])[:, among]
    threes, group, size = np.unique(keys, axis=1, return_inverse=True, return_counts=True)
    passed = np.bincount(group.reshape(-1), accepted[among], threes.shape[1]) > 0
    full = size == TRIES
    return passed[full], threes[1][full]
