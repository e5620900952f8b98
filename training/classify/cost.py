"""What a label model costs on the device: CPU time from samples to answer.

Takes an ``Input``, an int8 file and a scaler. Gives CPU milliseconds per second of audio. Must hold: it is measured
with the clock and the rules of ``earmark compare``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np

from edge.records import SAMPLE_RATE, Float32
from edge.runtime import Network
from training.classify.inputs import compute
from training.classify.recipe import Input
from training.classify.scaling import Scaler
from training.compare_cost import cpu_ms_per_second

_RUNS: Final = 5


class _Machine:
    """Input, scaling and network, one after the other."""

    encoder = "label model"

    def __init__(self, what: Input, model: Path, scaler: Path) -> None:
        self._what, self._network, self._scaler = what, Network(model), Scaler.load(scaler)

    def analyse(self, samples: Float32) -> Any:
        return self._network(self._scaler(compute(self._what, samples)[None]))


def cpu_ms(what: Input, model: Path, scaler: Path) -> float:
    """Of a segment of noise: nothing in input or network depends on what is heard."""
    noise = np.random.default_rng(1).normal(0, 0.05, round(what.seconds * SAMPLE_RATE)).astype(np.float32)
    return cpu_ms_per_second([_Machine(what, model, scaler)], noise, _RUNS)[0]
