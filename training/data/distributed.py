"""Several training processes, on one machine or many, that train one Keras model in step.

Takes the workers' addresses and which of them this process is; gives a ``tf.distribute`` strategy, and a loop that
trains with it. Must hold: every worker sees its own share of each global batch, and after each step all have the same
weights.

Why a loop of its own: ``fit`` of Keras 3 (3.15) can't begin under ``MultiWorkerMirroredStrategy``, because it reduces
the first batch as a whole, which that strategy refuses; the step itself, ``train_step``, works, so that is what runs
here. Under one process, or on one machine with several devices, take ``fit``.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from edge.errors import UsageError
from training.data.batches import Batches
from training.data.feeds import Pick, speakers, tf_dataset


@dataclass(frozen=True, slots=True)
class Cluster:
    """``addresses``: ``host:port`` of all workers, the same list in the same order for each. ``worker``: who this is.

    Raises ``UsageError`` for an address or a number that makes no sense.
    """

    addresses: tuple[str, ...]
    worker: int

    def __post_init__(self) -> None:
        """Refuse nonsense."""
        for address in self.addresses:
            host, _, port = address.rpartition(":")
            if not host or not port.isdecimal() or not 0 < int(port) < 65536:
                raise UsageError(f"{address!r} is no worker's address", "Write host:port.")
        if len(set(self.addresses)) < len(self.addresses):
            raise UsageError("Two workers have the same address", "Give each a port of its own.")
        if not 0 <= self.worker < len(self.addresses):
            raise UsageError(
                f"There is no worker {self.worker} among {len(self.addresses)}", "Workers are counted from 0."
            )

    @classmethod
    def of(cls, addresses: str | Sequence[str], worker: int) -> Cluster:
        """From a list, or from ``host:port,host:port``."""
        listed = addresses.split(",") if isinstance(addresses, str) else addresses
        return cls(tuple(one.strip() for one in listed), worker)

    def tf_config(self) -> str:
        """What TensorFlow wants to find in ``TF_CONFIG``."""
        task = {"type": "worker", "index": self.worker}
        return json.dumps({"cluster": {"worker": list(self.addresses)}, "task": task})

    def join(self) -> Any:
        """Meet the others; give the strategy. Waits until all are there.

        Call it before TensorFlow has done anything else: its runtime learns of the others when it starts. Make and
        compile the model within ``strategy.scope()``.
        """
        os.environ["TF_CONFIG"] = self.tf_config()
        import tensorflow as tf

        return tf.distribute.MultiWorkerMirroredStrategy()


def train(
    strategy: Any,
    model: Any,
    batches: Batches,
    pick: Pick = speakers,
    *,
    epochs: int,
    epoch: int = 0,
    step: int = 0,
    on_epoch: Callable[[int, float], None] | None = None,
) -> list[float]:
    """Train in step with the other workers; the mean loss of each epoch, over all workers.

    Args:
        strategy: from ``Cluster.join``.
        model: built and compiled within ``strategy.scope()``; its own ``train_step`` is run.
        batches: this worker's share, with ``last`` not ``keep``: all workers must make the same number of steps.
        pick: makes what the model gets of a batch.
        epochs: train until this many are complete, counted from 0.
        epoch: where to begin.
        step: where to begin in that epoch.
        on_epoch: told the number of an epoch and its loss.

    Raises:
        UsageError: the workers would not make the same steps.
    """
    import tensorflow as tf

    if batches.last == "keep" and batches.workers > 1:
        raise UsageError("Workers in step need whole batches", "Say last='repeat' or last='drop'.")
    with strategy.scope():
        model.optimizer.build(model.trainable_variables)
    replicas = strategy.num_replicas_in_sync // max(1, batches.workers)
    feed = iter(strategy.distribute_datasets_from_function(lambda _: tf_dataset(batches, pick, epoch=epoch, step=step)))

    @tf.function(reduce_retracing=True)  # type: ignore[untyped-decorator]
    def one_step(data: Any) -> Any:
        results = strategy.run(model.train_step, args=(data,))
        return strategy.reduce(tf.distribute.ReduceOp.MEAN, results["loss"], axis=None)

    losses = []
    for now in range(epoch, epochs):
        model.reset_metrics()  # what a step returns is the mean since then
        loss = float("nan")
        for _ in range((step if now == epoch else 0) // max(1, replicas), batches.steps // max(1, replicas)):
            loss = float(one_step(next(feed)))
        losses.append(loss)
        if on_epoch:
            on_epoch(now, loss)
    return losses
