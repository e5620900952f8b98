"""What can be told about a microphone without a sound server: bounded calls, arguments."""

import queue
import sys
import threading

import pytest

from edge.audio.microphone import MicrophoneSource
from edge.audio.portaudio import MicrophoneSetupError, call
from edge.audio.reconnect import ReconnectingMicrophone
from edge.errors import MicrophoneError, UsageError


def test_a_rate_that_makes_no_sense_is_refused() -> None:
    with pytest.raises(UsageError, match="1000 Hz"):
        MicrophoneSource(rate=1_000)


def test_an_endless_microphone_gives_up_where_waiting_is_useless(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyaudio", None)
    problems: list[MicrophoneError | None] = []
    with pytest.raises(MicrophoneSetupError, match="PyAudio is not installed"):
        next(ReconnectingMicrophone(MicrophoneSource(), problems.append).blocks())
    assert problems == []


def test_a_call_gives_what_its_function_gives() -> None:
    assert call(lambda: 7) == 7
    with pytest.raises(KeyError):
        call(lambda: {}["nothing"])
    assert call(lambda: 8) == 8


def test_a_call_that_hangs_is_left_behind_and_its_result_given_back() -> None:
    """While it hangs no other call is let in; once it has ended, they work again."""
    go, discarded = threading.Event(), queue.SimpleQueue()

    def hang() -> str:
        go.wait(20)
        return "a device opened too late"

    with pytest.raises(MicrophoneError, match="does not answer"):
        call(hang, discarded.put, seconds=0.05)
    with pytest.raises(MicrophoneError, match="does not answer"):
        call(lambda: 1, seconds=0.05)
    go.set()
    assert discarded.get(timeout=20) == "a device opened too late"
    assert call(lambda: 2) == 2
