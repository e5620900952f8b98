"""``earmark run`` as a process that is fed through a pipe, watched and killed.

Takes a state folder, a broker's port and sound; gives what it logged, line by line, and what it uses. Must hold: what
was logged before SIGKILL is never missed, because the pipe outlives the process.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
NODE = "kitchen"
BASE = f"earmark/{NODE}"
DISCOVERY = f"homeassistant/device/earmark_{NODE}/config"


@dataclass(frozen=True, slots=True)
class Usage:
    """Of one process: resident memory in MB (10^6 bytes), threads, open descriptors."""

    rss_mb: float
    threads: int
    descriptors: int


class Device:
    """One life of the daemon.

    Args:
        state: the state folder.
        port: of the broker on 127.0.0.1.
        arguments: for ``earmark run``.
        program: what Python runs.
        on_line: told of each line of the log, in a thread of its own.
        environment: more variables.
    """

    def __init__(
        self,
        state: Path,
        port: int,
        *arguments: str,
        program: tuple[str, ...] = ("edge.cli", "run"),
        on_line: Callable[[dict[str, Any]], None] = lambda line: None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._on_line = on_line
        self.ready = threading.Event()
        self.odd: list[str] = []
        """Lines that are no log lines: tracebacks, and what dies in the middle of a line."""
        self.log_bytes = 0
        self.log_lines = 0
        command = [sys.executable, "-m", *program, "--state", str(state), "--source", "-", "--fast"]
        variables = dict(os.environ) | {
            "EARMARK_NODE__NAME": NODE,
            "EARMARK_MQTT__HOST": "127.0.0.1",
            "EARMARK_MQTT__PORT": str(port),
            "EARMARK_MQTT__RECONNECT_MAX_SECONDS": "1",
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
            **(environment or {}),
        }
        self._process = subprocess.Popen(
            [*command, "--log-format", "json", *arguments],
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            env=variables,
            cwd=ROOT,
        )
        assert self._process.stdin is not None
        self._in = self._process.stdin.fileno()
        os.set_blocking(self._in, False)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def feed(self, data: memoryview, timeout: float) -> int:
        """Hand over sound, waiting at most ``timeout`` seconds for room; gives how many bytes were taken."""
        try:
            _, writable, _ = select.select([], [self._in], [], timeout)
            return os.write(self._in, data) if writable else 0
        except (BrokenPipeError, BlockingIOError):
            return 0

    def signal(self, number: int) -> None:
        self._process.send_signal(number)

    def kill(self) -> None:
        """SIGKILL, and read what was logged before."""
        self._process.kill()
        self._bury(10)

    def end(self, seconds: float = 120.0) -> int:
        """End of the sound: gives the exit code once everything is decided and, if the broker is there, delivered."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        return self._bury(seconds)

    def stop(self, seconds: float = 60.0) -> int:
        """SIGTERM."""
        self._process.send_signal(signal.SIGTERM)
        return self._bury(seconds)

    def usage(self) -> Usage:
        folder = Path(f"/proc/{self.pid}")
        fields = dict(line.split(":", 1) for line in (folder / "status").read_text().splitlines() if ":" in line)
        return Usage(
            rss_mb=int(fields["VmRSS"].split()[0]) * 1024 / 1e6,
            threads=int(fields["Threads"]),
            descriptors=len(list((folder / "fd").iterdir())),
        )

    def _bury(self, seconds: float) -> int:
        try:
            code = self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        self._reader.join(10)
        with contextlib.suppress(BrokenPipeError, OSError):
            assert self._process.stdin is not None
            self._process.stdin.close()
        return code

    def _read(self) -> None:
        stderr = self._process.stderr
        assert stderr is not None
        with stderr:
            for raw in stderr:
                self.log_bytes += len(raw)
                self.log_lines += 1
                try:
                    line = json.loads(raw)
                except ValueError:
                    self.odd.append(raw.decode("utf-8", "replace").rstrip())
                    continue
                if line.get("message") == "listening":
                    self.ready.set()
                self._on_line(line)
