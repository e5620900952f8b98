"""Asks the device's own decision about every attempt, of the person and of everybody else.

Takes a condition and what was heard of its sides. Gives ``Answers``: who was let in, per profile. Must hold: the
decision is ``edge.decision.Decider`` with a claim, as in ``earmark verify``, and forgets each attempt before the next.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from edge.decision import Decider
from edge.records import Profile
from edge.scoring import Scorer
from edge.settings import Decide
from training.bench import PROFILES
from training.embeddings import Heard
from training.trials import Side
from training.verify_bench.plan import Condition

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """One row per attempt and claim: ``claimed`` and ``tried`` are places among the condition's people, ``attempt`` the
    number of the attempt among those of who tried. ``accepted``: per profile.
    """

    claimed: npt.NDArray[np.int64]
    tried: npt.NDArray[np.int64]
    attempt: npt.NDArray[np.int64]
    accepted: Mapping[Profile, Bools]


def answers(condition: Condition, heard: Mapping[Side, Heard], scorer: Scorer, policy: Decide) -> Answers:
    """Every attempt of everybody against every voiceprint."""
    people = condition.people
    prints = [heard[one.enrol].voiceprint(one.person) for one in people]
    rows: list[tuple[int, int, int]] = []
    accepted: dict[Profile, list[bool]] = {profile: [] for profile in PROFILES}
    deciders = {
        (place, profile): Decider(replace(policy, profile=profile), scorer, claim=one.person)
        for place, one in enumerate(people)
        for profile in PROFILES
    }
    for tried, somebody in enumerate(people):
        for attempt, side in enumerate(somebody.attempts):
            utterance, embedding = heard[side].utterance(), heard[side].embedding()
            for claimed in range(len(people)):
                rows.append((claimed, tried, attempt))
                for profile in PROFILES:
                    decider = deciders[claimed, profile]
                    decider.reset()
                    # Whoever else is enrolled is compared with, too: the claim has to beat them.
                    outcome = decider.decide(utterance, embedding, prints).outcome
                    accepted[profile].append(outcome == "identified")
    claimed_, tried_, attempt_ = np.array(rows, np.int64).T
    return Answers(claimed_, tried_, attempt_, {name: np.array(found) for name, found in accepted.items()})


def sides(found: Sequence[Condition]) -> list[Side]:
    """All that has to be heard."""
    return [side for one in found for person in one.people for side in (person.enrol, *person.attempts)]
