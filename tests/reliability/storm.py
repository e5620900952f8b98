"""The parts of a chaos: a broker that dies and forgets, a disk that is full, and speech without end.

Takes a folder and a seed. Gives parts that ``chaos`` strikes. Must hold: what the broker has acknowledged, the reader
has (see ``Broker``), so that an event that is missing was lost by the daemon and by nobody else.
"""

from __future__ import annotations

import resource
import shutil
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from edge.records import SAMPLE_RATE
from tests.broker import Listener, Mosquitto, retained, wait_for
from tests.reliability import day
from tests.reliability.device import BASE, Device
from tests.reliability.disk import fill, small_disk

DISK_MEGABYTES = 16


class Broker:
    """mosquitto with one reader that misses nothing.

    The reader's session is all that is saved (on SIGUSR1, once, before there is anything else), so a broker that is
    killed and started again knows the reader and nobody else; as far as a device can see, it keeps nothing. The
    reader asks for QoS 0: then mosquitto hands a message to its socket before it acknowledges it to the device, and
    what the reader's socket has taken outlives the broker. ``memory``: a broker may also come back with retained
    states of long ago.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._saved = folder / "mosquitto.db"
        self._blank = folder / "blank.db"
        extra = (
            f"persistence true\npersistence_location {folder}/\nautosave_interval 0\n"
            "queue_qos0_messages true\nmax_queued_messages 0\nmax_inflight_messages 0\n"
        )
        self.mosquitto = Mosquitto(folder, extra=extra).start()
        self.reader = Listener(self.port, f"{BASE}/utterance", client_id="reader", qos=0, clean=False)
        self.save()
        shutil.copy(self._saved, self._blank)
        self.up = True

    @property
    def port(self) -> int:
        return self.mosquitto.port

    @property
    def payloads(self) -> list[bytes]:
        """Events as they arrived."""
        return self.reader.payloads(f"{BASE}/utterance")

    def save(self) -> None:
        """Let the broker remember what it retains now."""
        before = self._saved.stat().st_mtime_ns if self._saved.exists() else 0
        self.mosquitto.signal(signal.SIGUSR1)
        wait_for(lambda: self._saved.exists() and self._saved.stat().st_mtime_ns != before, "the broker has saved")

    def kill(self) -> None:
        # A reader that is not there would miss what a second death of the broker takes with it.
        wait_for(self.reader.subscribed.is_set, "the reader is there")
        self.mosquitto.kill()
        self.reader.subscribed.clear()
        self.up = False

    def revive(self, *, forgetful: bool) -> None:
        if forgetful:
            shutil.copy(self._blank, self._saved)
        self.mosquitto.start()
        self.up = True

    def states(self) -> dict[str, bytes]:
        """What somebody finds who comes now."""
        return retained(self.port)

    def close(self) -> None:
        self.reader.close()
        self.mosquitto.stop()


class Disk:
    """Where the state folder lies. ``small``: a disk of its own; else a limit on the size of files stands in for it,
    which the reserve can't help against: what is decided then waits in memory.
    """

    def __init__(self, folder: Path) -> None:
        self._stack = ExitStack()
        self.small = self._stack.enter_context(small_disk(folder, DISK_MEGABYTES))
        self.state = folder / "state"
        self._filler: Path | None = None
        self._limited: Device | None = None
        self.times_full = 0

    @property
    def full(self) -> bool:
        return self._filler is not None or self._limited is not None

    def fill(self, device: Device) -> None:
        self.times_full += 1
        if self.small:
            self._filler = fill(self.state.parent)
        else:
            smallest = min(one.stat().st_size for one in self.state.glob("outbox.sqlite*"))
            resource.prlimit(device.pid, resource.RLIMIT_FSIZE, (smallest, resource.RLIM_INFINITY))
            self._limited = device

    def clear(self) -> None:
        if self._filler is not None:
            self._filler.unlink()
            self._filler = None
        if self._limited is not None:
            if self._limited.alive:
                unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
                resource.prlimit(self._limited.pid, resource.RLIMIT_FSIZE, unlimited)
            self._limited = None

    def close(self) -> None:
        self.clear()
        self._stack.close()


def speech(seed: int) -> Iterator[day.Pcm]:
    """One utterance after the other: half of them sentences or the beginning of one, half too short to tell much."""
    rng = np.random.default_rng(seed)
    noise = (rng.standard_normal(20 * SAMPLE_RATE) * 20).astype(np.int16)
    while True:
        clip = day.clips()[int(rng.integers(len(day.clips())))]
        if rng.random() < 0.5:
            start = int(rng.integers(len(clip) // 2))
            clip = clip[start : start + int(rng.uniform(0.5, 0.8) * SAMPLE_RATE)]
        elif rng.random() < 0.7:
            clip = clip[: int(rng.uniform(1.2, 2.2) * SAMPLE_RATE)]
        spoken = np.concatenate([clip, np.zeros(round(rng.uniform(0.7, 0.9) * SAMPLE_RATE), np.int16)])
        yield spoken + noise[: len(spoken)]
