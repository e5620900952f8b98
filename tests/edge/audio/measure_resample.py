"""What rate conversion costs: ``python -m tests.edge.audio.measure_resample``.

Prints CPU milliseconds per second of sound at 100 ms a piece, the best of ten seconds each, on one thread.
"""

import os

os.environ["OPENBLAS_NUM_THREADS"] = "1"

import time

import numpy as np

from edge.audio.resample import Resampler


def cpu_ms_per_second(rate: int) -> float:
    """The cheapest of ten seconds of noise at ``rate`` hertz."""
    converter = Resampler(rate)
    pieces = np.array_split(np.random.default_rng(1).uniform(-1, 1, rate).astype(np.float32), 10)
    spent = []
    for _ in range(10):
        began = time.thread_time()
        for piece in pieces:
            converter.push(piece)
        spent.append(1000 * (time.thread_time() - began))
    return min(spent)


if __name__ == "__main__":
    for rate in (8_000, 11_025, 22_050, 32_000, 44_100, 48_000, 96_000, 12_345, 44_101):
        print(f"{rate:6} Hz {cpu_ms_per_second(rate):6.2f} CPU-ms per second")
