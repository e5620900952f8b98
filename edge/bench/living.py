"""A real daemon, watched from outside: cold start, memory, idle CPU, latency to a subscriber.

Takes a bundle's name; gives measurements of a child process that runs ``earmark run`` on a recording at its own
pace and publishes to a broker. Must hold: the child is the shipped command, configured from outside only.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import wave
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from edge.audio import read_samples
from edge.errors import EarmarkError, ExtraMissingError
from edge.mqtt.subscriber import Arrival, Subscriber
from edge.records import SAMPLE_RATE, Float32

_IDLE_SECONDS: Final = 6.0
_PAUSE_SECONDS: Final = 1.6
_START_SECONDS: Final = 60.0
_NODE: Final = "bench"
_BUNDLES: Final = "EARMARK_BUNDLES"


@dataclass(frozen=True, slots=True)
class Living:
    """``latencies_ms``: end of speech (hang-over excluded) to arrival at an independent subscriber, per utterance."""

    cold_start_s: float
    rss_mb: float | None
    idle_process_cpu_percent: float | None
    latencies_ms: tuple[float, ...]
    broker: str


def watch(bundle: str, clips: list[Path], state: Path, *, rounds: int) -> Living:
    """Run the daemon over ``rounds`` of ``clips`` with pauses. Raises ``EarmarkError`` where no broker can be had."""
    with tempfile.TemporaryDirectory(prefix="earmark-bench-") as scratch, _broker(Path(scratch)) as (port, broker):
        recording = Path(scratch) / "household.wav"
        utterances = [read_samples(clip) for clip in clips] * rounds
        _write(recording, _household(utterances))
        with Subscriber("127.0.0.1", port, f"earmark/{_NODE}/utterance") as subscriber:
            command = [sys.executable, "-m", "edge.cli", "run", "--source", str(recording), "--state", str(state)]
            cold_start, rss, idle = _run([*command, "--bundle", bundle], port, Path(scratch))
            return Living(cold_start, rss, idle, tuple(_latency_ms(a) for a in subscriber.arrivals), broker)


def _run(command: list[str], port: int, scratch: Path) -> tuple[float, float | None, float | None]:
    """Run the daemon to the end of its recording; gives cold start (s), memory (MB) and idle CPU (%)."""
    # Nothing of this machine's settings: neither its file nor its variables.
    own = {name: value for name, value in os.environ.items() if not name.startswith("EARMARK_") or name == _BUNDLES}
    config = scratch / "earmark.yaml"
    config.touch()
    environment = own | {
        "EARMARK_CONFIG": str(config),
        "EARMARK_NODE__NAME": _NODE,
        "EARMARK_MQTT__HOST": "127.0.0.1",
        "EARMARK_MQTT__PORT": str(port),
        "NOTIFY_SOCKET": str(scratch / "notify"),
    }
    with _notifications(scratch / "notify") as ready, (scratch / "log").open("wb") as log:
        begun = time.monotonic()
        child = subprocess.Popen(command, env=environment, stderr=log, cwd=_root())
        try:
            if not ready(child):
                raise _broken("did not start", scratch / "log")
            cold_start = time.monotonic() - begun
            before = _cpu_seconds(child.pid)
            time.sleep(_IDLE_SECONDS - 1.0)
            after = _cpu_seconds(child.pid)
            rss = None
            while child.poll() is None:
                rss = _rss_mb(child.pid) or rss
                time.sleep(0.2)
            if child.returncode:
                raise _broken("ended before its time", scratch / "log")
        finally:
            if child.poll() is None:
                child.terminate()
            child.wait(10)
    idle = None if before is None or after is None else 100 * (after - before) / (_IDLE_SECONDS - 1.0)
    return cold_start, rss, idle


def _broken(how: str, log: Path) -> EarmarkError:
    last = log.read_text(errors="replace").strip().splitlines()[-1:]
    return EarmarkError(f"The daemon {how}", f"Its log ends with: {last[0] if last else 'nothing'}")


def _latency_ms(arrival: Arrival) -> float:
    """The event says how long the decision took after the end of speech, and when; the rest is the way here."""
    from datetime import datetime

    event = json.loads(arrival.payload)
    decided = datetime.fromisoformat(event["ts"]).timestamp()
    return float(event["latency_ms"]) + max(0.0, 1000 * (arrival.now - decided))


def _household(utterances: list[Float32]) -> Float32:
    """Quiet, then the utterances with pauses between them, over a faint room noise."""
    parts = [np.zeros(int(_IDLE_SECONDS * SAMPLE_RATE), np.float32)]
    for samples in utterances:
        parts += [samples, np.zeros(int(_PAUSE_SECONDS * SAMPLE_RATE), np.float32)]
    sound = np.concatenate(parts)
    noise = 10 ** (-62 / 20) * np.random.default_rng(2).standard_normal(len(sound))
    return np.asarray(sound + noise, np.float32)


def _write(path: Path, samples: Float32) -> None:
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(SAMPLE_RATE)
        out.writeframes(np.round(np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())


@contextlib.contextmanager
def _notifications(path: Path) -> Iterator[Callable[[subprocess.Popen[bytes]], bool]]:
    """A socket where the daemon reports readiness; gives a callable that waits for that, or for its end."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.bind(str(path))
        channel.settimeout(0.1)

        def ready(child: subprocess.Popen[bytes]) -> bool:
            deadline = time.monotonic() + _START_SECONDS
            while child.poll() is None and time.monotonic() < deadline:
                with contextlib.suppress(TimeoutError):
                    if b"READY=1" in channel.recv(4096):
                        return True
            return False

        yield ready


@contextlib.contextmanager
def _broker(scratch: Path) -> Iterator[tuple[int, str]]:
    """Mosquitto where it is installed, else the demonstration's broker."""
    program = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
    if program is None:
        from edge.demo.broker import DemoBroker

        with DemoBroker() as port:
            yield port, "iotcore"
        return
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    config = scratch / "mosquitto.conf"
    config.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\n", encoding="ascii")
    child = subprocess.Popen([program, "-c", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _await_port(port)
        yield port, "mosquitto"
    finally:
        child.terminate()
        child.wait(10)


def _await_port(port: int) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1.0):
            return
        time.sleep(0.05)
    raise ExtraMissingError("mosquitto does not start", "Run `mosquitto -v` to see why.")


def _root() -> Path:
    """Where ``python -m edge.cli`` finds this very code, installed or not."""
    return Path(__file__).resolve().parents[2]


def _rss_mb(pid: int) -> float | None:
    with contextlib.suppress(OSError, ValueError, IndexError):
        for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024 / 1e6
    return None


def _cpu_seconds(pid: int) -> float | None:
    with contextlib.suppress(OSError, ValueError, IndexError):
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return None
