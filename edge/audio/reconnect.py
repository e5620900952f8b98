"""A microphone that comes back.

Takes: a ``MicrophoneSource``. Gives: one endless run of blocks. Must hold: a lost, busy or missing device is tried
again until it is there, at most five seconds after it is; the clock of the blocks goes on across the gap; every change
between working and not is reported once; ``pause`` closes the device itself, not only our ears.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import replace

from edge.audio.microphone import MicrophoneSource
from edge.audio.portaudio import MicrophoneSetupError
from edge.errors import MicrophoneError
from edge.records import SAMPLE_RATE, AudioBlock

_log = logging.getLogger(__name__)

OnProblem = Callable[[MicrophoneError | None], None]


class ReconnectingMicrophone:
    """Wraps a ``MicrophoneSource`` and never gives up on it.

    ``on_problem``: called from the thread that iterates, with the error when the microphone fails (again when the
    reason changes) and with None when all is well again; without it the log gets these. With the faults ``silent`` and
    ``wrong_rate`` blocks go on coming. Retries come after ``first_retry_seconds``, then ever later up to
    ``longest_retry_seconds``; only a microphone that delivered for as long is tried at once again. The first block
    after a gap has ``absent`` set to the time that passed.
    """

    def __init__(
        self,
        microphone: MicrophoneSource,
        on_problem: OnProblem | None = None,
        *,
        first_retry_seconds: float = 0.5,
        longest_retry_seconds: float = 3.0,
    ) -> None:
        self.microphone = microphone
        self.problem: MicrophoneError | None = None
        """What is wrong, None while all is well."""
        self.reopenings = 0
        """How often the microphone came back after a problem."""
        self._on_problem = on_problem
        self._first_retry_seconds = first_retry_seconds
        self._longest_retry_seconds = longest_retry_seconds
        self._change = threading.Condition()
        self._paused = False
        self._closed = False
        self._end = 0  # of the last block, on the clock of the whole
        self._arrived: float | None = None  # when that block came, monotonic
        self._since: float | None = None  # when the first block of this opening came

    @property
    def name(self) -> str:
        """The microphone's name."""
        return self.microphone.name

    @property
    def live(self) -> bool:
        """True: time passes."""
        return True

    @property
    def paused(self) -> bool:
        """Whether the device is (about to be) closed on request."""
        return self._paused

    def blocks(self) -> Generator[AudioBlock, None, None]:
        """Yield blocks until ``close``. Raises ``MicrophoneSetupError`` only, at the first attempt: waiting would be
        useless then.
        """
        delay = self._first_retry_seconds
        first = True
        while self._until_wanted():
            try:
                with closing(self._session()) as session:
                    for block in session:
                        yield block
                        if self._paused:
                            break
            except MicrophoneError as error:
                if first and isinstance(error, MicrophoneSetupError):
                    raise
                self._report(error)
                if self._since is not None and time.monotonic() - self._since >= self._longest_retry_seconds:
                    delay = self._first_retry_seconds
                with self._change:
                    self._change.wait_for(lambda: self._closed or self._paused, delay)
                delay = min(2 * delay, self._longest_retry_seconds)
            first = False

    def pause(self) -> None:
        """Close the device before the next block; ``blocks`` waits for ``resume``."""
        with self._change:
            self._paused = True
            self._change.notify_all()

    def resume(self) -> None:
        """Open the device again."""
        with self._change:
            self._paused = False
            self._change.notify_all()

    def close(self) -> None:
        """Release the device and end ``blocks``."""
        with self._change:
            self._closed = True
            self._change.notify_all()
        self.microphone.close()

    def _until_wanted(self) -> bool:
        """Wait while paused; False when closed."""
        with self._change:
            self._change.wait_for(lambda: self._closed or not self._paused)
            return not self._closed

    def _session(self) -> Generator[AudioBlock, None, None]:
        """Blocks from one opening to the next error, on the clock of the whole."""
        offset: int | None = None
        self._since = None
        with closing(self.microphone.blocks()) as blocks:
            for block in blocks:
                now = time.monotonic() - block.behind_seconds
                absent = 0
                if offset is None:
                    self._since = now
                    if self._arrived is not None:
                        absent = max(0, round((now - self._arrived) * SAMPLE_RATE) - len(block.samples))
                    offset = self._end + absent - block.start
                self._report(self.microphone.complaint)
                shifted = replace(block, start=block.start + offset, absent=absent)
                self._end, self._arrived = shifted.start + len(shifted.samples), now
                yield shifted

    def _report(self, problem: MicrophoneError | None) -> None:
        if (problem and problem.sentence()) == (self.problem and self.problem.sentence()):
            return
        if problem is None:
            self.reopenings += 1
        self.problem = problem.with_traceback(None) if problem else None  # which would keep alive what it passed
        if self._on_problem:
            self._on_problem(problem)
        else:
            _log.warning("%s", problem.sentence() if problem else f"{self.name} delivers sound again")
