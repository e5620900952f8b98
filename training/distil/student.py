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

from training.distil.losses import (
    as_many,
    embedding_loss,
    frame_loss,
    margin_softmax,
    posterior_loss,
    relational_loss,
)
from training.distil.recipe import Losses
from training.models.families import FRAME_FEATURES

Float32 = npt.NDArray[np.float32]

PARTS = ("embedding", "relational", "posterior", "frames", "margin")
"""Parts of the loss, as logs name them."""


class Student(keras.Model):  # type: ignore[misc]
    """``network``: windows (n, frames, bands, 1) -> (n, dim), unit norm. ``bank``: teacher embeddings (k, dim).
    ``people``: how many labelled speakers there are. ``variance``: of the teacher's frame features (C,), where they are
    learnt too; a projection that is thrown away afterwards turns the student's into them.

    Targets are ``(teacher embeddings (n, dim), speaker numbers (n,))``, and the teacher's frame features (n, T, C).
    """

    def __init__(
        self,
        network: keras.Model,
        losses: Losses,
        bank: Float32,
        people: int = 0,
        variance: Float32 | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.network = network
        self.variance = variance
        if losses.frames and variance is not None:
            self.inner = keras.Model(network.inputs, [network.output, network.get_layer(FRAME_FEATURES).output])
            self.projection = keras.layers.Dense(len(variance), name="projection")
            self.projection.build(self.inner.outputs[1].shape)
        self.weights_of = losses
        self.bank = ops.convert_to_tensor(bank)
        self.trackers = {name: keras.metrics.Mean(name=name) for name in PARTS}
        self.centres = None
        if losses.margin and people:
            shape = (people, int(network.outputs[0].shape[-1]))
            self.centres = self.add_weight(name="centres", shape=shape, initializer="glorot_uniform")

    def build(self, input_shape: Any) -> None:
        """Nothing is left to be made: the parts are."""
        self.built = True

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Embeddings, and what the projection makes of the frame features where those are learnt."""
        if self.variance is None:
            return self.network(inputs, training=training)
        embedding, frames = self.inner(inputs, training=training)
        return embedding, self.projection(frames)

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Any:
        """The weighted sum of the parts."""
        del x, sample_weight, training
        target, speakers, *frames = (ops.convert_to_tensor(part) for part in y)
        weights, total, parts = self.weights_of, 0.0, {}
        if self.variance is not None:
            y_pred, projected = y_pred
            parts["frames"] = frame_loss(projected, as_many(frames[0], projected.shape[1]), self.variance)
        parts |= {"embedding": embedding_loss(y_pred, target), "relational": relational_loss(y_pred, target)}
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
