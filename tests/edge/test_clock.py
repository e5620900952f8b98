"""Clocks: the machine's goes on by itself, the one turned by hand does not."""

from __future__ import annotations

import time

from edge.clock import ManualClock, SystemClock


def test_the_clock_turned_by_hand_moves_only_then_and_both_sides_together() -> None:
    clock = ManualClock(now=1000.0, monotonic=5.0)
    assert (clock.now(), clock.monotonic()) == (1000.0, 5.0) == (clock.now(), clock.monotonic())
    clock.advance(2.5)
    assert (clock.now(), clock.monotonic()) == (1002.5, 7.5)


def test_the_machines_clock_is_the_machines() -> None:
    clock = SystemClock()
    before = time.time(), time.clock_gettime(time.CLOCK_BOOTTIME)
    told = clock.now(), clock.monotonic()
    after = time.time(), time.clock_gettime(time.CLOCK_BOOTTIME)
    assert before[0] <= told[0] <= after[0]
    assert before[1] <= told[1] <= after[1]
