"""One of several training processes, started by ``test_distributed.py``: trains a toy model and tells what it saw."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from tests.training.data.toys import SPEC
from training.data.batches import Batches, Crops
from training.data.distributed import Cluster, train
from training.data.store import Store


def main(cache: str, addresses: str, worker: str) -> None:
    """Join, train two epochs, print rows, losses and weights as JSON."""
    cluster = Cluster.of(addresses, int(worker))
    strategy = cluster.join()
    import keras

    batches = Batches(
        Store(Path(cache)), SPEC, size=3, crops=Crops(0.3, 0.6, 0.3),
        worker=cluster.worker, workers=len(cluster.addresses), last="drop",
    )  # fmt: skip
    with strategy.scope():
        # Different beginnings: the first worker's must become everybody's.
        keras.utils.set_random_seed(cluster.worker)
        model = keras.Sequential(
            [keras.layers.Input((None, 20)), keras.layers.GlobalMaxPooling1D(), keras.layers.Dense(4)]
        )
        model.compile("adam", keras.losses.MeanSquaredError())
    begun = [float(weights.sum()) for weights in model.get_weights()]
    losses = train(strategy, model, batches, lambda batch: (batch.inputs, batch.inputs[:, 0, :4]), epochs=2)
    print(
        json.dumps(
            {
                "rows": [batch.rows.tolist() for batch in batches.epoch(0)],
                "begun": begun,
                "losses": losses,
                "weights": [weights.tolist() for weights in model.get_weights()],
            }
        )
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
