"""A speech-to-text service that speaks the real protocol and understands nothing, and an assistant that asks it."""

from __future__ import annotations

import asyncio
import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from wyoming.asr import Transcribe, Transcript, TranscriptChunk, TranscriptStart, TranscriptStop
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.client import AsyncClient
from wyoming.event import Event
from wyoming.info import AsrModel, AsrProgram, Attribution, Describe, Info
from wyoming.server import AsyncEventHandler, AsyncServer

from edge.records import Float32
from tests.broker import HOST, free_port

WAIT_SECONDS = 60.0


def info() -> Info:
    made_by = Attribution(name="nobody", url="https://example.org")
    model = AsrModel(
        name="tiny", attribution=made_by, installed=True, description="a model", version="1", languages=["en"]
    )
    program = AsrProgram(
        name="hears-nothing", attribution=made_by, installed=True, description="a stub", version="2", models=[model]
    )
    return Info(asr=[program])


@dataclass
class Service:
    """``streaming``: whether parts of the text come before its end. ``context``: what its transcripts carry."""

    streaming: bool = False
    context: dict[str, Any] | None = None
    port: int = field(default_factory=free_port)
    audio: bytes = b""
    heard: list[str] = field(default_factory=list)

    @property
    def uri(self) -> str:
        return f"tcp://{HOST}:{self.port}"

    @property
    def text(self) -> str:
        """What it says was said: a hash, so that a changed sample changes the text."""
        return hashlib.sha256(self.audio).hexdigest()


class _Handler(AsyncEventHandler):
    def __init__(self, service: Service, *streams: Any) -> None:
        super().__init__(*streams)
        self._service = service

    async def handle_event(self, event: Event) -> bool:
        service = self._service
        service.heard.append(event.type)
        if Describe.is_type(event.type):
            await self.write_event(info().event())
        elif AudioStart.is_type(event.type):
            service.audio = b""
        elif AudioChunk.is_type(event.type):
            service.audio += event.payload or b""
        elif AudioStop.is_type(event.type):
            if service.streaming:
                await self.write_event(TranscriptStart().event())
                await self.write_event(TranscriptChunk(service.text).event())
            await self.write_event(Transcript(service.text, language="en", context=service.context).event())
            if service.streaming:
                await self.write_event(TranscriptStop().event())
        return True


@contextmanager
def serving(service: Service) -> Iterator[Service]:
    """The service runs in a thread."""
    loop = asyncio.new_event_loop()
    server = AsyncServer.from_uri(service.uri)
    begun = threading.Event()

    def run() -> None:
        asyncio.set_event_loop(loop)
        loop.run_until_complete(server.start(lambda *streams: _Handler(service, *streams)))
        begun.set()
        loop.run_forever()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    assert begun.wait(WAIT_SECONDS)
    try:
        yield service
    finally:
        asyncio.run_coroutine_threadsafe(server.stop(), loop).result(WAIT_SECONDS)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(WAIT_SECONDS)


async def _ask(uri: str, audio: bytes, rate: int, width: int, channels: int, pause: Any) -> list[Event]:
    async with AsyncClient.from_uri(uri) as client:
        await client.write_event(Transcribe(language="en").event())
        await client.write_event(AudioStart(rate=rate, width=width, channels=channels).event())
        step = 1024 * width * channels
        for start in range(0, len(audio), step):
            if pause is not None and start >= len(audio) // 2:
                await asyncio.to_thread(pause, start)
                pause = None
            chunk = AudioChunk(rate=rate, width=width, channels=channels, audio=audio[start : start + step])
            await client.write_event(chunk.event())
        await client.write_event(AudioStop().event())
        events: list[Event] = []
        while (event := await asyncio.wait_for(client.read_event(), WAIT_SECONDS)) is not None:
            events.append(event)
            if event.type in ("transcript", "error"):
                break
        return events


def ask(
    uri: str, samples: Float32, rate: int = 16_000, channels: int = 1, width: int = 2, pause: Any = None
) -> list[Event]:
    """Send a request as an assistant does; the events until the transcript, or an error.

    ``pause(bytes)`` is called once half of it is sent.
    """
    return asyncio.run(_ask(uri, pcm(samples), rate, width, channels, pause))


def pcm(samples: Float32) -> bytes:
    return (samples.clip(-1, 1) * 32767).astype("<i2").tobytes()


async def _describe(uri: str) -> Event:
    async with AsyncClient.from_uri(uri) as client:
        await client.write_event(Describe().event())
        event = await asyncio.wait_for(client.read_event(), WAIT_SECONDS)
        assert event is not None
        return event


def describe(uri: str) -> dict[str, Any]:
    return asyncio.run(_describe(uri)).data
