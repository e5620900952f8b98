"""CPU time from samples to embedding, of several encoders in one run.

Takes opened encoders and one utterance. Gives CPU milliseconds per second of audio. Must hold: encoders take turns, so
that a disturbance falls on all of them; the least of several runs counts, since other programs can only add; time of
all threads counts, so that nothing looks cheap for using two cores.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from typing import Final

from edge.records import SAMPLE_RATE, Float32
from training.embeddings import Encoder, Progress

RUNS: Final = 7
_ENOUGH_SECONDS: Final = 0.02
_MOST_REPEATS: Final = 50

_THREADS: Final = (
    "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS",
)  # fmt: skip


def one_thread() -> None:
    """Ask every numerical library for one thread. Does its work before they are imported; PyTorch takes it later."""
    for name in _THREADS:
        os.environ[name] = "1"
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(1)


def cpu_ms_per_second(
    encoders: Sequence[Encoder], speech: Float32, runs: int = RUNS, progress: Progress | None = None
) -> list[float]:
    """Return the least CPU time of ``runs`` runs per encoder, in milliseconds per second of ``speech`` ``(n,)``.

    A run repeats a quick encoder until the clock can be trusted.
    """
    seconds = len(speech) / SAMPLE_RATE
    repeats = []
    for encoder in encoders:
        encoder.analyse(speech)  # the first call may compile, load and allocate
        once = _cpu_seconds(encoder, speech, 1)
        repeats.append(min(_MOST_REPEATS, max(1, round(_ENOUGH_SECONDS / max(once, 1e-6)))))
    least = [float("inf")] * len(encoders)
    for run in range(runs):
        for i, encoder in enumerate(encoders):
            least[i] = min(least[i], _cpu_seconds(encoder, speech, repeats[i]))
        if progress:
            progress(run + 1, runs)
    return [1000 * value / seconds for value in least]


def _cpu_seconds(encoder: Encoder, speech: Float32, repeats: int) -> float:
    begun = time.process_time()
    for _ in range(repeats):
        encoder.analyse(speech)
    return (time.process_time() - begun) / repeats
