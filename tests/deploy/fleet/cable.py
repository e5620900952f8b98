"""A cable between one device and the broker that can be pulled: a TCP forwarder."""

from __future__ import annotations

import contextlib
import socket
import threading


class Cable:
    """Forwards ``address:port`` to the broker. The broker itself, and whoever else listens to it, notice nothing."""

    def __init__(self, address: str, port: int, broker: tuple[str, int]) -> None:
        self._address, self.port, self._broker = address, port, broker
        self._ends: list[socket.socket] = []
        self._listener: socket.socket | None = None

    def plug(self) -> None:
        """Let connections through from now on."""
        self._listener = socket.create_server((self._address, self.port))
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def pull(self) -> None:
        """Break every connection, and refuse new ones."""
        if self._listener is not None:
            # Otherwise the accept that waits would still take one.
            with contextlib.suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None
        for end in self._ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
        self._ends.clear()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                near, _ = listener.accept()
                far = socket.create_connection(self._broker)
            except OSError:
                return
            self._ends += [near, far]
            for one, other in ((near, far), (far, near)):
                threading.Thread(target=self._forward, args=(one, other), daemon=True).start()

    @staticmethod
    def _forward(one: socket.socket, other: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := one.recv(4096):
                other.sendall(data)
        for end in (one, other):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
