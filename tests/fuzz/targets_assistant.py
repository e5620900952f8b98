"""What an assistant says to `earmark wyoming`, and the service behind it: events, headers, lengths, any sound.

Real servers on sockets. Must hold besides: one bad peer disturbs nobody who comes after it, and no mistake of ours is
behind the end of a connection.
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, Final

from wyoming.asr import Transcript
from wyoming.client import AsyncClient
from wyoming.event import Event, async_read_event, async_write_event
from wyoming.info import Describe, Info
from wyoming.server import AsyncServer

from edge.assistant.companion import Companion
from edge.assistant.permission import Permission
from edge.assistant.relay import Relay, Terms
from edge.bundle import Bundle, open_bundle
from edge.pipeline import Pipeline
from edge.settings import Settings
from tests.edge.small_bundles import sound
from tests.fuzz.mutate import mutate
from tests.fuzz.target import Finding, Target, judge

_SCRAPS: Final = (
    b'"data_length": 4294967295', b'"data_length": 1e99', b'"data_length": "x"', b'"data_length": -1', b'"data": []',
    b'"payload_length": 4000000000', b'"payload_length": 4194305', b'"payload_length": true', b'"payload_length": 0.5',
    b'"type": null', b'"type": {}', b'"rate": 4000', b'"rate": 192000', b'"rate": 1', b'"rate": 1e9', b'"width": 3',
    b'"channels": 8', b'"channels": -1', b"[" * 30_000, b"\n", b"{}\n", b"null\n", b'{"type": "audio-chunk"}\n',
    b'{"type": "audio-start"}\n' * 50, b'{"type": "transcript", "data": {"context": 3}}\n', b'"\\ud800"', b"NaN",
)  # fmt: skip
_ANSWER_SECONDS: Final = 30.0
_MOST_AT_WORK: Final = 5
"""One connection's, and one of whoever comes next."""


def _event(kind: str, data: dict[str, Any] | None = None, payload: bytes = b"") -> bytes:
    """As it is on the wire."""
    body = json.dumps(data).encode() if data else b""
    header: dict[str, Any] = {"type": kind, "version": "1.7.2"}
    header |= {"data_length": len(body)} if body else {}
    header |= {"payload_length": len(payload)} if payload else {}
    return json.dumps(header).encode() + b"\n" + body + payload


def _request(rate: int = 16_000, width: int = 2, channels: int = 1) -> bytes:
    form = {"rate": rate, "width": width, "channels": channels}
    samples = (sound(1.0) * 32767).astype("<i2").tobytes()
    parts = [samples[start : start + 4096] for start in range(0, len(samples), 4096)]
    said = b"".join(_event("audio-chunk", form, part) for part in parts)
    return _event("transcribe", {"language": "en"}) + _event("audio-start", form) + said + _event("audio-stop")


def _requests(_: Path) -> list[bytes]:
    """The first byte: 1, whether only some may ask; 2, whether the service says what follows."""
    told = _event("info", {"asr": [{"name": "x", "description": None}, 3]})
    answer = _event("transcript", {"text": "hello", "context": {"a": 1}}) + _event("transcript-chunk", {"text": "h"})
    return [
        b"\0" + _event("describe") + _request(),
        b"\1" + _request(44_100, channels=2),
        b"\1" + _request() + _request(8_000, width=1),
        b"\2" + told + answer,
        b"\3" + answer + _event("error", {"text": "no"}),
        b"\0" + b'{"type": "audio-chunk", "payload_length": 4000000000}\n' + bytes(5000),
    ]


def _change(seed: bytes, rng: random.Random) -> bytes:
    return mutate(seed, rng, _SCRAPS)


@cache
def _bundle() -> Bundle:
    return open_bundle("baseline")


class _Log(logging.Handler):
    """Remembers a mistake of ours, and judges every line."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.trouble = ""

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info:
            self.trouble = self.trouble or f"{record.getMessage()}: {record.exc_info[1]!r}"
        judge(record.getMessage())


def _converse(data: bytes, place: Path) -> None:
    log, root = _Log(), logging.getLogger()
    root.addHandler(log)
    level = root.level
    root.setLevel(logging.INFO)
    logging.getLogger("asyncio").setLevel(logging.ERROR)
    try:
        asyncio.run(_conversation(data[:1] or b"\0", data[1:], place, log))
    finally:
        root.setLevel(level)
        root.removeHandler(log)
    if log.trouble:
        raise Finding(log.trouble[:600])


async def _conversation(how: bytes, said: bytes, place: Path, log: _Log) -> None:
    asyncio.get_running_loop().set_exception_handler(lambda _, context: _unhandled(context, log))
    by_service = said if how[0] & 2 else None
    service = await asyncio.start_unix_server(
        lambda reader, writer: _service(reader, writer, by_service), place / "service.sock"
    )
    companions: list[Companion] = []

    def listen() -> Companion:
        if sum(not one.answer.done() for one in companions) > _MOST_AT_WORK:
            log.trouble = "more requests are listened to at a time than one assistant can have"
        companions.append(Companion(Pipeline(_bundle(), Settings(), ()), Settings(), lambda result, latency_ms: None))
        return companions[-1]

    permission = Permission(open=not how[0] & 1)
    terms = Terms(f"unix://{place}/service.sock", permission, listen, lambda who: who.to_json(), wait_seconds=0.01)
    uri = f"unix://{place}/assistant.sock"
    server = AsyncServer.from_uri(uri)
    await server.start(lambda reader, writer: Relay(terms, reader, writer))
    try:
        await asyncio.wait_for(_assistant(place, _request() if by_service is not None else said), _ANSWER_SECONDS)
        if by_service is None:
            async with AsyncClient.from_uri(uri) as next_one:
                await next_one.write_event(Describe().event())
                answer = await asyncio.wait_for(next_one.read_event(), _ANSWER_SECONDS)
                if answer is None or not Info.is_type(answer.type):
                    raise Finding("whoever comes next gets no answer")
    finally:
        await server.stop()
        service.close()
        for one in companions:
            one.end()
            await asyncio.wait_for(asyncio.shield(one.answer), _ANSWER_SECONDS)


async def _assistant(place: Path, said: bytes) -> None:
    """Says it, hangs up, and waits until the other side does."""
    reader, writer = await asyncio.open_unix_connection(place / "assistant.sock")
    with suppress(OSError):
        writer.write(said)
        await writer.drain()
        writer.write_eof()
    with suppress(OSError):
        while await reader.read(65_536):
            pass
    writer.close()


async def _service(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, said: bytes | None) -> None:
    """Answers as a service does; or says ``said``, whatever it hears."""
    with suppress(OSError, ValueError, asyncio.IncompleteReadError, Exception):
        if said is not None:
            writer.write(said)
            await writer.drain()
        while said is None and (event := await async_read_event(reader)) is not None:
            if Describe.is_type(event.type):
                await async_write_event(Event("info", {"asr": []}), writer)
            elif event.type == "audio-stop":
                await async_write_event(Transcript("hello").event(), writer)
    writer.close()


def _unhandled(context: dict[str, Any], log: _Log) -> None:
    log.trouble = log.trouble or f"{context.get('message')}: {context.get('exception')!r}"


TARGETS: Final = (Target("assistant", _requests, _converse, _change, cost=3),)
