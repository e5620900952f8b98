"""One connection of an assistant, and the one to the service behind it.

Takes Wyoming events from both sides. Gives each to the other, unchanged but for: the name of the service, the speaker
beside a transcript, and, where only some may ask, an empty transcript for everybody else. Must hold: an event of audio
is written on before it is looked at; who it was is waited for at most ``wait_seconds``, unless the answer depends on
it.
"""

from __future__ import annotations

import asyncio
import logging
from asyncio import StreamReader, StreamWriter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from wyoming.asr import Transcript, TranscriptChunk, TranscriptStart, TranscriptStop
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.client import AsyncClient
from wyoming.error import Error
from wyoming.event import Event
from wyoming.info import Info
from wyoming.server import AsyncEventHandler

from edge.assistant.companion import Companion
from edge.assistant.described import described
from edge.assistant.identity import Identity
from edge.assistant.permission import Permission
from edge.assistant.reading import IDLE_SECONDS, STALLED_SECONDS, bounded

_LOG = logging.getLogger(__name__)

CONTEXT: Final = "earmark"
"""Under this key of a transcript's ``context`` stands who spoke."""
_JUDGED_SECONDS: Final = 10.0
"""How long a transcript is held back at most where only some may ask; after that nobody was recognised."""
_CONNECT_SECONDS: Final = 5.0
_MOST_AT_WORK: Final = 4
"""Requests of one connection that may still be listened to at a time: an assistant has one."""
NOBODY_YET: Final = Identity("uncertain", reason="too_late")


@dataclass(frozen=True, slots=True)
class Terms:
    """How a server relays. ``service``: URI of the one behind. ``wait_seconds``: how long a transcript may wait for the
    speaker. ``shown``: an identity as others may see it. ``stalled_seconds``, ``idle_seconds``: see ``reading``.
    """

    service: str
    permission: Permission
    listen: Callable[[], Companion]
    shown: Callable[[Identity], dict[str, Any]]
    wait_seconds: float = 0.25
    stalled_seconds: float = STALLED_SECONDS
    idle_seconds: float = IDLE_SECONDS


class Relay(AsyncEventHandler):
    """Made for each connection."""

    def __init__(self, terms: Terms, reader: StreamReader, writer: StreamWriter) -> None:
        super().__init__(bounded(reader, terms.stalled_seconds, terms.idle_seconds, self._answered_meanwhile), writer)
        self._terms = terms
        self._answered = False
        self._behind: AsyncClient | None = None
        self._answers: asyncio.Task[None] | None = None
        self._companion: Companion | None = None
        self._at_work: list[Companion] = []
        self._unreachable = False

    async def run(self) -> None:
        """Until either side hangs up. Whatever a stranger sends ends this connection, and nothing else."""
        try:
            await super().run()
        except TimeoutError:
            _LOG.warning("an assistant fell silent; its connection was closed")
        except (asyncio.IncompleteReadError, OSError):
            _LOG.debug("an assistant hung up in the middle of an event")
        except Exception as error:
            _LOG.warning("an assistant sent something that is no Wyoming event (%s)", type(error).__name__)

    async def handle_event(self, event: Event) -> bool:
        """The assistant said something."""
        if self._unreachable:
            # What it still sends is read to its end: closing before would take the excuse away from it.
            return not AudioStop.is_type(event.type)
        try:
            behind = await self._connected()
            async with asyncio.timeout(self._terms.stalled_seconds):
                await behind.write_event(event)
        except OSError as error:
            self._unreachable = True
            why = str(error) or "it does not answer"
            await self._excuse(f"The speech-to-text service at {self._terms.service} cannot be reached: {why}")
            return not AudioStop.is_type(event.type)
        self._listen_along(event)
        return True

    async def disconnect(self) -> None:
        """The assistant hung up."""
        if self._companion is not None:
            self._companion.end()
        if self._answers is not None:
            self._answers.cancel()
        if self._behind is not None:
            with suppress(OSError):
                await self._behind.disconnect()

    def _listen_along(self, event: Event) -> None:
        if AudioStart.is_type(event.type):
            self._companion = self._another()
        elif AudioChunk.is_type(event.type) and event.payload:
            if self._companion is None or self._companion.ended:
                self._companion = self._another()
            if self._companion is None:
                return
            form = [event.data.get(key) for key in ("rate", "width", "channels")]
            rate, width, channels = (value if isinstance(value, int) else 0 for value in form)
            self._companion.push(rate, width, channels, event.payload)
        elif AudioStop.is_type(event.type) and self._companion is not None:
            self._companion.end()

    def _another(self) -> Companion | None:
        """For a new request; None where too many are at work still, so that nobody is recognised."""
        if self._companion is not None:
            self._companion.end()
        self._at_work = [one for one in self._at_work if not one.answer.done()]
        if len(self._at_work) >= _MOST_AT_WORK:
            _LOG.warning("an assistant makes requests faster than they can be listened to")
            return None
        self._at_work.append(self._terms.listen())
        return self._at_work[-1]

    async def _connected(self) -> AsyncClient:
        if self._behind is None:
            behind = AsyncClient.from_uri(self._terms.service, connect_timeout=_CONNECT_SECONDS)
            await behind.connect()
            assert behind._reader is not None  # connected
            bounded(behind._reader, self._terms.stalled_seconds)
            self._behind = behind
            self._answers = asyncio.create_task(self._bring_answers(behind))
        return self._behind

    async def _bring_answers(self, behind: AsyncClient) -> None:
        try:
            while (event := await behind.read_event()) is not None:
                await self._answer(event)
                self._answered = True
        except TimeoutError:
            _LOG.warning("the service at %s stopped in the middle of an answer", self._terms.service)
        except (OSError, asyncio.IncompleteReadError):
            _LOG.warning("the service at %s hung up", self._terms.service)
        except Exception as error:
            _LOG.warning("the service at %s sent no Wyoming event (%s)", self._terms.service, type(error).__name__)
        finally:
            # The assistant must not wait for an answer that will not come.
            self.writer.close()

    def _answered_meanwhile(self) -> bool:
        """Whether the service has said something since this was asked last."""
        answered, self._answered = self._answered, False
        return answered

    async def _answer(self, event: Event) -> None:
        if Info.is_type(event.type):
            event.data = described(event.data)
        elif Transcript.is_type(event.type):
            await self._transcript(event)
            return
        elif TranscriptStart.is_type(event.type) or TranscriptChunk.is_type(event.type):
            # Parts of a text come before its end is heard, so before anybody can be recognised.
            if not self._terms.permission.open:
                return
        elif TranscriptStop.is_type(event.type) and not self._terms.permission.open:
            return
        await self.write_event(event)

    async def _transcript(self, event: Event) -> None:
        who = await self._who()
        if who is None:
            who = NOBODY_YET
        elif not isinstance(event.data.get("context"), dict | None):
            _LOG.warning("the service's transcript has a context that is no object; the speaker is not added")
        if isinstance(event.data.get("context"), dict | None):
            event.data["context"] = {**(event.data.get("context") or {}), CONTEXT: self._terms.shown(who)}
        if not self._terms.permission.allows(who):
            event.data["text"] = ""
        await self.write_event(event)

    async def _who(self) -> Identity | None:
        """Who spoke; None where that is not known in time."""
        companion = self._companion
        if companion is None:
            return None
        limit = self._terms.wait_seconds if self._terms.permission.open else _JUDGED_SECONDS
        # Some services answer before they are told that the audio has ended.
        if not self._terms.permission.open:
            companion.end()
        try:
            return await asyncio.wait_for(asyncio.shield(companion.answer), limit)
        except TimeoutError:
            return None

    async def _excuse(self, text: str) -> None:
        _LOG.warning("%s", text)
        with suppress(OSError):
            await self.write_event(Error(text, code="unreachable").event())
