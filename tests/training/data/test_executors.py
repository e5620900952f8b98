"""Work is spread in any way, and one bad item costs one item."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from edge.errors import ExtraMissingError, UsageError
from tests.training.data import toys
from training.data.executors import parse, run

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def scheduler():
    """A dask scheduler with two workers, as if it were elsewhere."""
    import distributed

    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs=50
    ) as cluster:
        yield cluster.scheduler_address


def pool_processes() -> list[str]:
    """Children of this process that no dask nanny looks after."""
    return [child.name for child in multiprocessing.active_children() if "Dask" not in child.name]


def results(how: str, items, work=toys.work) -> dict[int, object]:
    return {outcome.item: outcome for outcome in run(work, items, how, setup=toys.begin)}


def test_serial_work_names_what_failed_and_does_the_rest():
    found = results("serial", range(10, 16))
    assert found[13].problem == "ValueError: thirteen is bad"
    assert {item: one.result[0] for item, one in found.items() if not one.problem} == {
        item: item * item for item in (10, 11, 12, 14, 15)
    }


def test_processes_survive_an_exception_and_a_crash_and_name_both():
    told = []
    outcomes = {o.item: o for o in run(toys.work, range(8, 20), "processes:2", told.append, setup=toys.begin)}
    assert sorted(outcomes) == list(range(8, 20))
    assert told == list(range(1, 13))
    assert outcomes[13].problem == "ValueError: thirteen is bad"
    assert [item for item, one in outcomes.items() if one.crashed] == [17]
    assert all(one.result[0] == item * item for item, one in outcomes.items() if item not in (13, 17))
    assert os.getpid() not in {one.result[1] for one in outcomes.values() if one.result}
    assert not pool_processes()


def test_a_dask_cluster_does_the_same_work(scheduler):
    outcomes = results(f"dask:{scheduler}", range(9, 15))
    assert outcomes[13].problem == "ValueError: thirteen is bad"
    assert {item: one.result[0] for item, one in outcomes.items() if not one.problem} == {
        item: item * item for item in (9, 10, 11, 12, 14)
    }
    assert os.getpid() not in {one.result[1] for one in outcomes.values() if one.result}


def test_what_kills_dask_workers_is_named(scheduler):
    outcomes = results(f"dask:{scheduler}", [16, 17])
    assert outcomes[17].crashed
    assert outcomes[16].result[0] == 256


@pytest.mark.parametrize("how", ["serial", "processes:1"])
def test_items_are_drawn_only_as_they_are_needed(how):
    """An endless source of items is no problem: leaving the loop ends the work."""
    source = itertools.count(20)
    with_source = run(toys.work, source, how, setup=toys.begin)
    for outcome in itertools.islice(with_source, 3):
        assert outcome.result[0] == outcome.item**2
    with_source.close()
    assert next(source) <= 20 + 3 + 2
    assert not pool_processes()


def test_a_set_up_that_fails_ends_the_run():
    with pytest.raises(UsageError, match="no model here"):
        list(run(toys.work, [1], "serial", setup=toys.cannot_begin))


def test_ctrl_c_leaves_no_process_behind(tmp_path):
    """A run that is interrupted while its workers sleep ends at once and takes them along."""
    script = tmp_path / "endless.py"
    script.write_text(
        textwrap.dedent("""
        import os, sys, time
        from training.data.executors import run

        def begin():
            return os.getpid()

        def work(state, item):
            if item:
                time.sleep(600)
            return state

        if __name__ == "__main__":
            try:
                for outcome in run(work, [0, 1, 2, 3], "processes:1", setup=begin):
                    print(outcome.result, flush=True)
            except KeyboardInterrupt:
                sys.exit(130)
        """)
    )
    environ = os.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True, env=environ) as process:
        worker = int(process.stdout.readline())
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
    with pytest.raises(ProcessLookupError):
        os.kill(worker, 0)


@pytest.mark.parametrize(
    "how", ["", "threads", "processes:0", "processes:", "processes:x", "dask", "dask:", "dask:local:0"]
)
def test_a_word_that_says_nothing_is_refused(how):
    with pytest.raises(UsageError):
        parse(how)


def test_what_the_words_mean():
    assert parse("processes:3").workers == 3
    assert parse("processes").workers >= 1
    assert parse("dask:tcp://head:8786").address == "tcp://head:8786"
    assert parse("dask:local:2").address == ""


def test_without_dask_the_line_that_installs_it_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ExtraMissingError, match="distributed") as caught:
        list(run(toys.work, [1], "dask:local", setup=toys.begin))
    assert "earmark[dask]" in caught.value.remedy


def test_a_scheduler_that_does_not_answer_is_named(monkeypatch):
    from training.data import dask_cluster

    monkeypatch.setattr(dask_cluster, "_PATIENCE_SECONDS", 1)
    with pytest.raises(UsageError, match=r"127\.0\.0\.1:9"):
        list(run(toys.work, [1], "dask:tcp://127.0.0.1:9", setup=toys.begin))
