"""A control server with a service made for tests, and raw clients for it."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from edge.control import Access, ControlServer, Peer, Tell, VerifyRequest
from edge.control.place import connect, listen
from edge.control.protocol import failure, progress, result
from edge.errors import AttemptCancelledError, BusyError

ME = Access(frozenset({os.geteuid()}))


class Attempt:
    """One that ends when the test or its owner says so."""

    def __init__(self, request: VerifyRequest, tell: Tell) -> None:
        self.request, self.tell = request, tell
        self.cancelled = threading.Event()
        self.ended = False

    def cancel(self) -> None:
        self.cancelled.set()
        if not self.ended:
            self.ended = True
            self.tell(failure(self.request.id, AttemptCancelledError("cancelled")), True)

    def end(self, exit_code: int = 0) -> None:
        self.ended = True
        self.tell(result(self.request.id, "verify", exit_code, sentence="heard"), True)


class Service:
    """Remembers what was begun; ``Broken`` people make it fail."""

    def __init__(self) -> None:
        self.begun: list[Attempt] = []
        self.asked = 0

    def status(self) -> dict[str, Any]:
        self.asked += 1
        return {"protocol": 1, "listening": True}

    def recent(self) -> dict[str, Any]:
        return {"level_dbfs": -40.0, "events": []}

    def verify(self, request: VerifyRequest, peer: Peer, tell: Tell) -> Attempt:
        assert peer.uid == os.geteuid()
        if request.person == "Busy":
            raise BusyError("Somebody else is being verified")
        if request.person == "Broken":
            raise ZeroDivisionError
        attempt = Attempt(request, tell)
        self.begun.append(attempt)
        tell(progress(request.id, "listening", seconds=request.timeout_seconds), False)
        return attempt


@contextlib.contextmanager
def serving(service: Service | None = None, access: Access = ME, **limits: Any) -> Iterator[Path]:
    """A running server; gives its path."""
    with tempfile.TemporaryDirectory(prefix="earmark-") as folder:
        path = Path(folder) / "control.sock"
        server = ControlServer(listen(path, None), service or Service(), access, **limits)
        server.start()
        try:
            yield path
        finally:
            server.stop(10)
            assert server.clients == 0


class Raw:
    """A client that can be as rude as it likes."""

    def __init__(self, path: Path, seconds: float = 20.0) -> None:
        self.sock = connect(path, seconds)
        self._file = self.sock.makefile("rb")

    def __enter__(self) -> Raw:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self.sock.close()

    def send(self, body: dict[str, Any] | bytes) -> Raw:
        self.sock.sendall(body if isinstance(body, bytes) else json.dumps(body).encode() + b"\n")
        return self

    def line(self) -> dict[str, Any] | None:
        """The next line; None where the server has hung up."""
        try:
            line = self._file.readline()
        except ConnectionResetError:
            return None
        return json.loads(line) if line else None

    def ask(self, **body: Any) -> dict[str, Any]:
        self.send(body)
        told = self.line()
        assert told is not None
        return told

    def hung_up(self) -> bool:
        """Wait for the server's end of the connection, and throw away what still comes."""
        with contextlib.suppress(ConnectionResetError):
            while self.sock.recv(65536):
                pass
        return True


def verify(identity: str = "1", person: str = "Ada", **more: Any) -> dict[str, Any]:
    return {"id": identity, "op": "verify", "person": person, **more}


def half_closed(client: Raw) -> None:
    client.sock.shutdown(socket.SHUT_WR)
