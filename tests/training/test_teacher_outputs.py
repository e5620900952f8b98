"""A teacher's outputs are computed once, survive a kill, and are never another teacher's."""

import multiprocessing
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from edge.errors import StorageError, UsageError
from tests.training.toy_teacher import SHARD, Toy, items, samples_of
from training.teachers.outputs import OutputCache, key_of, outputs, sample_key

ROOT = Path(__file__).parents[2]


def expected(count: int) -> np.ndarray:
    return np.stack([Toy()(samples_of(seed)) for seed in range(count)])


def snapshot(folder: Path) -> dict[str, tuple[int, int]]:
    return {str(path): (path.stat().st_mtime_ns, path.stat().st_size) for path in folder.rglob("*")}


def test_every_item_gets_its_embedding_in_order(tmp_path):
    found = outputs(Toy(), items(11), tmp_path, shard_items=SHARD)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, expected(11))


def test_a_second_run_asks_nobody_and_writes_nothing(tmp_path):
    first = outputs(Toy(), items(11), tmp_path, shard_items=SHARD)
    before, toy, loads = snapshot(tmp_path), Toy(), []
    np.testing.assert_array_equal(outputs(toy, items(11, loads)[::-1], tmp_path), first[::-1])
    assert toy.calls == 0
    assert loads == []
    assert snapshot(tmp_path) == before


def test_only_what_is_new_is_computed(tmp_path):
    outputs(Toy(), items(5), tmp_path)
    toy, loads = Toy(), []
    np.testing.assert_array_equal(outputs(toy, items(9, loads), tmp_path), expected(9))
    assert loads == [5, 6, 7, 8]
    assert toy.calls == 4


def test_another_digest_shares_nothing(tmp_path):
    outputs(Toy("a"), items(5), tmp_path)
    other = Toy("b")
    outputs(other, items(5), tmp_path)
    assert other.calls == 5


def test_items_of_one_key_are_computed_once(tmp_path):
    toy, three = Toy(), items(3)
    found = outputs(toy, [*three, three[1], three[0]], tmp_path)
    np.testing.assert_array_equal(found, expected(3)[[0, 1, 2, 1, 0]])
    assert toy.calls == 3


def test_nothing_asked_gives_nothing(tmp_path):
    assert outputs(Toy(), [], tmp_path).shape == (0, 4)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("calls", [3, 10])
def test_a_killed_run_loses_at_most_the_shard_in_work(tmp_path, calls):
    run = [sys.executable, "-m", "tests.training.toy_teacher", str(tmp_path), str(calls)]
    assert subprocess.run(run, cwd=ROOT, check=False).returncode == -signal.SIGKILL
    toy = Toy()
    np.testing.assert_array_equal(outputs(toy, items(20), tmp_path, shard_items=SHARD), expected(20))
    assert toy.calls == 20 - calls // SHARD * SHARD


@pytest.mark.parametrize("stop", [KeyboardInterrupt, RuntimeError])
def test_what_stops_a_run_without_killing_it_costs_nothing(tmp_path, stop):
    def stopper() -> np.ndarray:
        raise stop

    with pytest.raises(stop):
        outputs(Toy(), [*items(3), ("last", stopper)], tmp_path)
    toy = Toy()
    outputs(toy, items(3), tmp_path)
    assert toy.calls == 0


def test_a_shard_without_its_keys_does_not_count(tmp_path):
    outputs(Toy(), items(2), tmp_path)
    (keys,) = tmp_path.glob("*/*.keys")
    keys.rename(keys.with_name(f".{keys.name}.part"))
    toy = Toy()
    np.testing.assert_array_equal(outputs(toy, items(2), tmp_path), expected(2))
    assert toy.calls == 2


@pytest.mark.parametrize("damage", [b"", b"rubbish", None])
def test_a_damaged_shard_is_named_and_can_be_deleted(tmp_path, damage):
    outputs(Toy(), items(2), tmp_path)
    (vectors,) = tmp_path.glob("*/*.npy")
    if damage is None:
        np.save(vectors, np.zeros((1, 4), np.float32))
    else:
        vectors.write_bytes(damage)
    with pytest.raises(StorageError) as caught:
        outputs(Toy(), items(2), tmp_path)
    keys = vectors.with_suffix(".keys")
    assert f"Delete {keys}" in caught.value.remedy
    keys.unlink()
    np.testing.assert_array_equal(outputs(Toy(), items(2), tmp_path), expected(2))


def _fill(folder: Path, first: int) -> None:
    outputs(Toy(), items(30)[first : first + 20], folder, shard_items=SHARD)


def test_two_processes_may_fill_one_cache(tmp_path):
    context = multiprocessing.get_context("spawn")
    both = [context.Process(target=_fill, args=(tmp_path, first)) for first in (0, 10)]
    for process in both:
        process.start()
    for process in both:
        process.join()
    assert [process.exitcode for process in both] == [0, 0]
    toy = Toy()
    np.testing.assert_array_equal(outputs(toy, items(30), tmp_path), expected(30))
    assert toy.calls == 0


def test_progress_counts_what_was_there_at_once_and_then_each_item(tmp_path):
    outputs(Toy(), items(2), tmp_path)
    told = []
    outputs(Toy(), items(5), tmp_path, lambda done, total: told.append((done, total)))
    assert told == [(2, 5), (3, 5), (4, 5), (5, 5)]


class Strange(Toy):
    """Gives whatever it was made with."""

    def __init__(self, answer: list[float]) -> None:
        super().__init__()
        self.answer = answer

    def __call__(self, samples: np.ndarray) -> np.ndarray:
        return np.array(self.answer, np.float32)


@pytest.mark.parametrize("answer", [[1, 0, 0], [2, 0, 0, 0], [0, 0, 0, 0], [np.nan, 0, 0, 1]])
def test_an_answer_that_is_no_embedding_is_refused_with_its_item(tmp_path, answer):
    with pytest.raises(UsageError, match=r"The teacher toy gave .* for clip 0"):
        outputs(Strange(answer), items(2), tmp_path)
    assert len(OutputCache(tmp_path, "toy-1", 4)) == 0


def test_a_cache_that_cannot_be_written_is_found_out_before_the_work(tmp_path):
    (tmp_path / "file").write_text("in the way")
    toy = Toy()
    with pytest.raises(StorageError, match=r"cannot be kept in .*file"):
        outputs(toy, items(2), tmp_path / "file")
    assert toy.calls == 0


def test_keys_tell_apart_what_differs():
    assert len({key_of("a", 1), key_of("a", 2), key_of("a,1"), key_of("a", "1"), key_of("a", 1, None)}) == 5
    assert key_of("a", 1) == key_of("a", 1)
    assert sample_key(samples_of(0)) == sample_key(samples_of(0).copy())
    assert sample_key(samples_of(0)) != sample_key(samples_of(1))
