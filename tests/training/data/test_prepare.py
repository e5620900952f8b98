"""Clips become shards: whole, complete, the same whoever makes them, and nothing is dropped silently."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from edge.errors import AudioFileError, StorageError, UsageError
from edge.features import FrontEnd
from edge.records import SAMPLE_RATE, FeatureSpec
from tests.training.data.toys import SPEC, BrokenSource, KillerSource, ToySource, corpus
from training.augment.seeding import generator
from training.data import make_shard as maker
from training.data import plan as planning
from training.data.index import read_set_aside
from training.data.plan import make_plan
from training.data.prepare import prepare
from training.data.shards import read_rows, shard_path
from training.data.store import Store


@pytest.fixture(autouse=True)
def small_shards(monkeypatch):
    """A toy corpus shall have several shards."""
    monkeypatch.setattr(planning, "_LEAST_SHARD_BYTES", 10_000)
    monkeypatch.setattr(planning, "_LEAST_SHARDS", 4)


def contents(folder: Path) -> dict[str, bytes]:
    """Features and tables of a cache, which must not depend on how it was made."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix in (".npy", ".tsv")}


def test_features_come_back_as_the_front_end_gave_them(tmp_path):
    """Each row holds the features of its own clip, to the precision of float16; labels are the manifest's."""
    rows = corpus(tmp_path / "speech")
    plan = make_plan(rows, SPEC)
    summary = prepare(plan, tmp_path / "speech", tmp_path / "cache")
    assert len(plan.shards) > 1
    store = Store(summary.folder)
    by_path = {store.path(row): row for row in range(len(store))}
    assert sorted(by_path) == [clip.path for clip in rows if clip.split == "train"]
    front_end = FrontEnd(SPEC)
    for clip in plan.clips:
        row = by_path[clip.path]
        samples, _ = soundfile.read(tmp_path / "speech" / clip.path, dtype="float32")
        expected = front_end.features(samples)
        assert np.array_equal(store.features(row), expected.astype(np.float16).astype(np.float32))
        assert np.abs(store.features(row) - expected).max() < 0.008
        speaker = store.speakers[row]
        assert (store.names["speaker"][speaker] if speaker >= 0 else "") == (
            f"toys/{clip.speaker}" if clip.speaker else ""
        )
    assert summary.clips == len(plan.clips)
    assert summary.rows == len(store)
    assert summary.audio_seconds == pytest.approx(sum(clip.seconds for clip in plan.clips), abs=0.02)
    assert summary.per_core_second > 0


def test_dev_is_not_read_unless_asked(tmp_path):
    rows = corpus(tmp_path / "speech", 3)
    shutil.rmtree(tmp_path / "speech" / "dev")
    summary = prepare(make_plan(rows, SPEC), tmp_path / "speech", tmp_path / "cache")
    assert summary.set_aside == 0
    asked = prepare(make_plan(rows, SPEC, splits=("train", "dev")), tmp_path / "speech", tmp_path / "cache")
    assert asked.set_aside == 2


def test_features_are_mapped_not_loaded(tmp_path):
    rows = corpus(tmp_path / "speech", 3)
    store = Store(prepare(make_plan(rows, SPEC), tmp_path / "speech", tmp_path / "cache").folder)
    store.features(0)
    assert all(isinstance(one, np.memmap) for one in store._maps.values())
    assert isinstance(store._parts[0].rows, np.memmap)


def test_each_augmented_view_has_a_clean_partner_aligned_in_time(tmp_path):
    """View 2 of a clip is what the augmenter makes of it with the generator of that clip and view."""
    rows = corpus(tmp_path / "speech", 4)
    plan = make_plan(rows, SPEC, views=2, augment="toy", seed=3)
    summary = prepare(plan, tmp_path / "speech", tmp_path / "cache", source=ToySource())
    store = Store(summary.folder)
    assert sorted(store.views.tolist()) == [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2]
    front_end, augmenter = FrontEnd(SPEC), ToySource()()
    for row in range(len(store)):
        path, view = store.path(row), int(store.views[row])
        if view == 0:
            assert np.array_equal(store.features(row), store.clean(row))
            continue
        samples, _ = soundfile.read(tmp_path / "speech" / path, dtype="float32")
        rng = generator(3, f"{path}#{view}")
        clean = augmenter.voice(samples, rng)
        heard = augmenter.degrade(clean, rng)
        assert np.abs(store.clean(row) - front_end.features(clean)).max() < 0.008
        assert np.abs(store.features(row) - front_end.features(heard)).max() < 0.008
        assert len(store.features(row)) == len(store.clean(row)) == store.frames[row]


def test_it_does_not_matter_who_makes_the_shards(tmp_path):
    rows = corpus(tmp_path / "speech", 6)
    plan = make_plan(rows, SPEC)
    one = prepare(plan, tmp_path / "speech", tmp_path / "a")
    two = prepare(plan, tmp_path / "speech", tmp_path / "b", "processes:2")
    assert contents(one.folder) == contents(two.folder)


def test_an_interrupted_preparation_goes_on_where_it_stopped(tmp_path, monkeypatch):
    rows = corpus(tmp_path / "speech")
    plan = make_plan(rows, SPEC)
    whole = prepare(plan, tmp_path / "speech", tmp_path / "whole")
    steps = []

    def stop(step):
        steps.append(step.report.number)
        if len(steps) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare(plan, tmp_path / "speech", tmp_path / "cache", progress=stop)
    folder = plan.folder(tmp_path / "cache")
    with pytest.raises(StorageError, match="not complete"):
        Store(folder)
    # The next shard was cut off in the middle, as by a power cut.
    shard_path(folder, 2, "npy").write_bytes(b"\x93NUMPY")
    (folder / "shard-00002.npy.abc.part").write_bytes(b"half")
    made = []
    real = maker.make_shard
    monkeypatch.setattr(
        "training.data.prepare.make_shard", lambda bench, chunk: made.append(chunk.shard) or real(bench, chunk)
    )
    summary = prepare(plan, tmp_path / "speech", tmp_path / "cache")
    assert made == list(range(2, len(plan.shards)))
    assert contents(summary.folder) == contents(whole.folder)
    assert not list(folder.glob("*.part"))
    again = prepare(plan, tmp_path / "speech", tmp_path / "cache")
    assert again.made_seconds == 0
    assert again.rows == whole.rows


def damage(folder: Path) -> dict[str, str]:
    """Spoil six clips; what is wrong with each."""
    train = folder / "train"
    (train / "000.wav").unlink()
    (train / "001.wav").write_bytes(b"")
    (train / "002.wav").write_bytes(b"no audio at all")
    soundfile.write(train / "003.wav", np.ones(8000, np.float32) * 0.1, 8000)
    soundfile.write(train / "004.wav", np.zeros((16000, 2), np.float32), SAMPLE_RATE)
    soundfile.write(train / "005.wav", np.ones(100, np.float32) * 0.1, SAMPLE_RATE)
    soundfile.write(train / "006.wav", np.zeros(16000, np.float32), SAMPLE_RATE)
    soundfile.write(train / "007.wav", np.full(16000, np.nan, np.float32), SAMPLE_RATE, subtype="FLOAT")
    return {
        "train/000.wav": "missing",
        "train/001.wav": "empty file",
        "train/002.wav": "unreadable",
        "train/003.wav": "wrong rate",
        "train/004.wav": "2 channels",
        "train/005.wav": "too short",
        "train/006.wav": "silent",
        "train/007.wav": "no numbers",
    }


def test_bad_files_are_set_aside_by_name_and_reason(tmp_path):
    rows = corpus(tmp_path / "speech")
    wrong = damage(tmp_path / "speech")
    summary = prepare(make_plan(rows, SPEC), tmp_path / "speech", tmp_path / "cache")
    aside = {one.path: one.reason for one in read_set_aside(summary.folder)}
    assert sorted(aside) == sorted(wrong)
    assert all(wrong[path] in reason for path, reason in aside.items())
    store = Store(summary.folder)
    assert len(store) == summary.clips == 12 - len(wrong)
    assert not {store.path(row) for row in range(len(store))} & set(wrong)


def test_clips_that_were_mended_are_tried_again_when_asked(tmp_path):
    rows = corpus(tmp_path / "speech")
    kept = tmp_path / "kept.wav"
    shutil.copy(tmp_path / "speech/train/003.wav", kept)
    (tmp_path / "speech/train/003.wav").write_bytes(b"")
    plan = make_plan(rows, SPEC)
    assert prepare(plan, tmp_path / "speech", tmp_path / "cache").set_aside == 1
    shutil.copy(kept, tmp_path / "speech/train/003.wav")
    assert prepare(plan, tmp_path / "speech", tmp_path / "cache").set_aside == 1
    assert prepare(plan, tmp_path / "speech", tmp_path / "cache", retry=True).set_aside == 0


def test_nothing_but_bad_files_is_an_error(tmp_path):
    rows = corpus(tmp_path / "speech", 3)
    shutil.rmtree(tmp_path / "speech" / "train")
    with pytest.raises(AudioFileError, match="missing"):
        prepare(make_plan(rows, SPEC), tmp_path / "speech", tmp_path / "cache")


def test_an_augmenter_that_breaks_its_promise_costs_the_clip(tmp_path):
    rows = corpus(tmp_path / "speech", 3)
    plan = make_plan(rows, SPEC, views=1, augment="broken")
    with pytest.raises(AudioFileError, match="changed the length"):
        prepare(plan, tmp_path / "speech", tmp_path / "cache", source=BrokenSource())


def test_a_clip_that_kills_its_worker_is_set_aside(tmp_path):
    rows = corpus(tmp_path / "speech", 6)
    victim = rows[4]
    samples = soundfile.info(tmp_path / "speech" / victim.path).frames
    plan = make_plan(rows, SPEC, views=1, augment="killer")
    summary = prepare(
        plan, tmp_path / "speech", tmp_path / "cache", "processes:1", source=KillerSource(samples=samples)
    )
    assert [(one.path, one.reason) for one in read_set_aside(summary.folder)] == [
        (victim.path, "the worker process died of it")
    ]
    assert summary.clips == 5


def test_other_features_other_clips_and_other_views_lie_in_other_folders(tmp_path):
    rows = corpus(tmp_path / "speech", 6)
    plan = make_plan(rows, SPEC)
    others = [
        make_plan(rows, replace(SPEC, n_mels=24)),
        make_plan(rows[1:], SPEC),
        make_plan(rows, SPEC, views=1, augment="toy"),
        make_plan(rows, SPEC, views=1, augment="another"),
        make_plan(rows, SPEC, seed=2),
    ]
    folders = {one.folder(tmp_path) for one in (plan, *others)}
    assert len(folders) == 6
    assert others[0].folder(tmp_path).parent != plan.folder(tmp_path).parent
    assert others[1].folder(tmp_path).parent == plan.folder(tmp_path).parent


def test_features_that_differ_in_normalisation_alone_are_shared(tmp_path):
    rows = corpus(tmp_path / "speech", 3)
    bundle = replace(SPEC, normalise="window_mean", mean=(1.0,) * 20, scale=(2.0,) * 20)
    assert make_plan(rows, SPEC).folder(tmp_path) == make_plan(rows, bundle).folder(tmp_path)


def test_a_name_that_is_taken_by_other_clips_is_refused(tmp_path):
    rows = corpus(tmp_path / "speech", 4)
    prepare(make_plan(rows, SPEC, name="mine"), tmp_path / "speech", tmp_path / "cache")
    with pytest.raises(UsageError, match="other clips"):
        prepare(make_plan(rows[1:], SPEC, name="mine"), tmp_path / "speech", tmp_path / "cache")


def test_a_speaker_in_two_splits_is_refused(tmp_path):
    rows = corpus(tmp_path / "speech", 4)
    with pytest.raises(UsageError, match="ann of toys in dev, train"):
        make_plan([*rows, replace(rows[0], split="dev", path="dev/x.wav")], SPEC)


def test_several_caches_are_one_store(tmp_path):
    """Speakers of the same name are the same, and rows are numbered through."""
    rows = corpus(tmp_path / "speech", 6)
    one = prepare(make_plan(rows[:3], SPEC), tmp_path / "speech", tmp_path / "cache").folder
    two = prepare(make_plan(rows[3:6], SPEC), tmp_path / "speech", tmp_path / "cache").folder
    store, first, second = Store([one, two]), Store(one), Store(two)
    assert len(store) == 6
    assert np.array_equal(store.features(4), second.features(1))
    assert np.array_equal(store.features(2, 5, 7), first.features(2)[5:12])
    names = [store.names["speaker"][i] if i >= 0 else "" for i in store.speakers]
    alone = [s.names["speaker"][i] if i >= 0 else "" for s in (first, second) for i in s.speakers]
    assert names == alone
    assert len(store.names["speaker"]) == 2
    assert len(np.unique(store.shards)) == len(np.unique(first.shards)) + len(np.unique(second.shards))


def test_caches_of_different_features_make_no_store(tmp_path):
    rows = corpus(tmp_path / "speech", 3)
    folders = [
        prepare(make_plan(rows, spec), tmp_path / "speech", tmp_path / "cache").folder
        for spec in (SPEC, FeatureSpec(n_mels=24, n_ceps=0))
    ]
    with pytest.raises(UsageError, match="different features"):
        Store(folders)


def test_every_clip_is_in_one_shard_and_shards_are_even(tmp_path):
    rows = corpus(tmp_path / "speech", 40, shortest=0.4, longest=0.6)
    plan = make_plan(rows, SPEC)
    assert sorted(np.concatenate(plan.shards).tolist()) == list(range(len(plan.clips)))
    sizes = [plan.seconds_of(number) for number in range(len(plan.shards))]
    assert max(sizes) < 2 * plan.audio_seconds / len(plan.shards)


def test_a_large_corpus_gets_full_shards():
    """Seven thousand hours in rows of an hour: shards of 256 MB, each a mixture."""
    from training.corpus import Recording

    clips = tuple(Recording(f"{i}.flac", "train", "x", str(i), "", "", "", 60.0, "", "") for i in range(20_000))
    plan = make_plan(clips, FeatureSpec())
    size = plan.audio_seconds / len(plan.shards) * 100 * 80 * 2
    assert 0.9 < size / (256 << 20) < 1.1


def test_the_tables_say_whose_rows_are_whose(tmp_path):
    rows = corpus(tmp_path / "speech", 6)
    plan = make_plan(rows, SPEC, views=1, augment="toy")
    folder = prepare(plan, tmp_path / "speech", tmp_path / "cache", source=ToySource()).folder
    for number in range(len(plan.shards)):
        features = np.load(shard_path(folder, number, "npy"))
        stretches = []
        for row in read_rows(folder, number):
            stretches.append((row.first, row.first + row.frames))
            if row.view:
                stretches.append((row.clean_first, row.clean_first + row.frames))
        ends = sorted(stretches)
        assert [a for a, _ in ends] == [0, *[b for _, b in ends[:-1]]], "no row belongs to two, none to nobody"
        assert ends[-1][1] == len(features)
    card = json.loads((folder / "cache.json").read_text())
    assert card["complete"]
    assert card["features"] == plan.spec.to_json()
