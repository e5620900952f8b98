"""One client of the control socket: bytes in and out, within limits.

Takes a non-blocking socket. Gives complete lines; keeps what cannot be sent yet. Must hold: at most one line is kept on
the way in, and ``MOST_WAITING`` bytes on the way out; nothing blocks.
"""

from __future__ import annotations

import socket
from typing import Final, Protocol

from edge.control.peer import Peer
from edge.control.protocol import MAX_LINE_BYTES
from edge.errors import RequestError

MOST_WAITING: Final = 65_536
"""Bytes kept for a client that does not read; one with more is dropped."""


class Running(Protocol):
    """A verification that was begun."""

    def cancel(self) -> None:
        """End it soon; returns at once, and may be called again. It still tells its end."""


class Connection:
    """``done``: to be closed when what waits has been sent. ``last_heard``: when a whole line came, monotonic."""

    def __init__(self, sock: socket.socket, peer: Peer, now: float) -> None:
        self.sock = sock
        self.peer = peer
        self.last_heard = now
        self.done = False
        self.running: dict[str, Running] = {}
        """Verifications by request id."""
        self._inbox = bytearray()
        self._outbox = bytearray()

    @property
    def waiting(self) -> bool:
        """Whether something is still to be sent."""
        return bool(self._outbox)

    def receive(self) -> list[bytes]:
        """The lines that are complete now. Raises ``EOFError`` at the end, ``OSError`` for a broken connection, and
        ``RequestError`` for a line that is too long.
        """
        try:
            # Never more than one line's worth at a time: the rest waits in the kernel, which bounds it.
            data = self.sock.recv(MAX_LINE_BYTES)
        except BlockingIOError:
            return []
        if not data:
            raise EOFError
        self._inbox += data
        *lines, rest = bytes(self._inbox).split(b"\n")
        self._inbox = bytearray(rest)
        if len(rest) >= MAX_LINE_BYTES or any(len(line) >= MAX_LINE_BYTES for line in lines):
            self._inbox.clear()
            raise RequestError(f"A request has at most {MAX_LINE_BYTES} bytes", fatal=True)
        return [line for line in lines if line.strip()]

    def send(self, line: bytes) -> None:
        """Send soon. Raises ``BufferError`` where the client leaves too much unread."""
        self._outbox += line
        if len(self._outbox) > MOST_WAITING:
            raise BufferError
        self.flush()

    def flush(self) -> None:
        """Send what can be sent. Raises ``OSError`` for a broken connection."""
        while self._outbox:
            try:
                sent = self.sock.send(self._outbox, socket.MSG_NOSIGNAL)
            except BlockingIOError:
                return
            del self._outbox[:sent]
