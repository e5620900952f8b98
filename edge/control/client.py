"""Asks the daemon over its control socket.

Takes a path and a request; gives the answer. Must hold: a daemon that is not there, hangs or talks nonsense is a
``ControlError`` within the time given; at most ``MAX_ANSWER_BYTES`` of a line are kept; nothing but a result whose exit
code is 0 can be taken for a yes.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from edge.control import protocol
from edge.control.peer import Peer, peer_of
from edge.control.place import connect
from edge.control.protocol import MAX_ANSWER_BYTES, RecentRequest, Request, StatusRequest
from edge.errors import EXIT_ENVIRONMENT, ControlError

_CONNECT_SECONDS: Final = 2.0
_STATUS_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class Answer:
    """How a request ended. ``exit_code``: what a command ends with. ``body``: the last line, as it came."""

    exit_code: int
    body: dict[str, Any]

    @property
    def error(self) -> dict[str, str] | None:
        """``code``, ``message`` and ``remedy`` where the request was not carried out."""
        told = self.body.get("error")
        if not isinstance(told, dict):
            return None
        return {key: str(told.get(key, "")) for key in ("code", "message", "remedy")}


class Client:
    """A connection to a daemon; a context manager. Raises ``ControlError`` where nobody answers at ``path``."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._kept = bytearray()
        try:
            self._sock = connect(path, _CONNECT_SECONDS)
        except OSError as error:
            reason = error.strerror or str(error) or type(error).__name__
            raise ControlError(f"The daemon does not answer at {path}: {reason}", _REMEDY) from error

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def peer(self) -> Peer:
        """The daemon's process and account, by the kernel's word. Raises ``OSError`` where it does not tell."""
        return peer_of(self._sock)

    def close(self) -> None:
        """Hang up: what this connection had begun is cancelled."""
        self._sock.close()

    def ask(
        self,
        request: Request,
        seconds: float,
        on_progress: Callable[[dict[str, Any]], None] = lambda told: None,
    ) -> Answer:
        """Send a request and wait for its end, at most ``seconds``. ``on_progress`` gets each line before the last.

        Raises ``ControlError``.
        """
        deadline = time.monotonic() + seconds
        try:
            self._sock.settimeout(max(0.01, seconds))
            with contextlib.suppress(BrokenPipeError):  # it may have said why before it hung up
                self._sock.sendall(protocol.encode(request))
            while True:
                told = self._next(deadline)
                if told.get("id") not in (request.id, None):
                    continue
                match told.get("event"):
                    case "progress":
                        on_progress(told)
                    case "result" | "error" as event:
                        return Answer(_exit_code(told, event), told)
                    case _:
                        raise ControlError(f"The daemon at {self.path} said something that is no answer", _REMEDY)
        except TimeoutError as error:
            raise ControlError(f"The daemon at {self.path} did not answer in time", _REMEDY) from error
        except OSError as error:
            raise ControlError(
                f"The connection to the daemon at {self.path} broke: {error.strerror}", _REMEDY
            ) from error

    def status(self) -> dict[str, Any]:
        """How the daemon is. Raises ``ControlError``."""
        return self._told(StatusRequest("status"), "status")

    def recent(self) -> dict[str, Any]:
        """What it hears now and who spoke lately (see ``edge.daemon.recent``). Raises ``ControlError``."""
        return self._told(RecentRequest("recent"), "recent")

    def _told(self, request: Request, key: str) -> dict[str, Any]:
        answer = self.ask(request, _STATUS_SECONDS)
        told = answer.body.get(key)
        if not isinstance(told, dict):
            why = (answer.error or {}).get("message", f"it did not tell its {key}")
            raise ControlError(f"The daemon at {self.path} does not serve this account: {why}", _REMEDY)
        return told

    def _next(self, deadline: float) -> dict[str, Any]:
        line = self._line(deadline)
        try:
            told = json.loads(line)
        except (ValueError, RecursionError):
            told = None
        if not isinstance(told, dict):
            raise ControlError(f"The daemon at {self.path} said something that is no answer", _REMEDY)
        return told

    def _line(self, deadline: float) -> bytes:
        while b"\n" not in self._kept:
            if len(self._kept) > MAX_ANSWER_BYTES:
                raise ControlError(f"The daemon at {self.path} said something that is no answer", _REMEDY)
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError
            self._sock.settimeout(left)
            data = self._sock.recv(4096)
            if not data:
                raise ControlError(f"The daemon at {self.path} hung up before it answered", _REMEDY)
            self._kept += data
        line, _, rest = bytes(self._kept).partition(b"\n")
        self._kept = bytearray(rest)
        return line


def _exit_code(told: dict[str, Any], event: str) -> int:
    """What the line says; an error, or a line that says nothing sensible, is never 0."""
    code = told.get("exit_code")
    if not isinstance(code, int) or isinstance(code, bool) or not 0 <= code <= 255:
        return EXIT_ENVIRONMENT
    return code if code or event == "result" else EXIT_ENVIRONMENT


def first_daemon(paths: Sequence[Path]) -> Client | None:
    """A connection to the first daemon that answers at one of ``paths``; None where there is no daemon.

    Raises ``ControlError`` where there is one that this account may not ask.
    """
    for path in paths:
        try:
            return Client(path)
        except ControlError as error:
            if isinstance(error.__cause__, PermissionError) and os.path.lexists(path):
                raise
    return None


_REMEDY: Final = "`systemctl status earmark` says whether it runs; docs/control.md says who may ask."
