"""Teaches the network strings of digits.

Takes a model, a ``Composer`` and how long. Gives the model, taught. Must hold: every batch is new, so nothing is told
by a validation set; the same seed gives the same batches.

The loss is connectionist temporal classification (A. Graves et al., ICML 2006): strings carry no times.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

import keras
import numpy as np

from training.digits.compose import Composer

Say = Callable[[str], None]

_WARM: Final = 40
"""Steps over which the rate rises."""
_TOLD: Final = 20


def learn(model: keras.Model, composer: Composer, *, steps: int, batch: int, rate: float, seed: int, say: Say) -> None:
    """AdamW whose rate falls along half a cosine; gradients are cut at norm 5."""
    import tensorflow as tf

    optimiser = keras.optimizers.AdamW(rate, weight_decay=1e-3, global_clipnorm=5.0)
    optimiser.build(model.trainable_variables)
    blank = model.output_shape[-1] - 1

    @tf.function  # type: ignore[untyped-decorator]
    def step(x: Any, labels: Any, lengths: Any) -> Any:
        with tf.GradientTape() as tape:
            logits = model(x, training=True)[:, :, 0, :]
            steps_of = tf.fill([tf.shape(logits)[0]], tf.shape(logits)[1])
            loss = tf.reduce_mean(
                tf.nn.ctc_loss(labels, logits, lengths, steps_of, logits_time_major=False, blank_index=blank)
            )
        optimiser.apply_gradients(
            zip(tape.gradient(loss, model.trainable_variables), model.trainable_variables, strict=True)
        )
        return loss

    rng = np.random.default_rng(seed)
    losses: list[float] = []
    for number in range(steps):
        falling = 0.5 * (1 + math.cos(math.pi * number / steps))
        optimiser.learning_rate = rate * min(1.0, (number + 1) / _WARM) * max(0.02, falling)
        made = composer.batch(batch, rng)
        lengths = (made.labels >= 0).sum(axis=1).astype(np.int32)
        losses.append(float(step(made.x[..., None], np.maximum(made.labels, 0), lengths)))
        if number % _TOLD == _TOLD - 1:
            say(f"step {number + 1}/{steps}  loss {np.mean(losses[-_TOLD:]):.3f}")
