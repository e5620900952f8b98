"""The server of the control socket: one thread for all clients.

Takes a listening socket, the ``Service`` that carries requests out, and who may ask. Must hold: no client makes another
one wait, nor the daemon; a client that is silent, slow, rude or gone costs one place for a while and nothing else; what
it had begun is cancelled when it goes; an error in the service is an answer, not the end of the server.
"""

from __future__ import annotations

import logging
import os
import queue
import selectors
import socket
import threading
import time
from collections.abc import Callable
from typing import Any, Final, Protocol

from edge.control import protocol
from edge.control.connection import Connection, Running
from edge.control.peer import Access, Peer, peer_of
from edge.control.protocol import CancelRequest, RecentRequest, Request, StatusRequest, VerifyRequest
from edge.errors import EXIT_NO_DECISION, EXIT_OK, BusyError, EarmarkError, RequestError

_LOG = logging.getLogger(__name__)

MAX_CLIENTS: Final = 8
_KEPT_FOR_ROOT: Final = 2
"""Places beyond ``max_clients``, so that nobody can keep a login waiting by taking all of them."""
IDLE_SECONDS: Final = 10.0
"""A client that has nothing running and sends no whole line for this long is closed."""
_GOODBYE_SECONDS: Final = 1.0
_TICK_SECONDS: Final = 0.5

__all__ = ["ControlServer", "Running", "Service", "Tell"]

Tell = Callable[[bytes, bool], None]
"""Sends a line to whoever asked; True for the last one. Safe from any thread, also when nobody is there any more."""


class Service(Protocol):
    """What the server is for. Called in the server's thread: returns at once."""

    def status(self) -> dict[str, Any]:
        """How the daemon is, as plain values."""

    def recent(self) -> dict[str, Any]:
        """What is heard now and who spoke lately, as plain values."""

    def verify(self, request: VerifyRequest, peer: Peer, tell: Tell) -> Running:
        """Begin one for ``peer``. Its progress and its end come through ``tell``. Raises ``EarmarkError``."""


class ControlServer:
    """Serves until ``stop``. ``listener`` is closed then; its file is the caller's to remove."""

    def __init__(
        self,
        listener: socket.socket,
        service: Service,
        access: Access,
        *,
        max_clients: int = MAX_CLIENTS,
        idle_seconds: float = IDLE_SECONDS,
    ) -> None:
        self._listener = listener
        self._service = service
        self._access = access
        self._max_clients = max_clients
        self._idle_seconds = idle_seconds
        self._clients: set[Connection] = set()
        self._told: queue.SimpleQueue[tuple[Connection, str, bytes, bool]] = queue.SimpleQueue()
        self._selector = selectors.DefaultSelector()
        self._alarm, self._wake = socket.socketpair()
        self._alarm.setblocking(False)
        self._wake.setblocking(False)
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="control", daemon=True)

    def start(self) -> None:
        """Begin to serve."""
        self._thread.start()

    def stop(self, timeout_seconds: float) -> None:
        """Cancel what runs, close all connections, end."""
        self._stopping = True
        self._ring()
        if self._thread.ident is not None:
            self._thread.join(timeout_seconds)
        else:
            self._listener.close()

    @property
    def clients(self) -> int:
        """Connections now."""
        return len(self._clients)

    def _ring(self) -> None:
        try:
            self._wake.send(b"\0")
        except (BlockingIOError, OSError):
            return  # it has not yet looked at the bell before, or is gone

    def _run(self) -> None:
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._selector.register(self._alarm, selectors.EVENT_READ)
        try:
            while not self._stopping:
                for key, events in self._selector.select(_TICK_SECONDS):
                    self._turn(key, events)
                self._deliver()
                self._close_idle()
        except Exception:
            _LOG.exception("the control socket's thread failed")
        finally:
            self._end()

    def _turn(self, key: selectors.SelectorKey, events: int) -> None:
        if key.fileobj is self._listener:
            self._accept()
        elif key.fileobj is self._alarm:
            try:
                self._alarm.recv(4096)
            except BlockingIOError:
                return
        elif key.data in self._clients:
            self._guarded(key.data, lambda: self._serve(key.data, events))

    def _accept(self) -> None:
        try:
            sock, _ = self._listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        except OSError as error:  # out of file descriptors, say: leave it in the queue for a while
            _LOG.warning("control socket: %s", error.strerror)
            time.sleep(0.05)
            return
        sock.setblocking(False)
        try:
            client = Connection(sock, peer_of(sock), time.monotonic())
        except OSError:
            sock.close()
            return
        if not self._access.allows(client.peer):
            _LOG.warning("control socket: refused", extra={"fields": {"uid": client.peer.uid, "pid": client.peer.pid}})
            self._turn_away(client, RequestError("This account may not ask", _ASK_ADMIN))
        elif len(self._clients) >= self._max_clients + (_KEPT_FOR_ROOT if client.peer.uid == 0 else 0):
            self._turn_away(client, BusyError("Too many programs are connected to the daemon", "Try again."))
        else:
            self._clients.add(client)
            self._selector.register(sock, selectors.EVENT_READ, client)

    def _turn_away(self, client: Connection, error: EarmarkError) -> None:
        try:
            client.send(protocol.failure(None, error))
        except (OSError, BufferError):
            pass
        finally:
            client.sock.close()

    def _guarded(self, client: Connection, act: Callable[[], None]) -> None:
        """Do something with a client; whatever goes wrong concerns this client only."""
        try:
            act()
            if client.done and not client.waiting:
                self._drop(client)
            else:
                wanted = selectors.EVENT_READ if not client.done else 0
                self._selector.modify(
                    client.sock, wanted | (selectors.EVENT_WRITE if client.waiting or client.done else 0), client
                )
        except (OSError, EOFError, BufferError):
            self._drop(client)

    def _serve(self, client: Connection, events: int) -> None:
        if events & selectors.EVENT_WRITE:
            client.flush()
        if not events & selectors.EVENT_READ or client.done:
            return
        try:
            for line in client.receive():
                client.last_heard = time.monotonic()
                if not self._understood(client, line):
                    return
        except RequestError as error:
            self._refuse(client, error)

    def _understood(self, client: Connection, line: bytes) -> bool:
        """Carry out a line, or refuse it; False where nothing that follows it can be understood."""
        try:
            self._carry_out(client, protocol.parse(line))
        except RequestError as error:
            self._refuse(client, error)
            return not error.fatal
        return True

    def _refuse(self, client: Connection, error: RequestError) -> None:
        client.done = client.done or error.fatal
        client.last_heard = time.monotonic()
        if client.done:
            self._cancel(client)
        client.send(protocol.failure(error.id, error))

    def _carry_out(self, client: Connection, request: Request) -> None:
        try:
            match request:
                case StatusRequest():
                    answer = protocol.result(request.id, "status", EXIT_OK, status=self._service.status())
                case RecentRequest():
                    answer = self._recent(client, request)
                case CancelRequest():
                    answer = self._cancelled(client, request)
                case VerifyRequest():
                    self._verify(client, request)
                    return
        except RequestError as error:
            error.id = request.id
            raise
        except EarmarkError as error:
            answer = protocol.failure(request.id, error)
        except Exception as error:
            _LOG.exception("a request on the control socket failed")
            made = EarmarkError(f"Earmark made a mistake ({type(error).__name__})", "The daemon's log says more.")
            answer = protocol.failure(request.id, made)
        client.send(answer)

    def _recent(self, client: Connection, request: RecentRequest) -> bytes:
        # Who may be verified is a group's affair; who was at home this evening is not.
        if client.peer.uid not in (0, os.geteuid()):
            raise RequestError("Only root and the daemon's own account may see who spoke")
        return protocol.result(request.id, "recent", EXIT_OK, recent=self._service.recent())

    def _verify(self, client: Connection, request: VerifyRequest) -> None:
        if client.running:
            raise RequestError("A verification of this connection is still running", "Cancel it, or wait.")
        if request.requester == "pam" and client.peer.uid != 0:
            raise RequestError("Only root may ask on behalf of PAM")

        def tell(line: bytes, last: bool) -> None:
            self._told.put((client, request.id, line, last))
            self._ring()

        client.running[request.id] = self._service.verify(request, client.peer, tell)

    def _cancelled(self, client: Connection, request: CancelRequest) -> bytes:
        running = client.running.get(request.request)
        if running is not None:
            running.cancel()
        found = running is not None
        return protocol.result(request.id, "cancel", EXIT_OK if found else EXIT_NO_DECISION, cancelled=found)

    def _deliver(self) -> None:
        """Send what other threads have told."""
        while True:
            try:
                client, identity, line, last = self._told.get_nowait()
            except queue.Empty:
                return
            if client not in self._clients:
                continue
            if last:
                client.running.pop(identity, None)
                client.last_heard = time.monotonic()
            self._guarded(client, lambda client=client, line=line: client.send(line))  # type: ignore[misc]

    def _close_idle(self) -> None:
        now = time.monotonic()
        for client in list(self._clients):
            allowed = _GOODBYE_SECONDS if client.done else self._idle_seconds
            if not client.running and now - client.last_heard > allowed:
                self._drop(client)

    def _cancel(self, client: Connection) -> None:
        for running in client.running.values():
            running.cancel()

    def _drop(self, client: Connection) -> None:
        self._clients.discard(client)
        self._cancel(client)
        client.running.clear()
        self._selector.unregister(client.sock)
        client.sock.close()

    def _end(self) -> None:
        for client in list(self._clients):
            self._drop(client)
        self._selector.close()
        for sock in (self._listener, self._alarm, self._wake):
            sock.close()


_ASK_ADMIN: Final = "The setting control.group names the group that may; root always may."
