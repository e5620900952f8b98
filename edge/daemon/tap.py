"""A second listener on the daemon's live sound.

Takes blocks from the listening thread; gives them to another one. Must hold: the listening thread never waits; at most
``_MOST_BLOCKS`` are kept; a hole is an error, since it would not be what was said.
"""

from __future__ import annotations

import queue
import time
from collections.abc import Iterator
from typing import Final

from edge.errors import EarmarkError, MicrophoneError
from edge.records import AudioBlock

_MOST_BLOCKS: Final = 200
_SILENT_SECONDS: Final = 3.0
"""A live source that gives nothing for this long gives nothing at all; its own watchdog is faster by default."""


class Tap:
    """``offer`` and ``end`` are for the listening thread, ``cancel`` for anybody, ``blocks`` for one reader."""

    def __init__(self) -> None:
        self._queue: queue.Queue[AudioBlock | EarmarkError | None] = queue.Queue(_MOST_BLOCKS)
        self._ended: EarmarkError | None = None
        self._begun = False
        self.cancelled = False
        self.heard = False
        """Whether the reader has got anything."""

    def offer(self, block: AudioBlock) -> None:
        """The next block."""
        if self._ended is not None:
            return
        begun, self._begun = self._begun, True
        try:
            if begun and block.dropped:
                raise queue.Full
            self._queue.put_nowait(block)
        except queue.Full:
            self.fail(MicrophoneError("This machine is too busy to listen without gaps", "Try again."))

    def finish(self) -> None:
        """The sound has ended as it should: what was heard counts."""
        self._put(None)

    def fail(self, error: EarmarkError) -> None:
        """There will be no more, for this reason."""
        self._ended = self._ended or error
        self._put(error)

    def cancel(self) -> None:
        """Nobody waits for the answer any more: the sound ends here."""
        self.cancelled = True
        self.finish()

    def blocks(self, deadline: float) -> Iterator[AudioBlock]:
        """Yield blocks until the end, or until ``deadline`` (``time.monotonic``). Raises the reason for an end that was
        none.
        """
        while (left := deadline - time.monotonic()) > 0 and not self.cancelled:
            if self._ended is not None:
                raise self._ended
            try:
                item = self._queue.get(timeout=min(left, _SILENT_SECONDS))
            except queue.Empty:
                if deadline - time.monotonic() > 0:
                    raise MicrophoneError("The microphone gives no sound", "`earmark doctor` looks for it.") from None
                return
            if item is None:
                return
            if isinstance(item, EarmarkError):
                raise item
            self.heard = True
            yield item

    def _put(self, item: EarmarkError | None) -> None:
        try:
            self._queue.put_nowait(item)
        except queue.Full:
            # ``_ended`` tells the reader before its next block; an end that is proper must not be lost either.
            self._ended = self._ended or MicrophoneError("The sound ended too fast to be heard", "Try again.")
