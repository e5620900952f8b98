"""Listens along with one request, in a thread of its own.

Takes the bytes of a request as they pass. Gives an ``Identity`` once they have ended. Must hold: taking bytes never
waits; memory is bounded, and what did not fit in is a reason, not a guess; whatever goes wrong here never stops the
words.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from edge.assistant.identity import Identity, identity
from edge.audio.blocks import BlockMaker
from edge.audio.pcm import Encoding, PcmFormat
from edge.auth.hearing import Hearing
from edge.errors import EarmarkError
from edge.pipeline import Pipeline
from edge.records import SAMPLE_RATE, AudioBlock, Result
from edge.settings import Settings

_LOG = logging.getLogger(__name__)

LONGEST_SECONDS: Final = 60.0
"""Of a longer request the beginning is judged."""
_MOST_PIECES: Final = 3000
"""Pieces that may wait; a minute of the shortest that are usual, 20 ms."""
_LARGEST_PIECE: Final = 1 << 20
_MOST_WAITING_BYTES: Final = 16 << 20
"""Of all pieces that wait: more than a minute of 32 bit and stereo at 32 kHz."""
_MOST_CHANNELS: Final = 8
_STEP: Final = SAMPLE_RATE // 10
_ENCODINGS: Final[dict[int, Encoding]] = {1: "u8", 2: "s16le", 3: "s24le", 4: "s32le"}

OnResult = Callable[[Result, float], None]
"""Takes a result, and the milliseconds from the end of speech to it."""


@dataclass(frozen=True, slots=True)
class _Piece:
    """``form`` is None for the end. ``came``: when, by the monotonic clock."""

    form: PcmFormat | None
    audio: bytes
    came: float = field(default_factory=time.monotonic)


class Companion:
    """One request. ``on_result`` is told of each utterance, in the companion's thread."""

    def __init__(self, pipeline: Pipeline, settings: Settings, on_result: OnResult) -> None:
        self._pipeline, self._settings, self._on_result = pipeline, settings, on_result
        self._pieces: queue.Queue[_Piece] = queue.Queue()
        self._put_bytes = self._taken_bytes = 0  # each counted by one thread
        self._loop = asyncio.get_running_loop()
        self._answer: asyncio.Future[Identity] = self._loop.create_future()
        self._fault = ""
        self.ended = False
        """Whether the request is over."""
        self._thread = threading.Thread(target=self._run, name="assistant-ear", daemon=True)
        self._thread.start()

    @property
    def answer(self) -> asyncio.Future[Identity]:
        """Who it was, once the request has ended."""
        return self._answer

    @property
    def waiting_bytes(self) -> int:
        """Sound that nobody has listened to yet."""
        return self._put_bytes - self._taken_bytes

    def push(self, rate: int, width: int, channels: int, audio: bytes) -> None:
        """The next bytes: frames of ``channels`` integers of ``width`` bytes each, little endian. A frame may begin in
        one piece and end in the next: Home Assistant cuts recordings that it is sent at any byte.
        """
        encoding = _ENCODINGS.get(width)
        if self.ended or self._fault:
            return
        if encoding is None or not 0 < channels <= _MOST_CHANNELS:
            self._fault = "strange_audio"
        elif (
            len(audio) > _LARGEST_PIECE
            or self._pieces.qsize() >= _MOST_PIECES
            or self.waiting_bytes + len(audio) > _MOST_WAITING_BYTES
        ):
            self._fault = "too_busy"
        else:
            self._put_bytes += len(audio)
            self._pieces.put(_Piece(PcmFormat(rate, channels, encoding), audio))

    def end(self) -> None:
        """No more will come: the answer follows."""
        if not self.ended:
            self.ended = True
            self._pieces.put(_Piece(None, b""))

    def _run(self) -> None:
        try:
            who = self._listen()
        except EarmarkError as error:
            _LOG.warning("a request was not listened to: %s", error.sentence())
            who = Identity("rejected", reason=error.code)
        except Exception:
            _LOG.exception("a request was not listened to")
            who = Identity("rejected", reason="internal")
        self._tell(who)

    def _listen(self) -> Identity:
        results: list[Result] = []
        hearing = Hearing()
        maker: BlockMaker | None = None
        first: PcmFormat | None = None
        begun = b""  # of a frame
        while (piece := self._pieces.get()).form is not None:
            self._taken_bytes += len(piece.audio)
            if self._fault or hearing.seconds >= LONGEST_SECONDS:
                continue
            first = first or piece.form
            try:
                maker = maker or BlockMaker(first.rate, first.channels, first.full_scale)
            except ValueError:
                maker = None
            if maker is None or piece.form != first:
                self._fault = "strange_audio"
                continue
            audio = begun + piece.audio
            whole = len(audio) // first.frame_bytes * first.frame_bytes
            begun = audio[whole:]
            self._take(maker.push(first.decode(audio[:whole])), piece.came, hearing, results)
        if maker is not None:
            self._take(maker.finish(), piece.came, hearing, results)
        self._add(self._pipeline.finish(), piece.came, hearing, results)
        if self._fault:
            return Identity("rejected", reason=self._fault)
        return identity(results, nothing=hearing.why_nothing(self._settings))

    def _take(self, block: AudioBlock | None, came: float, hearing: Hearing, results: list[Result]) -> None:
        if block is None:
            return
        # Blocks of any size will do; a long one would only delay what can be computed while somebody speaks.
        for start in range(0, len(block.samples), _STEP):
            part = AudioBlock(block.samples[start : start + _STEP], block.start + start)
            hearing.take(part)
            self._add(self._pipeline.push(part), came, hearing, results)

    def _add(self, found: Sequence[Result], came: float, hearing: Hearing, results: list[Result]) -> None:
        for result in found:
            results.append(result)
            silence = (hearing.samples - result.utterance.end) / SAMPLE_RATE
            self._on_result(result, 1000 * (max(0.0, silence) + time.monotonic() - came))

    def _tell(self, who: Identity) -> None:
        def settle() -> None:
            if not self._answer.done():
                self._answer.set_result(who)

        try:
            self._loop.call_soon_threadsafe(settle)
        except RuntimeError:  # the server is gone
            return
