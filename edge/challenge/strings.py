"""How well a string of digits explains audio, among all strings.

Takes log-probabilities per step, float ``(steps, words + 1)``, the last column for "no word begins here". Gives logs of
probabilities of strings, and the string asked for against its rivals. Must hold: the probabilities of all strings add
up to at most 1.

Source: the forward variables of connectionist temporal classification (A. Graves et al., ICML 2006).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

Float64 = npt.NDArray[np.float64]
Digits = tuple[int, ...]

_TINY: Final = 1e-300


@dataclass(frozen=True, slots=True)
class Best:
    """The string of the best path. ``first``, ``last``: steps of its first and last word; both 0 without words."""

    digits: Digits
    first: int
    last: int


def best(log_probabilities: Float64) -> Best:
    """The likeliest word or none at each step, repetitions joined."""
    blank = log_probabilities.shape[1] - 1
    winners = np.argmax(log_probabilities, axis=1)
    previous = np.concatenate(([blank], winners[:-1]))
    starts = np.flatnonzero((winners != blank) & (winners != previous))
    if not len(starts):
        return Best((), 0, 0)
    last = int(np.flatnonzero(winners != blank)[-1])
    return Best(tuple(int(winners[step]) for step in starts), int(starts[0]), last)


def log_likelihoods(log_probabilities: Float64, strings: Sequence[Digits]) -> Float64:
    """Logs of the probabilities of ``strings``, which may differ in length; float64 ``(len(strings),)``."""
    result = np.empty(len(strings))
    lengths = np.array([len(string) for string in strings])
    for length in np.unique(lengths):
        rows = np.flatnonzero(lengths == length)
        wanted = np.array([strings[row] for row in rows], np.int64).reshape(len(rows), int(length))
        result[rows] = _of_one_length(log_probabilities, wanted)
    return result


def _of_one_length(log_probabilities: Float64, strings: npt.NDArray[np.int64]) -> Float64:
    count, length = strings.shape
    blank = log_probabilities.shape[1] - 1
    states = np.full((count, 2 * length + 1), blank)
    states[:, 1::2] = strings
    # From a word to the next without a pause, unless both are the same word.
    skips = np.zeros(states.shape)
    skips[:, 3::2] = strings[:, 1:] != strings[:, :-1]
    probabilities = np.exp(log_probabilities)
    ahead = np.zeros(states.shape)
    ahead[:, :2] = 1.0
    logs = np.zeros(count)
    for step, row in enumerate(probabilities):
        if step:
            moved = ahead.copy()
            moved[:, 1:] += ahead[:, :-1]
            moved[:, 2:] += ahead[:, :-2] * skips[:, 2:]
            ahead = moved
        ahead = ahead * row[states]
        total = ahead.sum(axis=1)
        logs += np.log(np.maximum(total, _TINY))
        ahead /= np.maximum(total, _TINY)[:, None]
    return np.asarray(logs + np.log(np.maximum(ahead[:, -2:].sum(axis=1), _TINY)), np.float64)


def rivals(digits: Digits, words: int) -> list[Digits]:
    """Every other string that one wrong, missing or added word makes of ``digits``."""
    found: set[Digits] = set()
    for place in range(len(digits) + 1):
        before, after = digits[:place], digits[place:]
        found.update((*before, word, *after) for word in range(words))
        if after:
            found.update((*before, word, *after[1:]) for word in range(words))
            found.add((*before, *after[1:]))
    return sorted(found - {digits})


def log_odds(log_probabilities: Float64, digits: Digits) -> float:
    """Log of how much likelier ``digits`` are than all rivals and the best path's string together.

    ``digits`` must not be empty. Positive where they are likelier than everything else that was looked at.
    """
    words = log_probabilities.shape[1] - 1
    against = rivals(digits, words)
    heard = best(log_probabilities).digits
    if heard != digits and heard not in against:
        against.append(heard)
    logs = log_likelihoods(log_probabilities, [digits, *against])
    return float(logs[0] - np.logaddexp.reduce(logs[1:]))
