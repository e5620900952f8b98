"""How good a recogniser is: words, strings, and what a challenge accepts.

Takes a ``Recogniser`` (the int8 file) and trials. Gives counts with intervals. Must hold: a string counts as accepted
exactly when ``edge.challenge`` would say so; every wrong string of one other digit is tried, and random ones.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from edge.calibrate.intervals import interval, upper_bound
from edge.challenge import Recogniser
from edge.challenge.recogniser import spoken_part
from edge.challenge.strings import Digits, Float64, best, log_likelihoods, log_odds
from training.augment import generator
from training.digits.trials import Trial

RANDOM_STRINGS: Final = 200
"""Random wrong strings per trial."""


@dataclass(slots=True)
class Score:
    """Log odds of what was said (``right``), and of wrong strings: of one other digit (``near``), and random
    (``random``); of the latter only those above ``floor``, with how many there were.
    """

    right: list[float] = field(default_factory=list)
    heard_right: int = 0
    near: list[float] = field(default_factory=list)
    random: list[float] = field(default_factory=list)
    near_tried: int = 0
    random_tried: int = 0
    floor: float = 0.0


def words_right(recogniser: Recogniser, trials: Iterable[Trial]) -> dict[str, dict[str, int]]:
    """Per speaker: ``words``, and how many of them were ``right``: the likeliest single word was the one said;
    ``alone``: nothing else was heard, either.
    """
    counts: dict[str, dict[str, int]] = {}
    singles = [(digit,) for digit in range(len(recogniser.words))]
    for trial in trials:
        logs = recogniser.log_probabilities(trial.samples)
        own = counts.setdefault(trial.speaker, {"words": 0, "right": 0, "alone": 0})
        own["words"] += 1
        own["right"] += int(np.argmax(log_likelihoods(logs, singles)) == trial.digits[0])
        own["alone"] += int(best(logs).digits == trial.digits)
    return counts


def score(recogniser: Recogniser, trials: Iterable[Trial], seed: int, floor: float = 0.0) -> Score:
    """Log odds of right and wrong strings."""
    result = Score(floor=floor)
    for number, trial in enumerate(trials):
        logs = spoken_part(recogniser.log_probabilities(trial.samples))
        heard = best(logs).digits
        result.heard_right += int(heard == trial.digits)
        result.right.append(log_odds(logs, trial.digits) if heard else -np.inf)
        near = _near(trial.digits, len(recogniser.words))
        others = _random(trial.digits, len(recogniser.words), generator(seed, f"wrong {trial.speaker} {number}"))
        result.near_tried += len(near)
        result.random_tried += len(others)
        result.near += _accepted(logs, near, heard, floor)
        result.random += _accepted(logs, others, heard, floor)
    return result


def _accepted(logs: Float64, wrong: Sequence[Digits], heard: Digits, floor: float) -> list[float]:
    """Log odds of those in ``wrong`` whose odds are above ``floor``. What was heard bounds them all."""
    if not heard:
        return []
    told = log_likelihoods(logs, [*wrong, heard])
    likely = [string for string, one in zip(wrong, told, strict=False) if string == heard or one - told[-1] > floor]
    return [odds for odds in (log_odds(logs, string) for string in likely) if odds > floor]


def _near(digits: Digits, words: int) -> list[Digits]:
    """Those that a challenge may ask for."""
    return [
        (*digits[:place], word, *digits[place + 1 :])
        for place in range(len(digits))
        for word in range(words)
        if word != digits[place] and word not in digits[max(0, place - 1) : place + 2]
    ]


def _random(digits: Digits, words: int, rng: np.random.Generator) -> list[Digits]:
    drawn = rng.integers(0, words, (RANDOM_STRINGS, len(digits)))
    return [wrong for wrong in map(tuple, drawn.tolist()) if wrong != digits and _askable(wrong)]


def _askable(digits: Digits) -> bool:
    """A challenge never asks for two equal digits in a row."""
    return all(one != other for one, other in itertools.pairwise(digits))


def rates(scored: Score, accept: float) -> dict[str, Any]:
    """Shares at the threshold ``accept``, which is not below the floor that was scored with."""
    strings = len(scored.right)
    accepted = sum(odds >= accept for odds in scored.right)
    near, others = (sum(odds >= accept for odds in found) for found in (scored.near, scored.random))
    return {
        "strings": strings,
        "heard_right": share(scored.heard_right, strings),
        "accepted": share(accepted, strings),
        "wrong_near": share(near, scored.near_tried),
        "wrong_random": share(others, scored.random_tried),
    }


def share(count: int, of: int) -> dict[str, Any]:
    """A rate with its 95 % interval, and the one-sided bound where nothing was counted."""
    low, high = interval(count, of)
    told = {"count": count, "of": of, "rate": round(count / of, 6) if of else None, "low": low, "high": high}
    return told | ({"upper_bound": upper_bound(0, of)} if not count else {})
