"""Batches: the same for the same seed, whole over all workers, and as the device would normalise them."""

from __future__ import annotations

import itertools
import pickle
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.errors import UsageError
from edge.features import normalise
from tests.training.data.toys import SPEC, ToySource, corpus
from training.data import plan as planning
from training.data.batches import Batch, Batches, Crops
from training.data.order import balanced, shuffled
from training.data.plan import make_plan
from training.data.prepare import prepare
from training.data.store import Store
from training.windows import fill

CROPS = Crops(0.3, 1.2, 0.3)
"""Some clips are shorter, most are longer."""


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Store:
    """Twelve clips of 0.5 to 2 s in two views, in several shards."""
    folder = tmp_path_factory.mktemp("batches")
    rows = corpus(folder / "speech")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(planning, "_LEAST_SHARD_BYTES", 10_000)
        patch.setattr(planning, "_LEAST_SHARDS", 4)
        plan = make_plan(rows, SPEC, views=1, augment="toy")
        return Store(prepare(plan, folder / "speech", folder / "cache", source=ToySource()).folder)


def equal(one: Batch, two: Batch) -> bool:
    same_clean = (one.clean is None and two.clean is None) or np.array_equal(one.clean, two.clean)
    return (
        np.array_equal(one.inputs, two.inputs)
        and same_clean
        and np.array_equal(one.rows, two.rows)
        and np.array_equal(one.speakers, two.speakers)
        and (one.epoch, one.step) == (two.epoch, two.step)
    )


@settings(deadline=None, max_examples=25)
@given(size=st.integers(1, 7), workers=st.integers(1, 4), seed=st.integers(0, 9), epoch=st.integers(0, 3))
def test_the_shares_of_workers_are_disjoint_and_together_everything(store, size, workers, seed, epoch):
    shares = [
        [
            b.rows
            for b in Batches(store, SPEC, size=size, seed=seed, crops=CROPS, worker=i, workers=workers).epoch(epoch)
        ]
        for i in range(workers)
    ]
    rows = np.concatenate([rows for share in shares for rows in share])
    assert sorted(rows.tolist()) == list(range(len(store)))
    assert len({len(share) for share in shares}) == 1, "all make the same number of steps"


@settings(deadline=None, max_examples=15)
@given(size=st.integers(1, 3), workers=st.integers(1, 3), seed=st.integers(0, 9))
def test_it_does_not_matter_how_many_workers_there_are(store, size, workers, seed):
    """The global batch of a step is the same, crop by crop, for one worker and for many."""
    alone = Batches(store, SPEC, size=size * workers, seed=seed, crops=CROPS, last="drop")
    shares = [
        Batches(store, SPEC, size=size, seed=seed, crops=CROPS, worker=i, workers=workers, last="drop")
        for i in range(workers)
    ]
    assert {one.steps for one in shares} == {alone.steps}
    for step in range(alone.steps):
        whole, parts = alone.batch(1, step), [one.batch(1, step) for one in shares]
        for worker, part in enumerate(parts):
            assert np.array_equal(part.inputs, whole.inputs[worker::workers])
            assert np.array_equal(part.rows, whole.rows[worker::workers])


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 99), epoch=st.integers(0, 2), step=st.integers(0, 5), together=st.sampled_from([None, 1, 2]))
def test_who_goes_on_gets_what_he_would_have_got(store, seed, epoch, step, together):
    """The same seed gives the same batches, and a stream that begins in the middle continues the whole one."""
    options = {"size": 4, "seed": seed, "crops": CROPS, "together": together, "clean": True}
    whole = Batches(store, SPEC, **options)
    assert whole.steps == 6
    skipped = itertools.islice(whole.stream(), epoch * whole.steps + step, None)
    later = Batches(store, SPEC, **options).stream(epoch, step)
    for one, two in itertools.islice(zip(skipped, later, strict=False), 3):
        assert equal(one, two)


def test_another_seed_and_another_epoch_are_another_order(store):
    orders = {
        tuple(Batches(store, SPEC, size=4, seed=seed).order(epoch).tolist()) for seed in (1, 2) for epoch in (0, 1)
    }
    assert len(orders) == 4


def test_a_batch_is_of_one_shape_and_lengths_vary(store):
    batches = Batches(store, SPEC, size=4, crops=CROPS)
    lengths = {batch.inputs.shape for batch in itertools.islice(batches.stream(), 30)}
    assert lengths == {(4, frames, 20) for frames in (30, 60, 90, 120)}


def test_crops_are_stretches_of_their_row_normalised_alone(store):
    """Every crop is found in its row, and its clean partner at the same place; a short clip is repeated."""
    spec = replace(SPEC, normalise="window_mean", mean=(0.5,) * 20, scale=(2.0,) * 20)
    seen = set()
    for batch in itertools.islice(Batches(store, spec, size=4, crops=CROPS, clean=True).stream(), 12):
        assert batch.inputs.dtype == batch.clean.dtype == np.float32
        length = batch.inputs.shape[1]
        for crop, clean, row in zip(batch.inputs, batch.clean, batch.rows.tolist(), strict=True):
            frames, partner = store.features(row), store.clean(row)
            places = range(max(1, len(frames) - length + 1))
            found = [p for p in places if np.array_equal(crop, normalise(spec, fill(frames[p : p + length], length)))]
            assert len(found) == 1
            assert np.array_equal(clean, normalise(spec, fill(partner[found[0] :][:length], length)))
            seen.add((len(frames) < length, found[0] > 0))
    assert (True, False) in seen
    assert (False, True) in seen


def test_labels_belong_to_their_rows(store):
    batch = Batches(store, SPEC, size=24).batch(0, 0)
    assert np.array_equal(batch.speakers, store.speakers[batch.rows])
    assert {store.names["speaker"][i] if i >= 0 else "" for i in batch.speakers} == {"toys/ann", "toys/bob", ""}


def test_the_last_step_is_kept_dropped_or_completed(store):
    sizes = {
        last: [len(b.rows) for b in Batches(store, SPEC, size=7, last=last).epoch(0)]
        for last in ("keep", "drop", "repeat")
    }
    assert sizes == {"keep": [7, 7, 7, 3], "drop": [7, 7, 7], "repeat": [7, 7, 7, 7]}
    repeated = np.concatenate([b.rows for b in Batches(store, SPEC, size=7, last="repeat").epoch(0)])
    assert np.array_equal(repeated[24:], repeated[:4])
    assert len(set(repeated.tolist())) == 24


def test_rows_can_be_chosen(store):
    clean = np.flatnonzero(store.views == 0)
    rows = np.concatenate([b.rows for b in Batches(store, SPEC, size=5, rows=clean).epoch(0)])
    assert sorted(rows.tolist()) == clean.tolist()


def test_balanced_speakers_are_heard_equally_often(store):
    rows = np.flatnonzero((store.speakers != store.speakers.max()) | (np.arange(len(store)) % 5 == 0))
    batches = Batches(store, SPEC, size=3, rows=rows, balance_speakers=True, workers=2, last="keep")
    counts = Counter(store.speakers[batches.order(0)].tolist())
    assert sorted(counts) == [0, 1]
    assert counts[0] == counts[1]
    assert len(batches.order(0)) == len(batches.order(1))


@settings(deadline=None)
@given(
    speakers=st.lists(st.integers(-1, 4), min_size=1, max_size=60),
    seed=st.integers(0, 5),
)
def test_balancing_holds_for_any_labels(speakers, seed):
    labels = np.array(speakers)
    order = balanced(np.arange(len(labels)), labels, np.random.default_rng(seed))
    known = labels[labels >= 0]
    counts = Counter(labels[order].tolist())
    assert -1 not in counts
    assert len(set(counts.values())) <= 1
    assert set(counts) == set(known.tolist())
    assert len(known) <= len(order) < len(known) + max(1, len(counts))
    for speaker in counts:
        mine = np.flatnonzero(labels == speaker)
        times = Counter(order[labels[order] == speaker].tolist())
        assert max(times.values()) - min(times.get(row, 0) for row in mine.tolist()) <= 1, "none twice before all once"


@settings(deadline=None)
@given(shards=st.lists(st.integers(0, 6), min_size=1, max_size=60), together=st.integers(1, 4), seed=st.integers(0, 5))
def test_reading_a_few_shards_at_a_time_loses_nothing(shards, together, seed):
    """Every row once; at any time only so many shards are open, and each is opened once."""
    of_row = np.array(shards)
    order = shuffled(np.arange(len(of_row)), of_row, together, np.random.default_rng(seed))
    assert sorted(order.tolist()) == list(range(len(of_row)))
    turns = of_row[order]
    spans = [(np.flatnonzero(turns == s)[0], np.flatnonzero(turns == s)[-1]) for s in set(shards)]
    open_at = [sum(first <= place <= last for first, last in spans) for place in range(len(turns))]
    assert max(open_at) <= together


def test_a_store_travels_to_another_process(store):
    again = pickle.loads(pickle.dumps(store))
    assert np.array_equal(again.features(3), store.features(3))


def test_only_a_few_shards_stay_mapped(store, monkeypatch):
    monkeypatch.setattr("training.data.store._MAPS", 1)
    fresh = Store(store.folders)
    for row in range(len(fresh)):
        assert np.array_equal(fresh.features(row), store.features(row))
    assert len(fresh._maps) == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"size": 0}, {"worker": 2, "workers": 2}, {"last": "maybe"}, {"together": 0},
        {"together": 1, "balance_speakers": True}, {"rows": []}, {"crops": Crops(2.0, 1.0)}, {"crops": Crops(0.0, 1.0)},
    ],
)  # fmt: skip
def test_nonsense_is_refused(store, wrong):
    with pytest.raises(UsageError):
        Batches(store, SPEC, **({"size": 4} | wrong))


def test_features_of_another_kind_are_refused(store):
    with pytest.raises(UsageError, match="not those"):
        Batches(store, replace(SPEC, n_mels=24), size=4)
    with pytest.raises(IndexError):
        Batches(store, SPEC, size=4).batch(0, 6)
