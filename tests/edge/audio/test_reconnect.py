"""A microphone that is never given up: what is reported, how often it is tried, and what is not a reason to end."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from itertools import pairwise

import numpy as np
import pytest

from edge.audio import microphone as module
from edge.audio.buffer import Chunk
from edge.audio.devices import Device
from edge.audio.microphone import MicrophoneSource
from edge.audio.pcm import PcmFormat
from edge.audio.portaudio import MicrophoneSetupError
from edge.audio.reconnect import ReconnectingMicrophone
from edge.errors import MicrophoneError
from edge.records import AudioBlock

BLOCK = AudioBlock(np.zeros(1600, np.float32), 0)


class Scripted(MicrophoneSource):
    """Does at each opening what the script says next: gives blocks, raises."""

    def __init__(self, *openings: list[AudioBlock | MicrophoneError]) -> None:
        super().__init__()
        self._openings = list(openings)
        self.opened: list[float] = []

    def blocks(self) -> Generator[AudioBlock, None, None]:
        self.opened.append(time.monotonic())
        for item in self._openings.pop(0):
            if isinstance(item, MicrophoneError):
                raise item
            yield item


def lost() -> MicrophoneError:
    return MicrophoneError("gone", fault="lost")


def through(source: Scripted, blocks: int, **retries: float) -> tuple[list[AudioBlock], list[str | None]]:
    """The first blocks, and which faults were told."""
    told: list[str | None] = []
    endless = ReconnectingMicrophone(source, lambda problem: told.append(problem and problem.fault), **retries)
    run = endless.blocks()
    return [next(run) for _ in range(blocks)], told


QUICK = {"first_retry_seconds": 0.01, "longest_retry_seconds": 0.01}


def test_two_that_fit_end_nothing_once_it_has_run() -> None:
    """At the start it is a mistake in the settings; later somebody plugged in another one."""
    several = MicrophoneSetupError("two fit", fault="ambiguous")
    with pytest.raises(MicrophoneSetupError):
        through(Scripted([several]), 1, **QUICK)
    found, told = through(Scripted([BLOCK, lost()], [several], [BLOCK]), 2, **QUICK)
    assert len(found) == 2
    assert told == ["lost", "ambiguous", None]


def test_one_that_gives_a_block_and_goes_is_tried_ever_more_rarely() -> None:
    flapping = Scripted(*[[BLOCK, lost()] for _ in range(5)], [BLOCK])
    through(flapping, 6, first_retry_seconds=0.05, longest_retry_seconds=0.4)
    waits = [after - before for before, after in pairwise(flapping.opened)]
    assert all(wait >= least for wait, least in zip(waits, (0.05, 0.1, 0.2, 0.4, 0.4), strict=True))


def test_a_complaint_is_told_while_sound_goes_on_and_taken_back() -> None:
    silent = MicrophoneError("nothing but zeros", fault="silent")
    source = Scripted([BLOCK] * 4)
    told: list[MicrophoneError | None] = []
    run = ReconnectingMicrophone(source, told.append).blocks()
    next(run)
    source.complaint = silent
    next(run), next(run)
    assert told == [silent]
    source.complaint = None
    next(run)
    assert told == [silent, None]


def test_time_without_a_microphone_is_not_time_in_which_sound_was_lost() -> None:
    found, _ = through(Scripted([BLOCK, lost()], [BLOCK]), 2, first_retry_seconds=0.3)
    assert (found[0].absent, found[0].dropped, found[1].dropped) == (0, 0, 0)
    assert found[1].absent >= 0.1 * 16_000
    assert found[1].start == 1600 + found[1].absent


class Opening:
    """A device that delivers ``frames`` in blocks of 100 ms for as long as it is asked; PortAudio is not needed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, frames: Callable[[int], bytes]) -> None:
        self.likely: list[int | None] = []
        self.true_rate = 48_000

        def open_capture(_wanted: object, _rate: object, _block: object, _known: object, likely: int | None) -> object:
            self.likely.append(likely)
            self._rate = likely or 16_000
            return self

        monkeypatch.setattr(module, "open_capture", open_capture)
        self.device = Device(0, "card", "ALSA", 1, 48_000, True, "card")
        self.frames = frames
        self._count = 0
        self.buffer = self
        self.chunks = self
        self.overruns = 0

    @property
    def format(self) -> object:
        return PcmFormat(self._rate, 1, "s16le")

    def get(self, timeout: float) -> object:
        """The next chunk of a device that runs at ``true_rate`` whatever was agreed."""
        count, self._count = self._count, self._count + 1
        return Chunk(count * self.true_rate // 10, self.frames(self.true_rate // 10), count / 10)

    def put(self, _item: object) -> None:
        self._count = 0

    def close(self, _seconds: float) -> None:
        pass


def sound(frames: int) -> bytes:
    return b"\1\0" * frames


def zeros(frames: int) -> bytes:
    return bytes(2 * frames)


def test_a_device_of_another_rate_than_agreed_is_opened_with_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    device = Opening(monkeypatch, sound)
    source = MicrophoneSource()
    with pytest.raises(MicrophoneError, match="does not keep the rate of 16 kHz: about 48 kHz come") as caught:
        for _ in source.blocks():
            pass
    assert caught.value.fault == "wrong_rate"
    assert source.complaint is caught.value
    blocks = source.blocks()
    while source.complaint:
        next(blocks)
    assert device.likely == [None, 48_000]


def test_zeros_are_complained_about_ever_more_rarely_until_there_is_sound(monkeypatch: pytest.MonkeyPatch) -> None:
    device = Opening(monkeypatch, zeros)
    device.true_rate = 16_000
    source = MicrophoneSource(silent_seconds=2.0)
    heard = []
    for _ in range(3):
        with pytest.raises(MicrophoneError, match="nothing but zeros"):
            for _ in source.blocks():
                pass
        heard.append(source.silent_seconds)
        assert source.complaint and source.complaint.fault == "silent"
    assert heard == [2.0, 4.0, 8.0]
    device.frames = sound
    blocks = source.blocks()
    next(blocks), next(blocks)
    assert source.complaint is None
    device.frames = zeros
    with pytest.raises(MicrophoneError, match="nothing but zeros"):
        for _ in blocks:
            pass
    assert source.silent_seconds == 2.0
