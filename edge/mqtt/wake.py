"""Wakes a thread that waits for a socket.

Takes nothing, gives a file descriptor for ``poll``. Must hold: ``set`` never blocks and may be called from any
thread, also while another one closes.
"""

from __future__ import annotations

import contextlib
import socket


class Wake:
    """A line to oneself."""

    def __init__(self) -> None:
        self._listening, self._calling = socket.socketpair()
        self._listening.setblocking(False)
        self._calling.setblocking(False)

    def fileno(self) -> int:
        """What to wait for."""
        return self._listening.fileno()

    def set(self) -> None:
        """Wake the waiting thread, or the next one that waits."""
        # A full line wakes as well; a closed one has nobody left to wake.
        with contextlib.suppress(OSError):
            self._calling.send(b"!")

    def clear(self) -> None:
        """Forget all wake-ups so far."""
        with contextlib.suppress(BlockingIOError):
            while self._listening.recv(4096):
                pass

    def close(self) -> None:
        """Give the descriptors back; safe to call twice."""
        self._listening.close()
        self._calling.close()
