"""Serves assistants until it is told to stop.

Takes an address, ``Terms`` and perhaps a name to be found by. Must hold: at most ``MOST_CLIENTS`` connections; SIGTERM
and Ctrl-C end it with every connection closed; an address that is taken is one clear sentence.
"""

from __future__ import annotations

import asyncio
import logging
import signal
from asyncio import StreamReader, StreamWriter
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final
from urllib.parse import urlsplit

from wyoming.server import AsyncEventHandler, AsyncServer

from edge.assistant.relay import Relay, Terms
from edge.errors import ExtraMissingError, UsageError

_LOG = logging.getLogger(__name__)

MOST_CLIENTS: Final = 16


def check_uri(text: str) -> str:
    """``tcp://HOST:PORT`` or ``unix://PATH``. Raises ``UsageError`` for anything else."""
    try:
        found = urlsplit(text)
        good = (found.scheme == "tcp" and bool(found.hostname) and bool(found.port)) or (
            found.scheme == "unix" and bool(found.path)
        )
    except ValueError:
        good = False
    if not good:
        raise UsageError(f"{text!r} is no address of a Wyoming service", "It looks like tcp://127.0.0.1:10300.")
    return text


def serve(uri: str, terms: Terms, *, found_as: str = "", ready: Callable[[], None] = lambda: None) -> None:
    """Serve ``uri`` until SIGTERM or SIGINT. ``found_as``: name for zeroconf, "" for none; ``ready``: called once
    connections are taken. Raises ``UsageError`` for an address that cannot be had, ``ExtraMissingError``.
    """
    with suppress(KeyboardInterrupt):
        asyncio.run(_serve(uri, terms, found_as, ready))


async def _serve(uri: str, terms: Terms, found_as: str, ready: Callable[[], None]) -> None:
    server = AsyncServer.from_uri(uri)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        with suppress(RuntimeError, ValueError):  # another thread than the main one
            loop.add_signal_handler(number, stop.set)
    open_now: set[Relay] = set()

    def handler(reader: StreamReader, writer: StreamWriter) -> AsyncEventHandler:
        relay = _Counted(open_now, terms, reader, writer)
        if len(open_now) >= MOST_CLIENTS:
            _LOG.warning("more than %d assistants are connected; one was turned away", MOST_CLIENTS)
            writer.close()
        else:
            open_now.add(relay)
        return relay

    try:
        await server.start(handler)
    except OSError as error:
        raise UsageError(
            f"{uri} cannot be served: {error.strerror or error}",
            "Name another address with --uri, or stop what has it.",
        ) from None
    announced = await _announce(uri, found_as) if found_as else None
    ready()
    try:
        await stop.wait()
    finally:
        if announced is not None:
            await announced._aiozc.async_close()
        await server.stop()


class _Counted(Relay):
    """Counts itself among the open connections."""

    def __init__(self, open_now: set[Relay], terms: Terms, reader: StreamReader, writer: StreamWriter) -> None:
        super().__init__(terms, reader, writer)
        self._open_now = open_now

    async def disconnect(self) -> None:
        self._open_now.discard(self)
        await super().disconnect()


async def _announce(uri: str, name: str) -> Any:
    try:
        from wyoming.zeroconf import HomeAssistantZeroconf
    except ImportError:
        raise ExtraMissingError("zeroconf is not installed", "Install it: pip install zeroconf") from None
    place = urlsplit(uri)
    if place.scheme != "tcp" or place.hostname in ("127.0.0.1", "localhost", "::1"):
        raise UsageError(
            "Zeroconf tells other machines of an address, and this one is for this machine only",
            "Serve the network with --uri tcp://0.0.0.0:10301, or leave --zeroconf out.",
        )
    host = None if place.hostname in ("0.0.0.0", "::") else place.hostname
    found = HomeAssistantZeroconf(port=place.port or 0, name=name, host=host)
    await found.register_server()
    return found
