"""Measurements for the health topic: the 95th percentile of what came lately, and the memory of this process."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from edge.daemon.health import Latencies, rss_mb


def test_before_the_first_there_is_no_percentile() -> None:
    assert Latencies().p95() is None


@pytest.mark.parametrize(
    ("values", "p95"),
    [([7.4], 7), ([1, 2, 3], 3), (range(1, 21), 19), (range(1, 101), 95), ([5.0] * 19 + [1000.0], 5)],
)
def test_the_percentile_is_the_nearest_rank(values, p95) -> None:
    latencies = Latencies()
    for value in values:
        latencies.add(value)
    assert latencies.p95() == p95


def test_only_the_latest_count() -> None:
    latencies = Latencies()
    for value in [10_000.0] * 500 + [20.0] * 200:
        latencies.add(value)
    assert latencies.p95() == 20


def test_the_memory_is_that_of_this_process() -> None:
    told = rss_mb()
    assert told is not None
    assert told == pytest.approx(psutil.Process().memory_info().rss / 1e6, rel=0.05)


@pytest.mark.parametrize("text", ["", "VmRSS:\n", "VmRSS: many kB\n", "VmSize:\t 100 kB\n"])
def test_a_system_that_does_not_tell_gives_none(tmp_path: Path, text: str) -> None:
    status = tmp_path / "status"
    assert rss_mb(status) is None
    status.write_text(text)
    assert rss_mb(status) is None
