"""Where the callback leaves its chunks: what is lost when nobody fetches them, and how much PortAudio lost itself."""

import time
from itertools import pairwise

import pytest

from edge.audio.buffer import Buffer, Chunk
from edge.audio.portaudio import INPUT_OVERFLOW


def fetched(buffer: Buffer) -> list[Chunk]:
    chunks = []
    while not buffer.chunks.empty():
        chunk = buffer.chunks.get_nowait()
        assert chunk is not None
        chunks.append(chunk)
    return chunks


def test_a_full_buffer_loses_its_oldest_fourfifths_at_once() -> None:
    buffer = Buffer(rate=100, block_ms=100, seconds=1.0)
    for index in range(11):
        assert buffer.callback(bytes([index]), 10, None, 0) == (None, 0)
    assert [(chunk.first, chunk.data) for chunk in fetched(buffer)] == [(80, b"\x08"), (90, b"\x09"), (100, b"\x0a")]
    assert buffer.overruns == 1


def test_a_listener_that_never_fetches_costs_no_more_memory() -> None:
    buffer = Buffer(rate=100, block_ms=100, seconds=1.0)
    for _ in range(1000):
        buffer.callback(b"", 10, None, 0)
        assert buffer.chunks.qsize() <= 10


def test_each_gap_is_followed_by_sound_in_one_piece() -> None:
    """A listener at half the speed of the sound: it hears stretches of seconds, not crumbs."""
    buffer, heard = Buffer(rate=100, block_ms=100, seconds=10.0), []
    for index in range(2000):
        buffer.callback(b"", 10, None, 0)
        if index % 2:
            heard.append(buffer.chunks.get_nowait())
    gaps = [at for at in range(1, len(heard)) if heard[at].first != heard[at - 1].first + 10]
    assert len(gaps) >= 5
    assert min(after - before for before, after in pairwise(gaps)) >= 75


def test_what_portaudio_lost_is_reckoned_by_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [50.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    buffer = Buffer(rate=1000, block_ms=100)
    for seconds, status in ((0.1, INPUT_OVERFLOW), (0.1, 0), (2.6, INPUT_OVERFLOW), (0.1, 0), (0.05, INPUT_OVERFLOW)):
        now[0] += seconds
        buffer.callback(b"", 100, None, status)
    # At the start there is nothing that could have been lost; and what came early was not lost at all.
    assert [chunk.first for chunk in fetched(buffer)] == [0, 100, 2700, 2800, 2900]
    assert buffer.overruns == 3
