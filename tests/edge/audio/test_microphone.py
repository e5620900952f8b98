"""A microphone, recorded for real: what is played in comes out, and whatever happens to it is noticed and counted."""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise

import numpy as np
import pytest

from edge.audio import capture
from edge.audio.buffer import Buffer
from edge.audio.devices import list_devices
from edge.audio.microphone import MicrophoneSource
from edge.audio.reconnect import ReconnectingMicrophone
from edge.errors import EXIT_ENVIRONMENT, MicrophoneError
from edge.records import AudioBlock
from tests.edge.audio.sounds import found_likeness, voice
from tests.virtual_microphone import VirtualMicrophone

pytestmark = pytest.mark.microphone


class Listener:
    """Iterates a source in a thread of its own, as the daemon does, and remembers."""

    def __init__(self, source: MicrophoneSource | ReconnectingMicrophone) -> None:
        self.source = source
        self.blocks: list[AudioBlock] = []
        self.arrivals: list[float] = []
        self.error: Exception | None = None
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        try:
            for block in self.source.blocks():
                self.blocks.append(block)
                self.arrivals.append(time.monotonic())
        except MicrophoneError as error:
            self.error = error

    def wait_until(self, condition: Callable[[], object]) -> None:
        """Give up after 20 seconds: far more than anything here takes."""
        deadline = time.monotonic() + 20
        while not condition():
            assert time.monotonic() < deadline, "waited in vain"
            time.sleep(0.01)

    def wait_for_blocks(self, more: int = 1) -> None:
        wanted = len(self.blocks) + more
        self.wait_until(lambda: len(self.blocks) >= wanted or self.error)

    @property
    def samples(self) -> np.ndarray:
        return np.concatenate([block.samples for block in self.blocks])

    def finish(self) -> None:
        self.source.close()
        self.thread.join(20)
        assert not self.thread.is_alive()


@pytest.fixture
def listen() -> Iterator[Callable[[MicrophoneSource | ReconnectingMicrophone], Listener]]:
    """Starts listeners and ends them with the test."""
    listeners: list[Listener] = []

    def start(source: MicrophoneSource | ReconnectingMicrophone) -> Listener:
        listeners.append(Listener(source))
        return listeners[-1]

    yield start
    for listener in listeners:
        listener.finish()


Listen = Callable[[MicrophoneSource | ReconnectingMicrophone], Listener]


def assert_one_clock(blocks: list[AudioBlock]) -> None:
    end = 0
    for block in blocks:
        assert block.start == end + block.dropped + block.absent
        end = block.start + len(block.samples)


def test_what_is_played_in_is_what_is_heard(virtual_microphone: VirtualMicrophone, listen: Listen) -> None:
    listener = listen(MicrophoneSource())
    listener.wait_for_blocks()
    virtual_microphone.play(voice())
    listener.wait_for_blocks(3)
    listener.finish()
    assert found_likeness(listener.samples, voice()) >= 0.999
    assert_one_clock(listener.blocks)
    source = listener.source
    assert (source.name, source.live, source.overruns, source.dropped_samples) == ("mic:default", True, 0, 0)
    assert all(block.dropped == 0 for block in listener.blocks)


def test_a_device_of_another_rate_is_converted(virtual_microphone: VirtualMicrophone, listen: Listen) -> None:
    listener = listen(MicrophoneSource("PULSE", rate=48_000, block_ms=50))
    listener.wait_for_blocks()
    virtual_microphone.play(voice(44_100), 44_100)
    listener.wait_for_blocks(5)
    listener.finish()
    assert listener.source.name == "mic:pulse"
    assert found_likeness(listener.samples, voice()) >= 0.999


def test_a_microphone_without_16_khz_mono_is_opened_as_it_is(
    monkeypatch: pytest.MonkeyPatch, virtual_microphone: VirtualMicrophone, listen: Listen
) -> None:
    """PortAudio's own refusal is imitated, because the virtual device takes everything."""
    pyaudio = pytest.importorskip("pyaudio")
    real = pyaudio.PyAudio.open
    tried: list[tuple[int, int]] = []

    def picky(self: object, **wanted: int) -> object:
        tried.append((wanted["rate"], wanted["channels"]))
        if wanted["rate"] != 44_100 or wanted["channels"] != 2:
            raise OSError(-9997, "Invalid sample rate")
        return real(self, **wanted)

    monkeypatch.setattr(pyaudio.PyAudio, "open", picky)
    listener = listen(MicrophoneSource())
    listener.wait_for_blocks()
    virtual_microphone.play(voice())
    listener.wait_for_blocks(3)
    assert tried == [(16_000, 1), (16_000, 2), (44_100, 1), (44_100, 2)]
    assert found_likeness(listener.samples, voice()) >= 0.999


def test_a_busy_microphone_is_called_busy(
    monkeypatch: pytest.MonkeyPatch, virtual_microphone: VirtualMicrophone
) -> None:
    pyaudio = pytest.importorskip("pyaudio")
    attempts: list[int] = []

    def busy(self: object, **wanted: int) -> object:
        attempts.append(wanted["rate"])
        raise OSError(-9985, "Device unavailable")

    monkeypatch.setattr(pyaudio.PyAudio, "open", busy)
    with pytest.raises(MicrophoneError, match='"default" is in use by another program') as caught:
        next(MicrophoneSource().blocks())
    assert len(attempts) == 1
    assert "fuser" in caught.value.remedy
    monkeypatch.setattr(
        pyaudio.PyAudio, "open", lambda self, **wanted: (_ for _ in ()).throw(OSError(-9997, "Bad rate"))
    )
    with pytest.raises(MicrophoneError, match=r"cannot be opened at 22050 Hz \(bad rate\)"):
        next(MicrophoneSource(rate=22_050).blocks())


def test_a_lost_microphone_is_an_error_and_comes_back(virtual_microphone: VirtualMicrophone, listen: Listen) -> None:
    source = MicrophoneSource(watchdog_seconds=1.0)
    listener = listen(source)
    listener.wait_for_blocks()
    virtual_microphone.stop()
    listener.wait_until(lambda: listener.error)
    assert 'the microphone "default" stopped delivering sound' in str(listener.error)
    with pytest.raises(MicrophoneError, match="no microphone was found") as caught:
        next(source.blocks())
    assert caught.value.exit_code == EXIT_ENVIRONMENT
    virtual_microphone.start()
    again = listen(source)
    again.wait_for_blocks(2)
    assert again.error is None
    assert again.blocks[0].start == 0


def test_a_sound_server_that_hangs_cannot_hang_us(virtual_microphone: VirtualMicrophone, listen: Listen) -> None:
    """Stopped, not killed: the stream claims to be active, and even closing it would wait for ever."""
    source = MicrophoneSource(watchdog_seconds=1.0)
    listener = listen(source)
    listener.wait_for_blocks()
    virtual_microphone.signal(signal.SIGSTOP)
    listener.wait_until(lambda: listener.error)
    virtual_microphone.signal(signal.SIGCONT)
    assert "stopped delivering sound" in str(listener.error)
    again = listen(source)
    again.wait_for_blocks(2)
    assert again.error is None


def test_a_listener_that_falls_behind_loses_the_oldest_and_knows_how_much(
    monkeypatch: pytest.MonkeyPatch, virtual_microphone: VirtualMicrophone
) -> None:
    monkeypatch.setattr(capture, "Buffer", partial(Buffer, seconds=0.4))
    source = MicrophoneSource(block_ms=20)
    blocks = source.blocks()
    heard = [next(blocks)]
    time.sleep(0.9)
    heard += [next(blocks) for _ in range(10)]
    blocks.close()
    assert_one_clock(heard)
    dropped = sum(block.dropped for block in heard)
    assert dropped == source.dropped_samples
    assert dropped >= 0.3 * 16_000
    assert source.overruns >= 1
    assert next(block.behind_seconds for block in heard if block.dropped) > 0.0


def test_close_from_another_thread_ends_a_read_and_releases_the_device(
    virtual_microphone: VirtualMicrophone, listen: Listen
) -> None:
    listener = listen(MicrophoneSource(block_ms=1_000, watchdog_seconds=30))
    listener.wait_until(virtual_microphone.recorders)
    listener.finish()
    assert listener.error is None
    assert virtual_microphone.recorders() == 0
    listener.source.close()
    assert list(listener.source.blocks()) == []


def test_leaving_the_loop_releases_the_device(virtual_microphone: VirtualMicrophone) -> None:
    for _ in range(3):
        for block in MicrophoneSource(block_ms=20).blocks():
            assert len(block.samples) == 320
            break
    assert virtual_microphone.recorders() == 0


def test_a_dead_microphone_is_seen(virtual_microphone: VirtualMicrophone, listen: Listen) -> None:
    """The virtual one gives exact zeros while nothing is played."""
    listener = listen(MicrophoneSource())
    listener.wait_until(lambda: listener.source.silent_seconds >= 0.3)
    virtual_microphone.play(voice(seconds=0.3))
    quiet = [bool(block.samples.any()) for block in listener.blocks]
    listener.wait_until(lambda: listener.source.silent_seconds >= 0.2)
    assert any(quiet)
    assert listener.source.silent_seconds < len(listener.blocks) * 0.1 - 0.3


def test_an_endless_microphone_survives_the_sound_server(virtual_microphone: VirtualMicrophone, listen: Listen) -> None:
    problems: list[MicrophoneError | None] = []
    source = ReconnectingMicrophone(
        MicrophoneSource(block_ms=50, watchdog_seconds=1.0), problems.append, first_retry_seconds=0.1
    )
    listener = listen(source)
    listener.wait_for_blocks(2)
    assert problems == []
    virtual_microphone.stop()
    listener.wait_until(lambda: source.problem and source.problem.fault == "missing")
    before = len(listener.blocks)
    virtual_microphone.start()
    listener.wait_until(lambda: len(listener.blocks) > before)
    virtual_microphone.play(voice())
    listener.wait_for_blocks(4)
    listener.finish()
    assert "stopped delivering" in str(problems[0])
    assert [problem and problem.fault for problem in problems] == ["lost", "missing", None]
    assert problems.index(None) == len(problems) - 1
    assert all(one != other for one, other in pairwise(problems))
    assert (source.problem, source.reopenings, source.name) == (None, 1, "mic:default")
    assert found_likeness(listener.samples, voice()) >= 0.999
    assert_one_clock(listener.blocks)
    gap = listener.blocks[before]
    passed = listener.arrivals[before] - listener.arrivals[before - 1]
    assert (gap.absent + len(gap.samples)) / 16_000 == pytest.approx(passed, abs=0.3)
    assert not any(block.dropped for block in listener.blocks)
    assert not any(block.absent for block in listener.blocks if block is not gap)


def test_an_endless_microphone_waits_for_the_first_one(virtual_microphone: VirtualMicrophone, listen: Listen) -> None:
    virtual_microphone.stop()
    problems: list[MicrophoneError | None] = []
    source = ReconnectingMicrophone(MicrophoneSource(), problems.append, first_retry_seconds=0.1)
    listener = listen(source)
    listener.wait_until(lambda: problems)
    virtual_microphone.start()
    listener.wait_for_blocks()
    assert problems[-1] is None
    assert (listener.blocks[0].start, listener.blocks[0].absent) == (0, 0)


def test_pause_closes_the_device_itself(virtual_microphone: VirtualMicrophone, listen: Listen) -> None:
    source = ReconnectingMicrophone(MicrophoneSource(block_ms=50))
    listener = listen(source)
    listener.wait_for_blocks()
    source.pause()
    listener.wait_until(lambda: virtual_microphone.recorders() == 0)
    assert source.paused
    before = len(listener.blocks)
    virtual_microphone.play(voice(seconds=0.3))
    assert len(listener.blocks) == before
    source.resume()
    listener.wait_for_blocks()
    assert_one_clock(listener.blocks)
    assert listener.blocks[before].absent > 0.3 * 16_000
    assert (source.problem, source.reopenings) == (None, 0)


def test_close_ends_an_endless_microphone_that_waits(virtual_microphone: VirtualMicrophone, listen: Listen) -> None:
    virtual_microphone.stop()
    source = ReconnectingMicrophone(MicrophoneSource(), first_retry_seconds=60, longest_retry_seconds=60)
    listener = listen(source)
    listener.wait_until(lambda: source.problem)
    listener.finish()
    paused = ReconnectingMicrophone(MicrophoneSource())
    paused.pause()
    listen(paused).finish()


def test_a_microphone_is_found_again_by_its_name_whatever_its_number(
    virtual_microphone: VirtualMicrophone, listen: Listen
) -> None:
    """Chosen by number; while it is away others are plugged in, which take the numbers before it."""
    virtual_microphone.describe("kitchen")
    number = next(device.index for device in list_devices() if device.stable_name == "kitchen")
    source = ReconnectingMicrophone(MicrophoneSource(number), first_retry_seconds=0.1)
    listener = listen(source)
    listener.wait_for_blocks()
    assert source.name == "mic:kitchen"
    virtual_microphone.stop()
    listener.wait_until(lambda: source.problem)
    virtual_microphone.describe("attic", "hall", "kitchen")
    before = len(listener.blocks)
    virtual_microphone.start()
    listener.wait_until(lambda: len(listener.blocks) > before)
    assert source.name == "mic:kitchen"
    assert next(device.index for device in list_devices() if device.stable_name == "kitchen") != number
