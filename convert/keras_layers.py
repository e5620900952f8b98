"""Keras layers that exist for the sake of the int8 file.

Takes and gives tensors of a functional model, with batch 1 where it is converted. Must hold: each becomes operations
that the int8 delegates run.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import layers, ops


@keras.saving.register_keras_serializable(package="earmark")
class ChunkAverage(layers.Layer):  # type: ignore[misc]
    """Means over ``chunk`` frames each: ``(B, T, 1, C)`` -> ``(B, T / chunk, 1, C)``.

    As a mean over an axis, not as average pooling: the mean has an int8 scale of its own (pooling must keep its
    input's, which leaves the mean of a sparse channel a few steps), and it doesn't split the delegate's share.
    """

    def __init__(self, chunk: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.chunk = chunk

    def call(self, x: Any) -> Any:
        """The means."""
        frames, channels = x.shape[1], x.shape[3]
        cut = ops.reshape(x, (x.shape[0] or -1, frames // self.chunk, self.chunk, channels))
        return ops.mean(cut, axis=2, keepdims=True)

    def compute_output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        """``chunk`` times fewer frames."""
        return (input_shape[0], input_shape[1] // self.chunk, *input_shape[2:])

    def get_config(self) -> dict[str, Any]:
        """The chunk's length beside Keras' own keys."""
        return dict(super().get_config()) | {"chunk": self.chunk}
