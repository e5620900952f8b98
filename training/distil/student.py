"""A student in training: the network and its losses, as one Keras model that ``fit`` takes.

Takes a network from windows to unit embeddings, teacher embeddings as targets and a bank of them. Must hold: only
``keras.ops``, so that it trains under any backend; the network inside is the one that is saved.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from keras import ops

from training.distil.losses import embedding_loss, margin_softmax, posterior_loss, relational_loss
from training.distil.recipe import Losses

Float32 = npt.NDArray[np.float32]


class Student(keras.Model):  # type: ignore[misc]
    """``network``: windows (n, frames, bands, 1) -> (n, dim), unit norm. ``bank``: teacher embeddings (k, dim).
    ``people``: how many labelled speakers there are.

    Targets are ``(teacher embeddings (n, dim), speaker numbers (n,))``.
    """

    def __init__(self, network: keras.Model, losses: Losses, bank: Float32, people: int = 0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.network = network
        self.weights_of = losses
        self.bank = ops.convert_to_tensor(bank)
        self.trackers = {
            name: keras.metrics.Mean(name=name) for name in ("embedding", "relational", "posterior", "margin")
        }
        self.centres = None
        if losses.margin and people:
            shape = (people, int(network.outputs[0].shape[-1]))
            self.centres = self.add_weight(name="centres", shape=shape, initializer="glorot_uniform")

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Embeddings."""
        return self.network(inputs, training=training)

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Any:
        """The weighted sum of the parts."""
        del x, sample_weight, training
        target, speakers = (ops.convert_to_tensor(part) for part in y)
        weights, total = self.weights_of, 0.0
        parts = {"embedding": embedding_loss(y_pred, target), "relational": relational_loss(y_pred, target)}
        if weights.posterior:
            parts["posterior"] = posterior_loss(y_pred, target, self.bank, weights.temperature)
        if self.centres is not None:
            norm = ops.sqrt(ops.sum(ops.square(self.centres), axis=-1, keepdims=True) + 1e-12)
            parts["margin"] = margin_softmax(y_pred, self.centres / norm, speakers)
        for name, value in parts.items():
            self.trackers[name].update_state(value)
            total = total + getattr(weights, name) * value
        return total

    @property
    def metrics(self) -> list[Any]:
        """The parts of the loss, beside the sum."""
        return [*super().metrics, *self.trackers.values()]
