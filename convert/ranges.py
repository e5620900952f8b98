"""Which range of each activation to spend the 256 steps of int8 on.

Takes a float ``.tflite`` file and calibration windows. Gives tensor index -> (low, high). Must hold: the range
minimises the expected squared error: what lies outside is clipped, what lies inside is rounded to ``(high - low) /
255``. The plain minimum and maximum, which the converter takes, wastes most steps on a few outliers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from convert.graph import Float32
from convert.interpreter import float_interpreter

Float64 = npt.NDArray[np.float64]
Range = tuple[float, float]

BINS = 2048
STEPS = 255
FRACTIONS = np.array([1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.42, 0.35, 0.3, 0.25, 0.2])
"""Shares of the observed extreme that are tried as a limit."""


@dataclass(frozen=True, slots=True, eq=False)
class Histogram:
    """Counts (BINS,) of values between ``low`` and ``high``; both limits hold zero between them."""

    low: float
    high: float
    counts: Float64


def best_range(histogram: Histogram) -> Range:
    """The range with the least expected squared error; it always contains zero."""
    width = (histogram.high - histogram.low) / BINS
    centres = histogram.low + (np.arange(BINS) + 0.5) * width
    used = np.flatnonzero(histogram.counts)
    if not len(used) or width <= 0:
        return 0.0, 1e-3
    share = histogram.counts / histogram.counts.sum()
    low, high = min(0.0, float(centres[used[0]])), max(0.0, float(centres[used[-1]]))
    lows = low * FRACTIONS if histogram.low < 0 and low < 0 else np.zeros(1)
    highs = high * FRACTIONS if high > 0 else np.zeros(1)
    below = np.array([(np.maximum(limit - centres, 0.0) ** 2) @ share for limit in lows])
    above = np.array([(np.maximum(centres - limit, 0.0) ** 2) @ share for limit in highs])
    rounding = ((highs[None, :] - lows[:, None]) / STEPS) ** 2 / 12.0
    row, column = np.unravel_index(np.argmin(below[:, None] + above[None, :] + rounding), rounding.shape)
    return float(lows[row]), max(float(highs[column]), float(lows[row]) + 1e-3)


class _Watcher:
    """Runs a float file and shows the values of all its activations."""

    def __init__(self, model: bytes) -> None:
        self._interpreter = float_interpreter(model, keep_all=True)
        self._input = self._interpreter.get_input_details()[0]
        floats = {d["index"] for d in self._interpreter.get_tensor_details() if d["dtype"] == np.float32}
        produced = {int(i) for op in self._interpreter._get_ops_details() for i in op["outputs"]}
        self.tensors = sorted((produced & floats) | {self._input["index"]})

    def values(self, window: Float32) -> Iterator[tuple[int, Float32]]:
        self._interpreter.set_tensor(self._input["index"], window.reshape(self._input["shape"]))
        self._interpreter.invoke()
        for index in self.tensors:
            yield index, self._interpreter.get_tensor(index).ravel()


def extremes(histogram: Histogram) -> Range:
    """From the smallest to the largest value seen, to the width of a bin; it always contains zero."""
    width = (histogram.high - histogram.low) / BINS
    used = np.flatnonzero(histogram.counts)
    low = min(0.0, histogram.low + float(used[0]) * width)
    return low, max(low + 1e-3, histogram.low + float(used[-1] + 1) * width)


def activation_ranges(
    model: bytes,
    windows: Float32,
    progress: Callable[[int, int], None] | None = None,
    choose: Callable[[Histogram], Range] = best_range,
) -> dict[int, Range]:
    """Range of every activation, from histograms over ``windows`` float32 (n, frames, bands)."""
    watcher = _Watcher(model)
    low = dict.fromkeys(watcher.tensors, 0.0)
    high = dict.fromkeys(watcher.tensors, 0.0)
    first = windows[:: max(1, len(windows) // 48)]
    for window in first:
        for index, values in watcher.values(window):
            low[index] = min(low[index], float(values.min()))
            high[index] = max(high[index], float(values.max()))
    counts = {index: np.zeros(BINS) for index in watcher.tensors}
    # A margin for what the other windows may hold; what lies beyond it still counts, in the outermost bin.
    edges = {index: (1.15 * low[index], 1.15 * high[index] + 1e-9) for index in watcher.tensors}
    for done, window in enumerate(windows, 1):
        for index, values in watcher.values(window):
            start, end = edges[index]
            place = ((values - np.float32(start)) * np.float32(BINS / (end - start))).astype(np.int32)
            np.clip(place, 0, BINS - 1, out=place)
            counts[index] += np.bincount(place, minlength=BINS)
        if progress:
            progress(done, len(windows))
    return {index: choose(Histogram(*edges[index], counts[index])) for index in watcher.tensors}
