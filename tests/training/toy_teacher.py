"""A teacher of four numbers that counts how often it is asked; also run as a script, to be killed.

python -m tests.training.toy_teacher CACHE KILL_AFTER
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

SHARD = 4


class Toy:
    """Direction of four sums. After ``kill_after`` calls the process kills itself, as a lack of memory would."""

    name = "toy"
    dimensions = 4

    def __init__(self, digest: str = "toy-1", kill_after: int | None = None) -> None:
        self.digest = digest
        self.calls = 0
        self._kill_after = kill_after

    def __call__(self, samples: np.ndarray) -> np.ndarray:
        if self.calls == self._kill_after:
            os.kill(os.getpid(), signal.SIGKILL)
        self.calls += 1
        vector = np.array([part.sum() for part in np.array_split(samples, 4)], np.float32)
        return vector / np.linalg.norm(vector)


def samples_of(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.1, 40).astype(np.float32)


def items(count: int, loads: list[int] | None = None) -> list[tuple[str, Callable[[], np.ndarray]]]:
    """Items 0, 1, ...; ``loads`` is told whose samples were asked for."""

    def get(seed: int) -> np.ndarray:
        if loads is not None:
            loads.append(seed)
        return samples_of(seed)

    return [(f"clip {seed}", lambda seed=seed: get(seed)) for seed in range(count)]


def make() -> Toy:
    return Toy()


if __name__ == "__main__":
    from training.teachers.outputs import outputs

    outputs(Toy(kill_after=int(sys.argv[2])), items(20), Path(sys.argv[1]), shard_items=SHARD)
