"""Hands batches to Keras.

Takes ``Batches`` and a function that picks what the network gets; gives something that ``model.fit`` takes: a
``tf.data.Dataset``, or a ``keras.utils.PyDataset`` for any backend. Must hold: batches arrive in their order; each
process gets its own worker's share, and nothing shards it a second time. TensorFlow and Keras are imported late.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from edge.errors import ExtraMissingError
from training.data.batches import Batch, Batches

Pick = Callable[[Batch], tuple[Any, ...]]


def speakers(batch: Batch) -> tuple[Any, ...]:
    """Inputs and the numbers of their speakers."""
    return batch.inputs, batch.speakers


def clean_partners(batch: Batch) -> tuple[Any, ...]:
    """Degraded inputs, and what was said in them, clean: for distillation. ``Batches`` must give ``clean``."""
    return batch.inputs, batch.clean


def tf_dataset(batches: Batches, pick: Pick = speakers, *, epoch: int = 0, step: int = 0, ahead: int = 2) -> Any:
    """A ``tf.data.Dataset`` of batches without end; fit it with ``steps_per_epoch=batches.steps``.

    Args:
        batches: what to draw.
        pick: makes the tuple that the model gets of a ``Batch``.
        epoch: where to begin.
        step: where to begin in that epoch. The first epoch of ``fit`` then has ``steps`` minus this many steps.
        ahead: batches that are made while the network computes.

    The shapes leave examples and frames open, so crops may change their length. Under ``tf.distribute`` give
    ``strategy.distribute_datasets_from_function`` a function that returns this.
    """
    tf = _import("tensorflow")

    def generate() -> Iterator[tuple[Any, ...]]:
        return map(pick, batches.stream(epoch, step))

    example = pick(batches.batch(epoch, min(step, batches.steps - 1)))
    signature = tuple(
        tf.TensorSpec((None, None, *part.shape[2:]) if part.ndim > 1 else (None,), part.dtype) for part in example
    )
    options = tf.data.Options()
    # Each worker's batches are its share already.
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    return tf.data.Dataset.from_generator(generate, output_signature=signature).with_options(options).prefetch(ahead)


def py_dataset(batches: Batches, pick: Pick = speakers, *, epoch: int = 0, **options: Any) -> Any:
    """A ``keras.utils.PyDataset`` of ``batches``, one epoch after the other from ``epoch`` on, for every backend.

    ``options``: ``workers``, ``use_multiprocessing``, ``max_queue_size`` of Keras. On TensorFlow, Keras fixes the
    shapes by the first two batches: take ``tf_dataset`` there, or crops of one length.
    """
    keras = _import("keras")

    class Feed(keras.utils.PyDataset):  # type: ignore[misc, name-defined]
        """Steps of the current epoch."""

        def __init__(self) -> None:
            super().__init__(**options)
            self.epoch = epoch

        def __len__(self) -> int:
            return batches.steps

        def __getitem__(self, step: int) -> tuple[Any, ...]:
            return pick(batches.batch(self.epoch, step))

        def on_epoch_end(self) -> None:
            self.epoch += 1

    return Feed()


def keras_feed(batches: Batches, pick: Pick = speakers, *, epoch: int = 0) -> tuple[Any, dict[str, int]]:
    """What suits the backend of Keras, and what else ``fit`` must be told: ``model.fit(feed, **more, ...)``."""
    if _import("keras").backend.backend() == "tensorflow":
        return tf_dataset(batches, pick, epoch=epoch), {"steps_per_epoch": batches.steps}
    return py_dataset(batches, pick, epoch=epoch), {}


def _import(name: str) -> Any:
    from importlib import import_module

    try:
        return import_module(name)
    except ImportError as error:
        raise ExtraMissingError(
            f"Feeding a network needs {name}, which is not installed", "pip install 'earmark[train]'"
        ) from error
