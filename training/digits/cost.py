"""``python -m training.digits.cost [FOLDER]``: what a digit recogniser costs, in CPU time of this machine.

Takes a folder, or the recogniser that ships. Gives lines: bytes, and CPU milliseconds per second of audio of the
network, of the frames, and of a whole verdict on six seconds. Must hold: process time, one thread, the least of several
rounds, since other programs only ever add to it.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from edge.challenge import Recogniser
from edge.challenge.recogniser import PACKAGED
from edge.features import FrontEnd
from edge.records import SAMPLE_RATE

_ROUNDS: Final = 9
_SECONDS: Final = 6


def main(argv: Sequence[str]) -> int:
    """Print the figures of ``argv[0]``, a folder, or of English."""
    folder = Path(argv[0]) if argv else PACKAGED / "en"
    recogniser = Recogniser(folder)
    card = recogniser.card
    front_end = FrontEnd(card.features)
    samples = np.random.default_rng(1).normal(0, 0.05, _SECONDS * SAMPLE_RATE).astype(np.float32)
    window = np.zeros(recogniser.network.input_shape, np.float32)
    # A window tells of the frames between its contexts, and of no more.
    told_seconds = (card.window_frames - 2 * card.context_frames) * card.features.hop_ms / 1000
    size = (folder / card.file).stat().st_size
    print(f"{size} bytes, {recogniser.network.runtime}, one thread")
    for name, work, seconds in (
        ("network", lambda: recogniser.network(window), told_seconds),
        ("frames", lambda: front_end.features(samples), _SECONDS),
        ("verdict", lambda: recogniser.judge(samples, (3, 8, 1, 9, 0, 4)), _SECONDS),
    ):
        print(f"{name}: {_least(work) / seconds:.2f} CPU-ms per second of audio")
    return 0


def _least(work: Callable[[], object]) -> float:
    times = []
    for _ in range(_ROUNDS):
        begun = time.process_time()
        for _ in range(5):
            work()
        times.append((time.process_time() - begun) / 5 * 1000)
    return min(times)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
