"""Streamlit as a server for this machine alone.

Takes an address. Serves ``app`` until SIGTERM or Ctrl-C. Must hold: no telemetry, no look-up of this machine's public
address, no page of another site may talk to it; no file of Streamlit's is watched or written.
"""

from __future__ import annotations

import ipaddress
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from edge.studio.opened import KEY

_READY_SECONDS: Final = 60.0
_LARGEST_UPLOAD_MB: Final = 64
_ANYWHERE: Final = frozenset({"", "0.0.0.0", "::"})


@dataclass(frozen=True, slots=True)
class Place:
    """Where to serve."""

    host: str
    port: int

    @property
    def reachable(self) -> str:
        """An address of this machine at which it can be reached from here."""
        if self.host not in _ANYWHERE:
            return self.host
        return "::1" if self.host == "::" else "127.0.0.1"

    def url(self, key: str) -> str:
        """What to open in a browser."""
        host = f"[{self.reachable}]" if ":" in self.reachable else self.reachable
        return f"http://{host}:{self.port}/?{KEY}={key}"


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches the address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def is_free(place: Place) -> bool:
    """Whether the port can be had."""
    family = socket.AF_INET6 if ":" in place.host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((place.host, place.port))
        except OSError:
            return False
    return True


def options(place: Place, *, debug: bool = False) -> dict[str, Any]:
    """Streamlit's options, named as on its command line with an underscore for the dot."""
    # Another site's name may lead to this machine (DNS rebinding), and its page would then count as ours.
    names = ["*"] if place.host in _ANYWHERE else ["localhost", "127.0.0.1", "::1", place.host]
    return {
        "server_address": place.host,
        "server_port": place.port,
        "server_allowedHosts": names,
        "server_headless": True,
        "server_showEmailPrompt": False,
        "server_fileWatcherType": "none",
        "server_runOnSave": False,
        "server_maxUploadSize": _LARGEST_UPLOAD_MB,
        "server_enableAgentApi": False,
        "server_enableStaticServing": False,
        "browser_gatherUsageStats": False,
        "client_toolbarMode": "minimal",
        "client_showErrorDetails": "full" if debug else "type",
        "client_showErrorLinks": False,
        "logger_level": "info" if debug else "error",
        "logger_hideWelcomeMessage": True,
        # Of both, not of `theme` itself, which would be light for everybody.
        "theme_light_primaryColor": "#0072b2",
        "theme_dark_primaryColor": "#56b4e9",
    }


def serve(place: Place, key: str, ready: Callable[[str], None], *, debug: bool = False) -> None:
    """Serve until the end. ``ready`` is told the address once it answers."""
    from streamlit.web import bootstrap

    keep_to_ourselves()
    flags = options(place, debug=debug)
    bootstrap.load_config_options(flags)
    waiting = threading.Thread(target=_tell, args=(place, place.url(key), ready), daemon=True, name="studio-ready")
    waiting.start()
    bootstrap.run(str(Path(__file__).with_name("app.py")), False, [], flags)


def keep_to_ourselves() -> None:
    """Streamlit asks a server on the internet for this machine's address where another site's page knocks: not here."""
    from streamlit import net_util

    net_util.get_external_ip = lambda: None


def _tell(place: Place, url: str, ready: Callable[[str], None]) -> None:
    deadline = time.monotonic() + _READY_SECONDS
    while time.monotonic() < deadline:
        try:
            socket.create_connection((place.reachable, place.port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            ready(url)
            return
