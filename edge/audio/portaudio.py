"""The door to PortAudio.

Takes: calls into it. Gives: a fresh ``pyaudio.PyAudio``, answers within a bounded time, and errors in words. Must hold:
the only place that imports pyaudio; the C libraries beneath write nothing to the terminal; a sound server that hangs
cannot hang us; two calls never run at the same time, since PortAudio allows only one.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Final, TypeVar

from edge.errors import MicrophoneError
from edge.quiet import quiet_stderr

DEVICE_UNAVAILABLE: Final = -9985
"""PortAudio's ``paDeviceUnavailable``: another program holds the device."""
INPUT_OVERFLOW: Final = 2
"""PortAudio's ``paInputOverflow``: samples were lost before this callback."""
SAMPLE_INT16: Final = 8
"""PortAudio's ``paInt16``."""
CONTINUE: Final = 0
"""PortAudio's ``paContinue``."""

_INSTALLATION: Final = 'Install it: sudo apt-get install gcc python3-dev portaudio19-dev && pip install "earmark[mic]"'
PATIENCE_SECONDS: Final = 5.0
"""How long PortAudio may take; a slow board lists its devices in less than a second."""

_T = TypeVar("_T")
_one_at_a_time = threading.Lock()


class MicrophoneSetupError(MicrophoneError):
    """A microphone problem that waiting does not cure: software is missing, or a name fits several devices."""


def call(
    function: Callable[[], _T], discard: Callable[[_T], object] | None = None, seconds: float = PATIENCE_SECONDS
) -> _T:
    """Run ``function``, which may call into PortAudio, in a thread of its own, and give what it gives.

    Where it takes longer than ``seconds``, its thread is left behind: further calls fail until it has ended, and what
    it then gives goes to ``discard``. Raises ``MicrophoneError`` in these two cases.
    """
    if not _one_at_a_time.acquire(timeout=seconds):
        raise _no_answer()
    future: Future[_T] = Future()

    def work() -> None:
        try:
            result = function()
        except BaseException as error:
            if future.set_running_or_notify_cancel():
                future.set_exception(error)
        else:
            if future.set_running_or_notify_cancel():
                future.set_result(result)
            elif discard:
                discard(result)
        finally:
            _one_at_a_time.release()

    with quiet_stderr():
        threading.Thread(target=work, name="portaudio", daemon=True).start()
        try:
            return future.result(seconds)
        except TimeoutError:
            if future.cancel():
                raise _no_answer() from None
            return future.result()  # it came at the last moment
        finally:
            future.cancel()  # after Ctrl-C too, what still comes goes to discard


def open_portaudio() -> Any:
    """A new ``pyaudio.PyAudio``, to be used inside ``call``; the caller terminates it.

    Never kept for long: one that was made while the sound server was down never sees a device. Raises
    ``MicrophoneSetupError`` where PyAudio is not installed, ``MicrophoneError`` where PortAudio does not start.
    """
    try:
        import pyaudio
    except ImportError as error:
        missing = isinstance(error, ModuleNotFoundError) and error.name == "pyaudio"
        cause = "PyAudio is not installed" if missing else f"PyAudio cannot be loaded ({error})"
        raise MicrophoneSetupError(f"{cause}, and a microphone needs it", _INSTALLATION, "software") from None
    try:
        return pyaudio.PyAudio()
    except OSError as error:
        raise MicrophoneError(f"the sound system does not start ({words(error)})", fault="missing") from None


def words(error: Exception) -> str:
    """What PortAudio says, without its number."""
    return (getattr(error, "strerror", None) or str(error)).strip().lower()


def _no_answer() -> MicrophoneError:
    return MicrophoneError(
        "the sound system does not answer", "Restart the sound server, or plug the microphone in anew.", "no_answer"
    )
