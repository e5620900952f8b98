"""How much one event may hold, and how long it may take: for either side of a connection.

Takes a stream's reader, gives it back with limits. Must hold: what a peer claims is never set aside before it has come;
whoever stops in the middle of an event is not waited for; whoever is silent between two events may be.
"""

from __future__ import annotations

import asyncio
from asyncio import StreamReader
from collections.abc import Callable
from typing import Final

LARGEST: Final = 1 << 20
"""Bytes of one event's data or sound: half a minute of it at 16 kHz. Data takes 30 times as much once it is parsed."""
STALLED_SECONDS: Final = 60.0
"""For the rest of a line, an event's data or its sound to arrive, or to be taken."""
IDLE_SECONDS: Final = 900.0
"""Without a word from either side. Assistants connect anew for each request."""


def bounded(
    reader: StreamReader,
    stalled_seconds: float = STALLED_SECONDS,
    idle_seconds: float | None = None,
    alive: Callable[[], bool] = lambda: False,
) -> StreamReader:
    """``reader``, which refuses to hold more of one event than any service sends, or to wait for it for ever.

    ``idle_seconds``: how long to wait for the next event, None for as long as it takes; ``alive()`` is asked then
    whether to wait as long again. The reader's methods raise ``TimeoutError`` beside what they always do, and
    ``ValueError`` for a length beyond ``LARGEST``.
    """
    read_first, read_line, read_exactly = reader.read, reader.readline, reader.readexactly

    async def readline() -> bytes:
        while True:
            try:
                async with asyncio.timeout(idle_seconds):
                    first = await read_first(1)
                break
            except TimeoutError:
                if not alive():
                    raise
        if first in (b"", b"\n"):
            return first
        async with asyncio.timeout(stalled_seconds):
            return first + await read_line()

    async def readexactly(n: int) -> bytes:
        if n > LARGEST:
            raise ValueError(f"an event of {n} bytes")
        async with asyncio.timeout(stalled_seconds):
            return await read_exactly(n)

    # The protocol's own functions take whatever a peer names and wait for ever; these two methods are all they use.
    reader.readline = readline  # type: ignore[method-assign]
    reader.readexactly = readexactly  # type: ignore[method-assign]
    return reader
