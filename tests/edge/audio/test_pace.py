"""Whether the rate that a microphone keeps is told from haste and delay."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.audio.pace import Pace


def paced(true_rate: int, agreed: int, seconds: float, delays: list[float] | None = None) -> Pace:
    """Blocks of 100 ms, each told ``delays`` later than it was there (the last one over and over)."""
    pace = Pace(agreed)
    for block in range(1, round(seconds * 10) + 1):
        late = delays[block % len(delays)] if delays else 0.0
        pace.heard(block * true_rate // 10, block / 10 + late)
    return pace


@pytest.mark.parametrize(
    ("true_rate", "agreed"), [(48_000, 44_100), (44_100, 48_000), (48_000, 16_000), (8_000, 16_000)]
)
def test_another_rate_than_agreed_is_found_and_measured(true_rate: int, agreed: int) -> None:
    pace = paced(true_rate, agreed, 32)
    assert pace.verdict == "wrong"
    assert pace.measured == pytest.approx(true_rate, rel=0.01)
    assert pace.nearest == true_rate


def test_a_crystal_that_is_a_little_off_is_right() -> None:
    assert paced(16_016, 16_000, 60).verdict == "right"


def test_before_five_seconds_nothing_is_said() -> None:
    assert paced(48_000, 16_000, 5).verdict == "unknown"


def test_after_half_a_minute_it_is_said_and_not_before() -> None:
    assert paced(48_000, 16_000, 29).verdict == "unknown"
    assert paced(48_000, 16_000, 31).verdict == "wrong"


@settings(max_examples=25)
@given(st.lists(st.floats(0, 1.0), min_size=1, max_size=40))
def test_blocks_that_come_up_to_a_second_late_are_no_wrong_rate(delays: list[float]) -> None:
    assert paced(16_000, 16_000, 120, delays).verdict != "wrong"


def test_a_halt_and_the_burst_after_it_are_no_wrong_rate() -> None:
    pace = Pace(16_000)
    for block in range(1, 1200):
        there = block / 10
        pace.heard(block * 1600, 40.0 if 10 <= there < 40 else there)
    assert pace.verdict == "right"
