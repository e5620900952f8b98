"""A trace against many prints: is a stretch of it in one of them?

Takes a trace and the signs of one or more prints; gives the likeness of the best stretch. Must hold: the likeness is 1
for the same recording and near 0 for unrelated sound, at whatever place it stands; parts count, so that a recording
that was cut, or put together from several, is still found.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from edge.records import Float32
from edge.spoof.fingerprint import PHASES, SECONDS_PER_PRINT, Bits

STRETCHES: Final[tuple[tuple[int, float], ...]] = ((6, 0.80), (12, 0.70), (24, 0.60))
"""Loud frames in a row (0.1 s each) and the likeness from which they are a repeat: more evidence may be less alike."""


@dataclass(frozen=True, slots=True)
class Match:
    """``likeness``: agreement of the stretch, 1 = the same. ``over``: by how much it passes its threshold, negative
    where it does not. ``seconds``: speech in the stretch. ``entry``: index of the print it was found in.
    """

    likeness: float
    over: float
    seconds: float
    entry: int


def best_match(traced: Float32, prints: list[Bits]) -> Match | None:
    """The stretch that is furthest over its threshold; None where there are no prints or too little speech."""
    used = [(i, p) for i, p in enumerate(prints) if len(p)]
    if not used or len(traced) == 0:
        return None
    signs = np.concatenate([p for _, p in used]).astype(np.float32)
    owner = np.concatenate([np.full(len(p), i) for i, p in used])
    best: Match | None = None
    for phase in range(PHASES):
        found = _best_of_phase(traced[phase::PHASES], signs, owner)
        if found is not None and (best is None or found.over > best.over):
            best = found
    return best


def _best_of_phase(rows: Float32, signs: Float32, owner: npt.NDArray[np.int64]) -> Match | None:
    weights = np.abs(rows).sum(axis=1)
    loud = np.flatnonzero(weights)
    if len(loud) < STRETCHES[0][0]:
        return None
    rows, count = rows[: loud[-1] + 1], int(loud[-1]) + 1
    agreement = rows @ signs.T
    # Row i of the skewed view begins at column i: a column of it is one alignment of the whole trace.
    padded = np.zeros((count, len(signs) + 2 * count), np.float32)
    padded[:, count : count + len(signs)] = agreement
    width = len(signs) + count
    step_row, step = padded.strides
    skewed = np.lib.stride_tricks.as_strided(padded, (count, width), (step_row + step, step), writeable=False)
    sums = np.zeros((len(loud) + 1, width), np.float32)
    np.cumsum(skewed[loud], axis=0, out=sums[1:])
    totals = np.concatenate([[0.0], np.cumsum(weights[loud])]).astype(np.float32)
    best: Match | None = None
    for frames, threshold in STRETCHES:
        if frames > len(loud):
            break
        likeness = (sums[frames:] - sums[:-frames]) / (totals[frames:] - totals[:-frames])[:, None]
        begin, column = np.unravel_index(int(np.argmax(likeness)), likeness.shape)
        value = float(likeness[begin, column])
        if best is None or value - threshold > best.over:
            middle = int(loud[begin + frames // 2]) + int(column) - count
            entry = int(owner[min(max(middle, 0), len(owner) - 1)])
            best = Match(value, value - threshold, frames * SECONDS_PER_PRINT, entry)
    return best
