"""A household for scenarios: two enrolled people in a state folder, and an ``earmark run`` as a real process."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.cli import main
from edge.demo.stage import open_play
from tests.broker import Listener, wait_for

ROOT = Path(__file__).resolve().parents[2]
PLAY = open_play()
NODE = "kitchen"
BASE = f"earmark/{NODE}"
OBEDIENT = {"EARMARK_MQTT__COMMANDS": "true"}
"""For a ``Daemon`` that obeys what comes by MQTT."""


@pytest.fixture(scope="session")
def enrolled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state folder in which Ada and Ben are enrolled through the command line; copy it, don't change it."""
    folder = tmp_path_factory.mktemp("household")
    for actor in PLAY.actors:
        assert main(["enroll", actor.name, *map(str, actor.clips), "--state", str(folder), "--quiet"]) == 0
    return folder


@pytest.fixture
def home(enrolled: Path, tmp_path: Path) -> Path:
    """A copy of the household's state folder."""
    target = tmp_path / "state"
    shutil.copytree(enrolled, target)
    return target


class Daemon:
    """``earmark run`` in a process of its own; ready when entered."""

    def __init__(
        self, state: Path, port: int, *arguments: str, wait_ready: bool = True, stdin: int | None = None,
        **environment: str,
    ) -> None:  # fmt: skip
        self.state = state
        self._stdin = stdin
        self.log = state.parent / "daemon.log"
        self._notify = state.parent / "notify.sock"
        self._wait_ready = wait_ready
        self._command = [sys.executable, "-m", "edge.cli", "run", "--state", str(state), *arguments]
        self._environment = dict(os.environ) | {
            "EARMARK_NODE__NAME": NODE,
            "EARMARK_MQTT__HOST": "127.0.0.1",
            "EARMARK_MQTT__PORT": str(port),
            "EARMARK_MQTT__RECONNECT_MAX_SECONDS": "1",
            "NOTIFY_SOCKET": str(self._notify),
            **environment,
        }
        self.notifications: list[str] = []

    def __enter__(self) -> Daemon:
        with contextlib.suppress(FileNotFoundError):
            self._notify.unlink()
        self._channel = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._channel.bind(str(self._notify))
        self._channel.setblocking(False)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self._command, env=self._environment, stderr=log, cwd=ROOT, stdin=self._stdin
            )
        if self._wait_ready:
            self.wait_notified("READY=1")
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(10)
        self._channel.close()

    def wait_notified(self, text: str, seconds: float = 60.0) -> None:
        """Until the daemon has told systemd ``text`` (again)."""

        def told() -> bool:
            with contextlib.suppress(BlockingIOError):
                while True:
                    self.notifications.append(self._channel.recv(4096).decode())
            assert self.process.poll() is None or any(text in n for n in self.notifications), self.log.read_text()
            return any(text in n for n in self.notifications)

        wait_for(told, f"{text}; log: {self.log.read_text()[-800:]}", seconds)

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def finish(self, seconds: float = 90.0) -> int:
        """Wait for the end of its own accord."""
        return self.process.wait(seconds)

    def terminate(self) -> int:
        self.signal(signal.SIGTERM)
        return self.process.wait(30)


@contextlib.contextmanager
def listening(port: int, pattern: str = "#", **more: object) -> Iterator[Listener]:
    listener = Listener(port, pattern, **more)
    try:
        yield listener
    finally:
        listener.close()


def utterances(listener: Listener, topic: str = f"{BASE}/utterance") -> list[dict]:
    """Events in order of arrival, de-duplicated by id."""
    events = [json.loads(p) for p in listener.payloads(topic)]
    return list({e["id"]: e for e in events}.values())
