"""The short form of ``make soak``: some minutes of a day, and what its judge must notice."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from tests.edge.cli import voice_bundle
from tests.reliability import day
from tests.reliability.clockwork import SharedClock
from tests.reliability.device import Usage
from tests.reliability.soak import Run, Sample, Soak
from tests.reliability.verdict import judge

HOURS = 0.25


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("soak")
    bundle = voice_bundle.make(folder / "voices")
    return Soak(folder, HOURS, 3, str(bundle), tell=False, brief=True).play()


@pytest.mark.broker
@pytest.mark.timeout(600)
def test_a_quarter_of_an_hour_of_a_day_leaves_everything_as_it_was(played: Run) -> None:
    assert not [one for one in judge(played) if one.holds is False]
    assert (played.steps, played.sleeps, played.broker_restarts) == (8, 1, 1)


@pytest.mark.broker
@pytest.mark.timeout(600)
def test_the_judge_would_notice(played: Run) -> None:
    """A leak of memory, of threads and of descriptors, a traceback, a clock that turned the ids around."""

    def broken(run: Run) -> list[str]:
        return [one.name for one in judge(run) if one.holds is False]

    def worse(**more: float) -> Run:
        def usage(one: Sample, part: float) -> Usage:
            values = {name: getattr(one.usage, name) + type(value)(part * value) for name, value in more.items()}
            return replace(one.usage, **values)

        length = len(played.samples)
        changed = [
            Sample(s.at_s, usage(s, n / length), s.folder_bytes, s.log_bytes) for n, s in enumerate(played.samples)
        ]
        return replace(played, samples=changed)

    assert "RSS, most minus least, MB" in broken(worse(rss_mb=5.0))
    assert "threads, least and most" in broken(worse(threads=3))
    assert "descriptors, least and most" in broken(worse(descriptors=8))
    assert "tracebacks and odd lines in the log" in broken(replace(played, odd_lines=["Traceback"]))
    assert "ids ascend" in broken(replace(played, events=played.events[::-1]))
    deaf = [one for one in played.events if not _on_television(played, one)]
    assert "television: utterances" in broken(replace(played, events=deaf))


def _on_television(run: Run, event: dict) -> bool:
    return any(one.name == "television" and one.start <= event["at_s"] <= one.end for one in run.scenes)


def test_a_day_has_24_hours_a_week_seven_days_and_an_hour_some_of_everything() -> None:
    assert sum(length for _, length in day.PLAN) == pytest.approx(24)
    for hours in (0.2, 24.0, 168.0):
        found = day.scenes(hours)
        assert found[0].start == 0
        assert found[-1].end == pytest.approx(hours * 3600)
        assert all(one.end == other.start for one, other in pairwise(found))
        assert {one.name for one in found} == {name for name, _ in day.PLAN}
    assert len(day.scenes(168.0)) == 7 * len(day.PLAN)


@pytest.mark.parametrize("name", sorted({name for name, _ in day.PLAN}))
def test_a_scene_is_as_long_as_it_says_and_the_same_each_time(name: str) -> None:
    scene = day.Scene(name, 100.0, 125.5)
    first, again = (np.concatenate(list(day.sound(scene, 5))) for _ in range(2))
    assert len(first) == round(25.5 * 16_000)
    assert np.array_equal(first, again)
    assert np.abs(first).max() < 32_000


def test_a_clock_in_a_file_shows_the_same_to_everybody(tmp_path: Path) -> None:
    one, other = SharedClock(tmp_path / "clock"), SharedClock(tmp_path / "clock")
    one.set(12.5, 1.8e9)
    assert (other.monotonic(), other.now()) == (12.5, 1.8e9)
