"""What a label model costs on the device: CPU time from samples to answer.

Takes an ``Input`` and a function from one example's features to an answer. Gives CPU milliseconds per second of audio.
Must hold: it is measured with the clock and the rules of ``earmark compare``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np

from edge.records import SAMPLE_RATE, Float32
from training.classify.inputs import compute
from training.classify.recipe import Input
from training.compare_cost import cpu_ms_per_second

_RUNS: Final = 5


class _Machine:
    """Input and model, one after the other."""

    encoder = "label model"

    def __init__(self, what: Input, answer: Callable[[Float32], Any]) -> None:
        self._what, self._answer = what, answer

    def analyse(self, samples: Float32) -> Any:
        return self._answer(compute(self._what, samples)[None])


def cpu_ms(what: Input, answer: Callable[[Float32], Any]) -> float:
    """Of a segment of noise: nothing in input or model depends much on what is heard.

    ``answer``: takes features float32 ``(1, ...)`` that are not scaled yet.
    """
    noise = np.random.default_rng(1).normal(0, 0.05, round(what.seconds * SAMPLE_RATE)).astype(np.float32)
    return cpu_ms_per_second([_Machine(what, answer)], noise, _RUNS)[0]
