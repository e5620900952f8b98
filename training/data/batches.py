"""Batches of random crops, normalised as the device does it, for one worker of any number.

Takes a ``Store`` and choices; gives numpy arrays. Must hold: a batch depends on seed, epoch and step alone, so that a
training goes on exactly where it stopped; at each step the workers' batches are shares of the same global batch, of one
shape, so that it doesn't matter how many workers there are; memory holds a batch and one epoch's order (eight bytes per
row), never the features.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from edge.errors import UsageError
from edge.features import normalise
from edge.records import FeatureSpec, Float32
from training.data.order import CROP, LENGTH, ORDER, Int64, balanced, shuffled, stream
from training.data.store import Int32, Store, refuse_other_features
from training.windows import fill

Last = Literal["keep", "drop", "repeat"]
LASTS: Final[tuple[Last, ...]] = ("keep", "drop", "repeat")


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """One step of one worker.

    ``inputs``: float32 ``(n, frames, coefficients)``, normalised. ``clean``: the same stretches without what rooms and
    microphones did to them, normalised by themselves, where asked for. ``speakers``: label numbers ``(n,)``, -1 where
    unknown. ``rows``: row numbers of the store ``(n,)``, which lead to every other label.
    """

    inputs: Float32
    clean: Float32 | None
    speakers: Int32
    rows: Int64
    epoch: int
    step: int


@dataclass(frozen=True, slots=True)
class Crops:
    """How long crops are: one length per batch, drawn from ``shortest`` to ``longest`` seconds in steps of ``grid``.

    A grid, because graph compilers compile anew for each shape.
    """

    shortest: float = 1.0
    longest: float = 5.0
    grid: float = 0.5

    def lengths(self, spec: FeatureSpec) -> Int64:
        """The possible lengths in frames."""
        if not 0 < self.shortest <= self.longest or self.grid <= 0:
            raise UsageError(
                f"Crops from {self.shortest} to {self.longest} s in steps of {self.grid} s make no sense",
                "Give two lengths, the shorter first, and a step above 0.",
            )
        steps = np.arange(int((self.longest - self.shortest) / self.grid + 1e-9) + 1)
        seconds = self.shortest + steps * self.grid
        lengths: Int64 = np.maximum(1, np.rint(seconds * 1000 / spec.hop_ms)).astype(np.int64)
        return lengths


class Batches:
    """Draws batches from a store.

    Args:
        store: where the features are.
        spec: the features that the network takes; its normalisation is applied to each crop.
        size: examples per batch and worker.
        seed: of everything random.
        crops: how long the crops are.
        rows: the rows to draw from; None: all.
        clean: give the clean partners too.
        balance_speakers: hear every known speaker equally often; else every row once per epoch.
        together: shards to read from at the same time, see ``order.shuffled``; None: all.
        worker: which of ``workers`` this is, from 0.
        workers: among how many an epoch is divided.
        last: what becomes of the last, incomplete step: ``keep`` it (short, perhaps empty for some workers), ``drop``
            it, or ``repeat`` the epoch's first rows to complete it. Several workers in step need one of the latter.
    """

    def __init__(
        self,
        store: Store,
        spec: FeatureSpec,
        *,
        size: int,
        seed: int = 1,
        crops: Crops | None = None,
        rows: npt.ArrayLike | None = None,
        clean: bool = False,
        balance_speakers: bool = False,
        together: int | None = None,
        worker: int = 0,
        workers: int = 1,
        last: Last = "keep",
    ) -> None:
        refuse_other_features(store, spec)
        _refuse_nonsense(size, worker, workers, last)
        if together is not None and (together < 1 or balance_speakers):
            raise UsageError(
                f"Reading {together} shards at a time is impossible here",
                "Give at least 1, and don't balance speakers: theirs lie in all shards.",
            )
        self.store, self.spec, self.size, self.seed = store, spec, size, seed
        self.clean, self.worker, self.workers, self.last = clean, worker, workers, last
        self._balance, self._together = balance_speakers, together
        self._lengths = (crops or Crops()).lengths(spec)
        self._rows: Int64 = np.arange(len(store)) if rows is None else np.asarray(rows, np.int64)
        self._order: tuple[int, Int64] = (-1, self._rows[:0])
        if not len(self.order(0)):
            raise UsageError("There is nothing to draw batches from", "Give rows; balancing needs named speakers.")

    @property
    def steps(self) -> int:
        """Steps of an epoch, the same for every worker."""
        together = self.size * self.workers
        count = len(self.order(0))  # equally long in every epoch
        return count // together if self.last == "drop" else -(-count // together)

    def order(self, epoch: int) -> Int64:
        """The rows of an epoch in order, for all workers together; the last one that was asked for is kept."""
        if self._order[0] != epoch:
            rng = stream(self.seed, epoch, ORDER)
            if self._balance:
                order = balanced(self._rows, self.store.speakers[self._rows], rng)
            else:
                order = shuffled(self._rows, self.store.shards[self._rows], self._together, rng)
            self._order = (epoch, order)
        return self._order[1]

    def batch(self, epoch: int, step: int) -> Batch:
        """This worker's share of one step. Raises ``IndexError`` beyond the epoch's end."""
        if not 0 <= step < self.steps:
            raise IndexError(f"step {step} of {self.steps}")
        order = self.order(epoch)
        places = np.arange(self.size) * self.workers + self.worker
        where = step * self.size * self.workers + places
        if self.last == "repeat":
            where %= len(order)
        else:
            places, where = places[where < len(order)], where[where < len(order)]
        # Drawn for the global batch, of which each worker takes its places.
        length = int(stream(self.seed, epoch, LENGTH, step).choice(self._lengths))
        chance = stream(self.seed, epoch, CROP, step).random(self.size * self.workers)[places]
        return self._cut(order[where], chance, length, epoch, step)

    def epoch(self, epoch: int, first_step: int = 0) -> Iterator[Batch]:
        """Yield an epoch's batches from ``first_step`` on."""
        for step in range(first_step, self.steps):
            yield self.batch(epoch, step)

    def stream(self, epoch: int = 0, step: int = 0) -> Iterator[Batch]:
        """Yield batches without end, from a place on: what was done before is not computed again."""
        while True:
            yield from self.epoch(epoch, step)
            epoch, step = epoch + 1, 0

    def _cut(self, rows: Int64, chance: npt.NDArray[np.float64], length: int, epoch: int, step: int) -> Batch:
        shape = (len(rows), length, self.spec.coefficients)
        inputs = np.empty(shape, np.float32)
        clean = np.empty(shape, np.float32) if self.clean else None
        room = np.maximum(0, self.store.frames[rows] - length)
        starts = (chance * (room + 1)).astype(np.int64)
        for place, (row, start) in enumerate(zip(rows.tolist(), starts.tolist(), strict=True)):
            heard = self.store.features(row, start, length)
            inputs[place] = normalise(self.spec, fill(heard, length))
            if clean is not None:
                clean[place] = normalise(self.spec, fill(self.store.clean(row, start, length), length))
        return Batch(inputs, clean, self.store.speakers[rows], rows, epoch, step)


def _refuse_nonsense(size: int, worker: int, workers: int, last: str) -> None:
    if size < 1 or workers < 1 or not 0 <= worker < workers:
        raise UsageError(
            f"Worker {worker} of {workers} with {size} examples per batch makes no sense",
            "Workers count from 0, and a batch has at least one example.",
        )
    if last not in LASTS:
        raise UsageError(f"{last!r} doesn't say what becomes of the last step", f"Say {', '.join(LASTS)}.")
