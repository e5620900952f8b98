"""Talks to systemd: readiness, status, reloads and the watchdog (the protocol of sd_notify(3)).

Takes state changes, gives datagrams on ``$NOTIFY_SOCKET``. Must hold: without that variable every call does nothing; a
dead supervisor never disturbs the daemon.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping


class Notifier:
    """One per process. Constructing it reads the environment and sends nothing."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        address = environ.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        micros = environ.get("WATCHDOG_USEC", "")
        pid = environ.get("WATCHDOG_PID", "")
        mine = not pid or pid == str(os.getpid())
        self.watchdog_seconds = int(micros) / 1e6 if micros.isdigit() and mine else 0.0
        """Seconds within which ``alive`` must be called, 0 where no watchdog is asked for."""

    def ready(self, status: str) -> None:
        """Start-up is done."""
        self._send(f"READY=1\n{_status(status)}")

    def reloading(self) -> None:
        """A reload begins; ``ready`` ends it."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """The end begins."""
        self._send("STOPPING=1")

    def status(self, text: str) -> None:
        """One line for ``systemctl status``."""
        self._send(_status(text))

    def alive(self) -> None:
        """Pet the watchdog."""
        if self.watchdog_seconds:
            self._send("WATCHDOG=1")

    def _send(self, text: str) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
                channel.settimeout(1.0)
                channel.sendto(text.encode(), self._address)
        except OSError:
            return


def _status(text: str) -> str:
    """One line: a second one would be another assignment."""
    return f"STATUS={' '.join(text.split())}"
