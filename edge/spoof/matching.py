"""A recording against many prints: is a stretch of it, or are many pieces of it, in some of them?

Takes samples and the signs of one or more prints; gives the ``Match``. Must hold: the likeness is 1 for the same
recording and near 0 for unrelated sound, at whatever place it stands; a recording that was cut, or put together from
pieces of several, is still found.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from edge.records import Float32
from edge.spoof.fingerprint import PHASES, SECONDS_PER_PRINT, STEP, Bits, Trace, trace

STRETCHES: Final[tuple[tuple[int, float], ...]] = (
    (4, 0.985), (6, 0.955), (8, 0.92), (12, 0.84), (15, 0.76), (18, 0.68), (24, 0.58),
)  # fmt: skip
"""Loud frames in a row (0.1 s each) and the likeness from which they are a repeat: more evidence may be less alike."""
PIECE: Final = 4
"""Loud frames of a piece: 0.4 s, about a digit."""
PIECE_LIKENESS: Final = 0.93
PIECES_SHARE: Final = 0.6
PIECES_SECONDS: Final = 0.7
"""So much of the speech, and at least so long, must lie in pieces that were heard before."""
_NEAR: Final = 0.15
"""So much below a threshold a likeness is worth another look."""
_BLOCK: Final = 4096
"""Frames of prints that are compared at a time."""


@dataclass(frozen=True, slots=True)
class Match:
    """``likeness``: agreement of the best stretch or piece, 1 = the same. ``seconds``: speech that was heard before.
    ``entry``: index of a print it was found in.
    """

    likeness: float
    seconds: float
    entry: int


@dataclass(frozen=True, slots=True)
class Likeness:
    """What a comparison measured. ``stretches``: for each length of ``STRETCHES`` the best likeness and the entry, none
    where there was not enough speech. ``piece``: the same for the best piece. ``covered``: share of the speech that
    lies in pieces over ``PIECE_LIKENESS``; ``speech_seconds``: how much speech that is a share of.
    """

    stretches: Sequence[tuple[float, int] | None]
    piece: tuple[float, int] | None
    covered: float
    speech_seconds: float


def find(samples: Float32, secret: bytes, prints: Sequence[Bits]) -> Match | None:
    """What of ``samples`` (float32 ``(n,)``, 16 kHz) was heard before, None where nothing was.

    Where it is nearly alike it is looked at again, 10 ms later: then some frame lies within 5 ms of each kept one.
    """
    found = compare(trace(samples, secret), prints)
    if (match := _match(found)) is not None or not _near(found):
        return match
    return _match(compare(trace(samples[STEP // 2 :], secret), prints))


def _near(found: Likeness) -> bool:
    stretches = zip(STRETCHES, found.stretches, strict=True)
    return found.covered >= PIECES_SHARE / 2 or any(
        stretch is not None and stretch[0] >= threshold - _NEAR for (_, threshold), stretch in stretches
    )


def _match(found: Likeness) -> Match | None:
    best: Match | None = None
    over = 0.0
    for (frames, threshold), stretch in zip(STRETCHES, found.stretches, strict=True):
        if stretch is not None and stretch[0] - threshold >= over:
            over = stretch[0] - threshold
            best = Match(stretch[0], frames * SECONDS_PER_PRINT, stretch[1])
    seconds = found.covered * found.speech_seconds
    if best is None and found.piece is not None and found.covered >= PIECES_SHARE and seconds >= PIECES_SECONDS:
        best = Match(found.piece[0], seconds, found.piece[1])
    return best


def compare(traced: Trace, prints: Sequence[Bits]) -> Likeness:
    """Measure; decides nothing."""
    stretches: list[tuple[float, int] | None] = [None] * len(STRETCHES)
    piece: tuple[float, int] | None = None
    covered = np.zeros(len(traced.loud), np.bool_)
    for signs, owner in _blocks(prints) if traced.loud.any() else ():
        for phase in range(PHASES):
            aligned = _Aligned(traced, phase, signs, owner)
            for place, (frames, _) in enumerate(STRETCHES):
                stretches[place] = _better(stretches[place], aligned.best(frames))
            piece = _better(piece, aligned.best(PIECE))
            aligned.cover(covered)
    speech = int(traced.loud.sum())
    share = float((covered & traced.loud).sum() / speech) if speech else 0.0
    return Likeness(tuple(stretches), piece, share, speech / PHASES * SECONDS_PER_PRINT)


def _blocks(prints: Sequence[Bits]) -> Iterator[tuple[Float32, npt.NDArray[np.int64]]]:
    """Prints one after the other with the index of each frame's print, in blocks that fit into a processor's cache."""
    begin = 0
    while begin < len(prints):
        end, frames = begin, 0
        while end < len(prints) and (frames == 0 or frames + len(prints[end]) <= _BLOCK):
            frames += len(prints[end])
            end += 1
        if frames:
            signs = np.concatenate(prints[begin:end]).astype(np.float32)
            yield signs, np.repeat(np.arange(begin, end), [len(found) for found in prints[begin:end]])
        begin = end


def _better(one: tuple[float, int] | None, other: tuple[float, int] | None) -> tuple[float, int] | None:
    if one is None or other is None:
        return one or other
    return max(one, other)


class _Aligned:
    """Every fifth frame of a trace against the prints, at every alignment."""

    def __init__(self, traced: Trace, phase: int, signs: Float32, owner: npt.NDArray[np.int64]) -> None:
        self._phase, self._owner = phase, owner
        self._found: dict[int, Float32] = {}
        self._loud = np.flatnonzero(traced.loud[phase::PHASES])
        self._count = int(self._loud[-1]) + 1 if len(self._loud) else 0
        if len(self._loud) < PIECE:
            return
        rows = traced.rows[phase::PHASES][: self._count]
        # Row i of the skewed view begins at column i: a column of it is one alignment of the whole trace.
        width = len(signs) + self._count
        padded = np.zeros((self._count, width + self._count), np.float32)
        padded[:, self._count : width] = rows @ signs.T
        row, step = padded.strides
        skewed = np.lib.stride_tricks.as_strided(padded, (self._count, width), (row + step, step), writeable=False)
        self._sums = np.zeros((len(self._loud) + 1, width), np.float32)
        np.cumsum(skewed[self._loud], axis=0, out=self._sums[1:])
        weights = np.abs(rows[self._loud]).sum(axis=1)
        self._totals = np.concatenate([[0.0], np.cumsum(weights)]).astype(np.float32)

    def best(self, frames: int) -> tuple[float, int] | None:
        """The highest likeness of so many loud frames in a row, and the entry."""
        if len(self._loud) < frames:
            return None
        likeness = self._likeness(frames)
        begin = int(np.argmax(likeness))
        column = int(np.argmax(self._sums[begin + frames] - self._sums[begin]))
        middle = int(self._loud[begin + frames // 2]) + column - self._count
        entry = int(self._owner[min(max(middle, 0), len(self._owner) - 1)])
        return float(likeness[begin]), entry

    def cover(self, covered: npt.NDArray[np.bool_]) -> None:
        """Mark the frames of the trace (every 20 ms) that lie in a piece that was heard before."""
        if len(self._loud) < PIECE:
            return
        for begin in np.flatnonzero(self._likeness(PIECE) >= PIECE_LIKENESS):
            first, last = (PHASES * int(self._loud[begin + i]) + self._phase for i in (0, PIECE - 1))
            covered[first : last + PHASES] = True

    def _likeness(self, frames: int) -> Float32:
        """Of each run of so many loud frames, at its best alignment."""
        if frames in self._found:
            return self._found[frames]
        most = (self._sums[frames:] - self._sums[:-frames]).max(axis=1)
        result: Float32 = most / np.maximum(self._totals[frames:] - self._totals[:-frames], 1e-6)
        self._found[frames] = result
        return result
