"""Keras takes the batches, in their order and of changing length."""

from __future__ import annotations

import itertools
import os

import numpy as np
import pytest

from tests.training.data.toys import SPEC, ToySource, corpus
from training.data.batches import Batches, Crops
from training.data.feeds import clean_partners, keras_feed, py_dataset, tf_dataset
from training.data.plan import make_plan
from training.data.prepare import prepare
from training.data.store import Store

pytestmark = pytest.mark.training


@pytest.fixture(scope="module")
def batches(tmp_path_factory) -> Batches:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    folder = tmp_path_factory.mktemp("feeds")
    rows = corpus(folder / "speech", 6)
    plan = make_plan(rows, SPEC, views=1, augment="toy")
    store = Store(prepare(plan, folder / "speech", folder / "cache", source=ToySource()).folder)
    return Batches(store, SPEC, size=5, crops=Crops(0.3, 0.9, 0.3), clean=True, last="repeat")


def test_a_tf_dataset_gives_the_batches_from_any_place_on(batches):
    expected = itertools.islice(batches.stream(1, 2), 5)
    given = tf_dataset(batches, clean_partners, epoch=1, step=2).take(5).as_numpy_iterator()
    for batch, (inputs, clean) in zip(expected, given, strict=True):
        assert np.array_equal(inputs, batch.inputs)
        assert np.array_equal(clean, batch.clean)


def test_a_py_dataset_goes_from_epoch_to_epoch(batches):
    feed = py_dataset(batches, epoch=3)
    assert len(feed) == batches.steps == 3
    for epoch in (3, 4):
        for step in range(len(feed)):
            batch = batches.batch(epoch, step)
            inputs, speakers = feed[step]
            assert np.array_equal(inputs, batch.inputs)
            assert np.array_equal(speakers, batch.speakers)
        feed.on_epoch_end()


def test_fit_takes_the_feed_and_learns_to_clean(batches):
    import keras

    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.layers.Input((None, 20)), keras.layers.Dense(20)])
    model.compile("adam", "mse")
    feed, more = keras_feed(batches, clean_partners)
    losses = model.fit(feed, epochs=4, verbose=0, **more).history["loss"]
    assert len(losses) == 4
    assert losses[-1] < losses[0]
