"""The listening thread: source -> pipeline -> whoever wants the results.

Takes an ``AudioSource`` and a ``Pipeline``; calls back with each ``Result`` and its latency. Must hold: the pipeline is
touched by this thread alone (``between_blocks`` runs changes there); an end of the source, a stop and an error are told
apart; ``last_progress`` lets a watchdog see a hang; whoever taps the sound changes nothing for the pipeline, and hears
nothing of what was said before.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable
from typing import Final

from edge.daemon.overload import Overload
from edge.daemon.tap import Tap
from edge.errors import EarmarkError, MicrophoneError
from edge.pipeline import Pipeline
from edge.records import SAMPLE_RATE, AudioBlock, AudioSource, Clock, Result

_LOG = logging.getLogger(__name__)

OnResult = Callable[[Result, float], None]
"""Called with a result and its latency: milliseconds from the earliest moment at which the end of speech could be
known (speech end plus hang-over) to the decision; the time that sound has waited for us is part of it."""

_TOO_FAR_BEHIND_SECONDS: Final = 2.0
"""Whoever taps the sound would wait this long for the first of it."""


class Listener:
    """Owns the thread. ``start`` acts, ``stop`` ends."""

    def __init__(
        self,
        source: AudioSource,
        pipeline: Pipeline,
        clock: Clock,
        *,
        on_result: OnResult,
        on_speaking: Callable[[bool], None] = lambda speaking: None,
        on_overload: Callable[[bool], None] = lambda active: None,
    ) -> None:
        self.source = source
        self.pipeline = pipeline
        self._clock = clock
        self._on_result = on_result
        self._on_speaking = on_speaking
        self.overload = Overload(on_overload)
        self._changes: queue.SimpleQueue[Callable[[Pipeline], None]] = queue.SimpleQueue()
        self._taps: tuple[tuple[Tap, float], ...] = ()  # with the time since when each may hear
        self._taps_lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="listener", daemon=True)
        self._speaking = False
        self._received: float | None = None  # when the block before was captured
        self.last_progress = clock.monotonic()
        """Monotonic seconds of the latest block."""
        self.error: Exception | None = None
        """Why the thread ended, None while it runs or after a proper end."""

    def start(self) -> None:
        """Begin to listen."""
        self._thread.start()

    def stop(self, timeout_seconds: float) -> bool:
        """End: the open utterance is still decided. Gives False where the thread did not end in time."""
        self._stopping.set()
        self.source.close()
        if self._thread.ident is not None:
            self._thread.join(timeout_seconds)
        return not self._thread.is_alive()

    @property
    def ended(self) -> bool:
        """Whether the thread is through, for whatever reason."""
        return self._thread.ident is not None and not self._thread.is_alive()

    def between_blocks(self, change: Callable[[Pipeline], None]) -> None:
        """Run ``change`` on the pipeline in the listening thread, before the next block."""
        self._changes.put(change)

    def attach(self, tap: Tap) -> None:
        """Give every block that is captured from now on to ``tap`` as well."""
        with self._taps_lock:
            self._taps = (*self._taps, (tap, self._clock.monotonic()))
        if self.ended:
            tap.fail(MicrophoneError("The daemon does not listen any more"))
        elif self.overload.behind_seconds > _TOO_FAR_BEHIND_SECONDS:
            tap.fail(MicrophoneError("This machine is too busy to listen now", "Try again."))

    def detach(self, tap: Tap) -> None:
        """No more for ``tap``; safe to call twice."""
        with self._taps_lock:
            self._taps = tuple(one for one in self._taps if one[0] is not tap)

    def interrupted(self) -> None:
        """The source has nothing to give for now: decide the open utterance, and say that nobody speaks. For the source
        to call, in the listening thread.
        """
        for tap, _ in self._taps:
            tap.fail(MicrophoneError("The microphone was lost", "`earmark doctor` looks for it."))
        self._tell(self.pipeline.interrupt())
        self._tell_speaking(False)

    def _run(self) -> None:
        try:
            for block in self.source.blocks():
                self._take(block)
                if self._stopping.is_set():
                    break
            self._apply_changes()
            self._tell(self.pipeline.finish())
        except EarmarkError as error:
            if not self._stopping.is_set():
                self.error = error
        except Exception as error:
            _LOG.exception("the listening thread failed")
            self.error = error
        finally:
            for tap, _ in self._taps:
                tap.finish()
            self._tell_speaking(False)
            self.source.close()

    def _take(self, block: AudioBlock) -> None:
        now = self._clock.monotonic()
        received = now - block.behind_seconds
        before, self._received = self._received, received
        self.last_progress = now
        self.overload.take(block, now)
        for tap, since in self._taps:
            if received >= since:
                tap.offer(block)
        self._apply_changes()
        end = block.start + len(block.samples)
        for result in self.pipeline.push(block):
            known = received
            if result.utterance.ended_by == "silence" and before is not None:
                since = (end - result.utterance.end - self.pipeline.closing_samples) / SAMPLE_RATE
                # A file read at full speed comes faster than its own time; nothing of this block was there before.
                known = max(before, received - max(0.0, since))
            self._on_result(result, 1000 * (self._clock.monotonic() - known))
        self._tell_speaking(self.pipeline.speaking)

    def _tell(self, results: list[Result]) -> None:
        """Results that no silence has ended: nobody waited for them."""
        for result in results:
            self._on_result(result, 0.0)

    def _apply_changes(self) -> None:
        while True:
            try:
                change = self._changes.get_nowait()
            except queue.Empty:
                return
            change(self.pipeline)

    def _tell_speaking(self, speaking: bool) -> None:
        if speaking != self._speaking:
            self._speaking = speaking
            self._on_speaking(speaking)
