"""What a stranger may make Earmark hold while it listens along with an assistant."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from wyoming.audio import AudioChunk, AudioStart
from wyoming.event import Event

from edge.assistant.companion import Companion
from edge.assistant.permission import Permission
from edge.assistant.reading import bounded
from edge.assistant.relay import Relay, Terms
from edge.records import AudioBlock
from edge.settings import Settings

_MIB = 1 << 20


class Slow:
    """A pipeline that takes nothing before it is let go."""

    def __init__(self) -> None:
        self.gate = threading.Event()

    def push(self, block: AudioBlock) -> list[Any]:
        assert self.gate.wait(60)
        return []

    def finish(self) -> list[Any]:
        assert self.gate.wait(60)
        return []


@pytest.fixture
def slow() -> Iterator[Slow]:
    made = Slow()
    yield made
    made.gate.set()


def companion(slow: Any) -> Companion:
    return Companion(slow, Settings(), lambda result, latency_ms: None)


def test_sound_that_comes_faster_than_it_can_be_heard_is_not_kept(slow: Slow) -> None:
    async def flood() -> str:
        ear = companion(slow)
        for _ in range(200):
            ear.push(16_000, 2, 1, bytes(_MIB))
            assert ear.waiting_bytes <= 16 * _MIB
        ear.end()
        slow.gate.set()
        return (await asyncio.wait_for(ear.answer, 60)).reason

    assert asyncio.run(flood()) == "too_busy"


def test_requests_that_come_faster_than_they_can_be_heard_start_no_more_threads(slow: Slow) -> None:
    made: list[Companion] = []

    def listen() -> Companion:
        made.append(companion(slow))
        return made[-1]

    async def flood() -> None:
        terms = Terms("unix:///nowhere", Permission(open=False), listen, lambda who: {})
        relay = Relay(terms, asyncio.StreamReader(), None)  # type: ignore[arg-type]
        form = {"rate": 16_000, "width": 2, "channels": 1}
        for _ in range(100):
            relay._listen_along(Event(AudioStart(**form).event().type))
            relay._listen_along(AudioChunk(audio=bytes(320), **form).event())
        assert len(made) == 4
        assert await relay._who() is None, "so that nobody is let in"
        slow.gate.set()
        for one in made:
            await asyncio.wait_for(one.answer, 60)
        relay._listen_along(AudioStart(**form).event())
        assert len(made) == 5, "it goes on once there is time"
        made[-1].end()
        await asyncio.wait_for(made[-1].answer, 60)

    asyncio.run(flood())


NO_EVENTS = [
    b"[]\n",
    b'{"data_length": 2}\n[]',
    b'{"type": "x", "data_length": 3}\n[1]',
    b'{"data": {}}\n',
    b'{"type": "transcript", "data": [1]}\n',
    b'{"type": "x", "payload_length": "a"}\n',
    b'{"type": "x", "payload_length": %d}\n' % (_MIB + 1),
    b"\xff\n",
    b"x" * 200_000,
]


async def _between(folder: Path, asked: bytes, answer: bytes, **terms: Any) -> bytes:
    """What an assistant gets that says ``asked``, waits, and never hangs up itself; the service says ``answer`` to its
    first word and waits, too.
    """

    async def behind(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            await reader.readline()
            writer.write(answer)
            await reader.read()
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await Relay(agreed, reader, writer).run()

    agreed = Terms(f"unix://{folder}/service", Permission(), lambda: pytest.fail("listened"), lambda who: {}, **terms)
    service = await asyncio.start_unix_server(behind, folder / "service")
    server = await asyncio.start_unix_server(serve, folder / "relay")
    reader, writer = await asyncio.open_unix_connection(folder / "relay")
    writer.write(asked)
    try:
        return await asyncio.wait_for(reader.read(), 60)
    finally:
        writer.close()
        for one in (server, service):
            one.close()


@pytest.mark.parametrize("nonsense", NO_EVENTS)
def test_an_assistant_does_not_wait_for_a_service_that_talks_nonsense(nonsense: bytes, tmp_path: Path) -> None:
    asyncio.run(_between(tmp_path, b'{"type": "describe"}\n', nonsense))


@pytest.mark.parametrize("half", [b'{"type": "in', b'{"type": "x", "payload_length": 9}\nabc'])
def test_whoever_stops_in_the_middle_of_an_event_is_not_waited_for(half: bytes, tmp_path: Path) -> None:
    for side in ("assistant", "service"):
        folder = tmp_path / side
        folder.mkdir()
        asked = half if side == "assistant" else b'{"type": "describe"}\n'
        asyncio.run(_between(folder, asked, half, stalled_seconds=0.1))


def test_a_connection_without_a_word_from_either_side_is_closed(tmp_path: Path) -> None:
    word = b'{"type": "ping"}\n'
    got = asyncio.run(_between(tmp_path, word, word, idle_seconds=0.5))
    assert got.count(b"ping") == 1


def test_an_assistant_may_be_silent_while_the_service_speaks() -> None:
    async def listen() -> bytes:
        reader, answers = asyncio.StreamReader(), [True, True, False]
        with pytest.raises(TimeoutError):
            await bounded(reader, 60, 0.01, lambda: answers.pop(0)).readline()
        assert not answers
        reader.feed_data(b"a line\n")
        return await reader.readline()

    assert asyncio.run(listen()) == b"a line\n", "nothing is lost by waiting"


@pytest.mark.parametrize("length", [4_000_000_000, _MIB + 1])
def test_a_length_that_is_claimed_is_not_believed(length: int, tmp_path: Path) -> None:
    async def claim() -> int:
        async def behind(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read()
            writer.close()

        service = await asyncio.start_unix_server(behind, tmp_path / "service")
        terms = Terms(f"unix://{tmp_path}/service", Permission(), lambda: pytest.fail("listened"), lambda who: {})
        relays: list[Relay] = []

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            relays.append(Relay(terms, reader, writer))
            await relays[-1].run()

        server = await asyncio.start_unix_server(serve, tmp_path / "relay")
        reader, writer = await asyncio.open_unix_connection(tmp_path / "relay")
        writer.write(b'{"type": "audio-chunk", "payload_length": %d}\n' % length + bytes(1000))
        await writer.drain()
        rest = await asyncio.wait_for(reader.read(), 60)  # it hangs up, though we don't
        writer.close()
        for one in (server, service):
            one.close()
        return len(rest)

    assert asyncio.run(claim()) == 0
