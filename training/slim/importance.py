"""How much the embedding changes when one channel is frozen at its mean.

Takes a Keras trunk, its head and windows. Gives per group the mean squared change, to first order: the sum over time
and mel of (activation - mean) times the gradient of a random projection of the unit embedding, squared and averaged.
That is the Fisher information of a mask on the channel (L. Theis et al., "Faster gaze prediction with dense networks
and Fisher pruning", 2018), with the embedding's own geometry as the loss. Must hold: the same seed gives the same
numbers; windows are taken in small batches, so that memory stays bounded.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from training.slim.channels import Group

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
Progress = Callable[[int, int], None]


def _taps(model: Any, found: Sequence[Group], outputs: Sequence[Any]) -> Any:
    taps = {name: model.get_layer(name).output for group in found for name in group.taps}
    return keras.Model(model.inputs, [list(outputs), taps])


def channel_means(
    model: Any, found: Sequence[Group], windows: Float32, batch: int = 8, progress: Progress | None = None
) -> dict[str, Float32]:
    """Mean of every channel by tap (the layer's name), over all windows, frames and bands."""
    watched = _taps(model, found, [])
    sums: dict[str, Float64] = {}
    batches = 0
    for start in range(0, len(windows), batch):
        _, taps = watched({"window": windows[start : start + batch, ..., None]}, training=False)
        for name, value in taps.items():
            array = np.asarray(value, np.float64)
            sums[name] = sums.get(name, 0.0) + array.mean(axis=tuple(range(array.ndim - 1)))
        batches += 1
        if progress:
            progress(min(start + batch, len(windows)), len(windows))
    return {name: (total / batches).astype(np.float32) for name, total in sums.items()}


def importances(
    model: Any,
    found: Sequence[Group],
    means: dict[str, Float32],
    windows: Float32,
    *,
    seed: int = 0,
    batch: int = 8,
    progress: Progress | None = None,
) -> dict[str, Float64]:
    """Mean squared change of the embedding by group, one number per channel.

    ``model`` gives unit embeddings of windows (n, frames, bands, 1). Needs the TensorFlow backend.
    """
    import tensorflow as tf

    watched = _taps(model, found, model.outputs)
    rng = np.random.default_rng(seed)
    totals = {group.name: np.zeros(group.width) for group in found}

    @tf.function(reduce_retracing=True)  # type: ignore[untyped-decorator]
    def changes(x: Any, directions: Any) -> Any:
        with tf.GradientTape() as tape:
            (embedding,), taps = watched({"window": x}, training=False)
            projected = tf.reduce_sum(embedding * directions)
        gradients = tape.gradient(projected, taps)
        return {
            name: tf.reduce_sum(
                (taps[name] - means[name]) * gradients[name], axis=list(range(1, len(taps[name].shape) - 1))
            )
            for name in taps
        }

    dimensions = int(model.outputs[0].shape[-1])
    for start in range(0, len(windows), batch):
        part = windows[start : start + batch, ..., None]
        found_changes = changes(part, rng.standard_normal((len(part), dimensions)).astype(np.float32))
        for group in found:
            change = sum(np.asarray(found_changes[tap], np.float64) for tap in group.taps)
            totals[group.name] += np.square(change).sum(axis=0)
        if progress:
            progress(min(start + batch, len(windows)), len(windows))
    return {name: total / len(windows) for name, total in totals.items()}
