"""The largest value of every channel of a graph on calibration windows.

Takes a ``Graph`` and windows float32 (n, frames, bands). Gives node name -> float32 (channels,). Must hold: every
node is seen in the float network, before anything is rounded.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from convert.graph import Float32, Graph, Input
from convert.keras_graph import to_keras


def channel_peaks(
    graph: Graph, windows: Float32, progress: Callable[[int, int], None] | None = None
) -> dict[str, Float32]:
    """Largest magnitude of each channel over all windows, frames and bands."""
    import tensorflow as tf

    names = [node.name for node in graph.nodes if not isinstance(node, Input)]
    model = to_keras(graph, names)

    @tf.function  # type: ignore[untyped-decorator]
    def reduced(window: object) -> dict[str, object]:
        values = model(window, training=False)
        return {
            name: tf.reduce_max(tf.abs(value), axis=list(range(len(value.shape) - 1))) for name, value in values.items()
        }

    peaks: dict[str, Float32] = {}
    for index, window in enumerate(windows):
        for name, value in reduced(tf.constant(window[None, :, :, None])).items():
            peaks[name] = np.maximum(peaks.get(name, np.float32(0)), value.numpy())
        if progress:
            progress(index + 1, len(windows))
    return peaks
