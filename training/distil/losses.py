"""How far a student is from its teacher.

Takes tensors of any Keras backend; gives scalars. Must hold: each is 0 where the student says what the teacher says
(``margin_softmax`` excepted), and never negative.
"""

from __future__ import annotations

import math
from typing import Any

from keras import ops


def embedding_loss(student: Any, teacher: Any) -> Any:
    """Mean of 1 - cosine; both (n, dim), unit norm."""
    return ops.mean(1.0 - ops.sum(student * teacher, axis=-1))


def relational_loss(student: Any, teacher: Any) -> Any:
    """Mean squared difference of the cosines among a batch; both (n, dim), unit norm, n > 1."""
    difference = ops.matmul(student, ops.transpose(student)) - ops.matmul(teacher, ops.transpose(teacher))
    n = ops.cast(ops.shape(student)[0], difference.dtype)
    return ops.sum(ops.square(difference)) / (n * (n - 1.0))


def posterior_loss(student: Any, teacher: Any, bank: Any, temperature: float) -> Any:
    """Mean Kullback-Leibler divergence between distributions over ``bank`` (k, dim): softmax of cosine/temperature."""
    target = ops.softmax(ops.matmul(teacher, ops.transpose(bank)) / temperature, axis=-1)
    log_target = ops.log_softmax(ops.matmul(teacher, ops.transpose(bank)) / temperature, axis=-1)
    log_found = ops.log_softmax(ops.matmul(student, ops.transpose(bank)) / temperature, axis=-1)
    return ops.mean(ops.sum(target * (log_target - log_found), axis=-1))


def as_many(frames: Any, wanted: int) -> Any:
    """Frame features (n, T, C) averaged to ``wanted`` frames, a divisor of T: students may be coarser in time."""
    count, channels = frames.shape[1], frames.shape[2]
    return ops.mean(ops.reshape(frames, (-1, wanted, count // wanted, channels)), axis=2)


def frame_loss(student: Any, teacher: Any, variance: Any) -> Any:
    """Mean squared difference of frame features (n, T, C), each channel divided by its ``variance`` (C,)."""
    return ops.mean(ops.square(student - teacher) / variance)


def margin_softmax(embedding: Any, centres: Any, labels: Any, margin: float = 0.2, scale: float = 30.0) -> Any:
    """Additive angular margin softmax; ``embedding`` (n, dim) and ``centres`` (classes, dim) of unit norm, ``labels``
    (n,), -1 for nobody: those examples count nothing.
    """
    classes = centres.shape[0]
    cosine = ops.clip(ops.matmul(embedding, ops.transpose(centres)), -1.0 + 1e-6, 1.0 - 1e-6)
    one_hot = ops.one_hot(ops.maximum(labels, 0), classes, dtype=cosine.dtype)
    # cos(a + m), and beyond pi - m the straight line that keeps the loss rising.
    shifted = cosine * math.cos(margin) - ops.sqrt(1.0 - ops.square(cosine)) * math.sin(margin)
    shifted = ops.where(cosine > -math.cos(margin), shifted, cosine - margin * math.sin(margin))
    logits = scale * (one_hot * shifted + (1.0 - one_hot) * cosine)
    known = ops.cast(labels >= 0, cosine.dtype)
    losses = -ops.sum(one_hot * ops.log_softmax(logits, axis=-1), axis=-1)
    return ops.sum(losses * known) / ops.maximum(ops.sum(known), 1.0)
