"""A second listener on the daemon's sound."""

from __future__ import annotations

import time

import numpy as np
import pytest

from edge.daemon import tap as module
from edge.daemon.tap import Tap
from edge.errors import MicrophoneError
from edge.records import AudioBlock

SOON = 20.0


def block(start: int) -> AudioBlock:
    return AudioBlock(np.zeros(10, np.float32), start)


def read(tap: Tap, seconds: float = SOON) -> list[int]:
    return [one.start for one in tap.blocks(time.monotonic() + seconds)]


def test_blocks_come_in_order_until_the_end() -> None:
    tap = Tap()
    for start in range(5):
        tap.offer(block(start))
    tap.finish()
    assert read(tap) == [0, 1, 2, 3, 4]
    assert tap.heard


def test_a_reader_that_is_too_slow_gets_an_error_and_never_a_hole() -> None:
    tap = Tap()
    for start in range(module._MOST_BLOCKS + 50):
        tap.offer(block(start))  # returns at once although nobody reads
    with pytest.raises(MicrophoneError, match="busy"):
        read(tap)


def test_sound_that_was_lost_on_the_way_is_an_error_but_not_what_was_lost_before() -> None:
    tap = Tap()
    tap.offer(AudioBlock(np.zeros(10, np.float32), 500, dropped=500))
    tap.offer(block(510))
    assert next(tap.blocks(time.monotonic() + SOON)).start == 500
    tap.offer(AudioBlock(np.zeros(10, np.float32), 600, dropped=80))
    with pytest.raises(MicrophoneError, match="without gaps"):
        read(tap)


def test_a_failure_is_told_even_where_the_queue_is_full() -> None:
    tap = Tap()
    for start in range(module._MOST_BLOCKS):
        tap.offer(block(start))
    tap.fail(MicrophoneError("unplugged"))
    with pytest.raises(MicrophoneError, match="unplugged"):
        read(tap)
    tap.offer(block(999))


def test_an_end_that_nobody_can_be_told_of_is_no_silent_one() -> None:
    tap = Tap()
    for start in range(module._MOST_BLOCKS):
        tap.offer(block(start))
    tap.finish()
    with pytest.raises(MicrophoneError):
        read(tap)


def test_cancelling_ends_the_sound() -> None:
    tap = Tap()
    tap.offer(block(0))
    tap.cancel()
    assert read(tap) == []
    assert tap.cancelled
    assert not tap.heard


def test_the_deadline_ends_the_sound() -> None:
    assert read(Tap(), 0.05) == []


def test_a_source_that_gives_nothing_is_an_error_before_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_SILENT_SECONDS", 0.05)
    with pytest.raises(MicrophoneError, match="no sound"):
        read(Tap())
