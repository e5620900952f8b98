"""False names per hour and misses, with 95 % intervals.

Takes exposures, false names and outcomes. Gives plain values for a report. Must hold: hours are hours of stream,
counted once per household; where no false name was seen the bound is the rule of three over the hours that are really
different, not over those that several households heard.

The interval is a bootstrap over people, strangers and members alike: each resample draws people with replacement, a
false name weighs as often as its stranger times as often as the member who was named were drawn, and an hour of a
stranger as his times the mean of the household's members (the vertex bootstrap for pairs: T. Snijders and S. Borgatti,
"Non-parametric standard errors and tests for network statistics", Connections 22, 1999).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np

from training import metrics
from training.bench import PROFILES
from training.bench.rates import Rate, rate
from training.household_bench.deciding import SIZES, Exposure, FalseName, Findings, Outcome
from training.household_bench.plan import ATTEMPT_SECONDS, SCENES, SNRS_DB

TALK: Final = "strangers talking"
"""Monologues and dialogues together."""
VISIT: Final = "a visitor beside one of the household"
AIM_SIZE: Final = 4
AIM_SECONDS: Final = 3.0
AIM_SNR_DB: Final = 15.0
MOST_FALSE: Final = 0.5
"""False names per hour."""
MOST_MISSED: Final = 0.05
_RULE_OF_THREE: Final = 3.0


@dataclass(frozen=True, slots=True)
class PerHour:
    """``rate`` of false names per hour with its interval. ``hours``: of different sound; ``utterances``: different ones
    that got a false name in any household; ``households``: how many were drawn.
    """

    rate: float
    low: float
    high: float
    hours: float
    utterances: int
    households: int


def summary(found: Findings) -> dict[str, Any]:
    """Everything that a report says about what was decided."""
    false, missed = strangers(found.exposures, found.names), misses(found.outcomes)
    return {"strangers": false, "misses": missed, "aim": aim(false, missed, closest(found.names, "balanced", AIM_SIZE))}


def where(one: Exposure | FalseName) -> list[str]:
    """The rows of the table that something belongs to."""
    if one.visiting:
        return [VISIT]
    return [SCENES[one.scene], *([TALK] if one.scene in ("monologue", "dialogue") else [])]


ROWS: Final = (TALK, *SCENES.values(), VISIT)


def strangers(exposures: Sequence[Exposure], names: Sequence[FalseName]) -> list[dict[str, Any]]:
    """One row per scene, number of people enrolled and profile; none where nothing was heard."""
    found = []
    for row in ROWS:
        for size in SIZES:
            heard = [one for one in exposures if row in where(one) and len(one.household.people) == size]
            if not heard:
                continue
            for profile in PROFILES:
                wrong = [
                    one
                    for one in names
                    if one.profile == profile and row in where(one) and len(one.household.people) == size
                ]
                found.append({"scene": row, "enrolled": size, "profile": profile, **asdict(per_hour(heard, wrong))})
    return found


def per_hour(heard: Sequence[Exposure], wrong: Sequence[FalseName]) -> PerHour:
    """The rate of false names among what was heard by households of one size."""
    people = sorted(
        {one.who for one in heard} | {name for one in heard for name in one.household.people}
        | {one.who for one in wrong}
    )  # fmt: skip
    place = {name: number for number, name in enumerate(people)}
    hours = np.zeros((len(people), len(people)))
    events = np.zeros((len(people), len(people)))
    distinct: dict[tuple[str, str], float] = {}
    for one in heard:
        for member in one.household.people:
            hours[place[one.who], place[member]] += one.seconds / 3600 / len(one.household.people)
        distinct[one.stream, one.who] = one.seconds / 3600
    for name in wrong:
        events[place[name.who], place[name.named]] += 1
    rounds = metrics.bootstrap_weights(people)
    with np.errstate(invalid="ignore", divide="ignore"):
        rates = np.einsum("ri,ij,rj->r", rounds, events, rounds) / np.einsum("ri,ij,rj->r", rounds, hours, rounds)
    rates = rates[np.isfinite(rates)]
    low, high = (float(end) for end in np.percentile(rates, [2.5, 97.5])) if len(rates) else (0.0, float("nan"))
    different = sum(distinct.values())
    if not wrong:
        high = _RULE_OF_THREE / different
    return PerHour(
        rate=len(wrong) / float(hours.sum()),
        low=low,
        high=high,
        hours=different,
        utterances=len({(one.stream, one.start) for one in wrong}),
        households=len({one.household for one in heard}),
    )


def misses(outcomes: Sequence[Outcome]) -> list[dict[str, Any]]:
    """One row per number of people enrolled, profile, length and ratio, with the reasons counted.

    The row of the aim, every ratio from ``AIM_SNR_DB`` up together, has ``snr_db`` "15+".
    """
    found = []
    for size in SIZES:
        for profile in PROFILES:
            mine = [one for one in outcomes if one.profile == profile and len(one.household.people) == size]
            for seconds in ATTEMPT_SECONDS:
                said = [one for one in mine if one.attempt.seconds == seconds]
                for told, kept in _ratios():
                    some = [one for one in said if kept(one.attempt.snr_db)]
                    if some:
                        row = {"enrolled": size, "profile": profile, "seconds": seconds, "snr_db": told}
                        missed = asdict(miss_rate(some))
                        found.append(row | missed | {"why": reasons(some)})
    return found


def _ratios() -> Iterable[tuple[str, Callable[[float | None], bool]]]:
    yield f"{AIM_SNR_DB:g}+", lambda snr_db: snr_db is None or snr_db >= AIM_SNR_DB
    for wanted in SNRS_DB:
        yield "clean" if wanted is None else f"{wanted:g}", lambda snr_db, wanted=wanted: snr_db == wanted  # type: ignore[misc]


def miss_rate(outcomes: Sequence[Outcome]) -> Rate:
    """Share of utterances that were not named, each counted once whatever the number of households."""
    shares: dict[Any, list[bool]] = {}
    for one in outcomes:
        shares.setdefault(one.attempt, []).append(bool(one.why))
    return rate([float(np.mean(missed)) for missed in shares.values()], [attempt.person for attempt in shares])


def reasons(outcomes: Sequence[Outcome]) -> dict[str, float]:
    """Share of the decisions that each reason for a miss has, most frequent first."""
    counted = Counter(one.why for one in outcomes if one.why)
    return {why: round(count / len(outcomes), 4) for why, count in counted.most_common()}


def closest(names: Sequence[FalseName], profile: str, size: int) -> list[dict[str, Any]]:
    """Which voices were taken for which, and in how many different utterances: most frequent first."""
    pairs: dict[tuple[str, str], set[tuple[str, int]]] = {}
    for one in names:
        if one.profile == profile and len(one.household.people) == size:
            pairs.setdefault((one.who, one.named), set()).add((one.stream, one.start))
    ranked = sorted(pairs.items(), key=lambda item: (-len(item[1]), item[0]))
    return [{"who": who, "named": named, "utterances": len(found)} for (who, named), found in ranked]


def aim(
    false: Sequence[dict[str, Any]], missed: Sequence[dict[str, Any]], pairs: Sequence[dict[str, Any]]
) -> dict[str, Any]:
    """What is wanted of `balanced` and what was found. ``pairs``: see ``closest``."""
    mine = {"enrolled": AIM_SIZE, "profile": "balanced"}
    talking = mine | {"scene": TALK}
    said = mine | {"seconds": AIM_SECONDS, "snr_db": f"{AIM_SNR_DB:g}+"}
    parts: dict[str, dict[str, Any]] = {}
    why: dict[str, float] = {}
    for row in false:
        if all(row[name] == value for name, value in talking.items()):
            ends = (row["rate"], row["low"], row["high"])
            parts["false names while strangers talk"] = _part(ends, MOST_FALSE, "per hour")
    for row in missed:
        if all(row[name] == value for name, value in said.items()):
            why = row["why"]
            ends = (100 * row["share"], 100 * row["low"], 100 * row["high"])
            what = f"utterances of {AIM_SECONDS:g} s at {AIM_SNR_DB:g} dB or better that are not named"
            parts[what] = _part(ends, 100 * MOST_MISSED, "%")
    return {"enrolled": AIM_SIZE, "parts": parts, "why": why, "closest": list(pairs)}


def _part(ends: tuple[float, float, float], most: float, unit: str) -> dict[str, Any]:
    """``verdict``: met or missed where the whole interval says so, open where more has to be heard to tell."""
    found, low, high = ends
    verdict = "met" if high <= most else "missed" if low > most else "open"
    return {"found": found, "low": low, "high": high, "unit": unit, "most": most, "verdict": verdict}
