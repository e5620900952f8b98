"""An overload is told when it begins, while it lasts and when it is over, and counted to the sample."""

import logging

import numpy as np
import pytest

from edge.daemon.overload import Overload
from edge.records import AudioBlock


def block(dropped: int = 0, behind_seconds: float = 0.0) -> AudioBlock:
    return AudioBlock(np.zeros(1600, np.float32), 0, dropped=dropped, behind_seconds=behind_seconds)


class Told:
    def __init__(self) -> None:
        self.changes: list[bool] = []
        self.overload = Overload(self.changes.append)


def test_beginning_and_end_are_told_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    told = Told()
    told.overload.take(block(), 0.0)
    assert (told.changes, told.overload.active) == ([], False)
    for second in range(5):
        told.overload.take(block(dropped=16_000), 10.0 + second)
    assert (told.changes, told.overload.active, told.overload.dropped_samples) == ([True], True, 80_000)
    told.overload.tick(73.9)
    assert told.overload.active
    told.overload.tick(74.0)
    told.overload.tick(200.0)
    assert (told.changes, told.overload.active, told.overload.dropped_samples) == ([True, False], False, 80_000)
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]
    assert "the oldest 1.0 s of sound" in caplog.messages[0]
    assert "5.0 s of sound were left out" in caplog.messages[1]


def test_while_it_lasts_the_log_hears_of_it_once_a_minute_and_health_more_often(
    caplog: pytest.LogCaptureFixture,
) -> None:
    told = Told()
    for second in range(0, 600, 8):
        told.overload.take(block(dropped=4 * 16_000), float(second))
    assert 600 / 16 - 1 <= len(told.changes) <= 600 / 10 and all(told.changes)
    assert 9 <= len(caplog.records) <= 10
    assert "still cannot keep up" in caplog.messages[-1]


def test_another_overload_is_counted_from_its_own_beginning(caplog: pytest.LogCaptureFixture) -> None:
    told = Told()
    told.overload.take(block(dropped=16_000), 0.0)
    told.overload.tick(60.0)
    told.overload.take(block(dropped=8_000), 100.0)
    assert told.changes == [True, False, True]
    assert "0.5 s" in caplog.messages[-1]
    assert told.overload.dropped_samples == 24_000


def test_how_far_behind_it_was_is_known_for_half_to_a_whole_minute() -> None:
    overload = Overload()
    for second, behind in ((1, 0.1), (2, 7.5), (3, 0.2)):
        overload.take(block(behind_seconds=behind), float(second))
    assert (overload.behind_seconds, overload.most_behind_seconds) == (0.2, 7.5)
    overload.take(block(behind_seconds=0.3), 31.0)
    assert overload.most_behind_seconds == 7.5
    overload.take(block(behind_seconds=0.1), 61.0)
    assert overload.most_behind_seconds == 0.3
    overload.take(block(behind_seconds=0.0), 1000.0)
    assert overload.most_behind_seconds == 0.0
