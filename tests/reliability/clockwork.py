"""A clock that a test turns from outside, and ``earmark run`` with it.

The driver of a simulation writes two numbers into a file, and the daemon, a real process, reads its time there:
seconds that never jump, and UTC seconds, which may. Everything else is what ``earmark run`` does:

    python -m tests.reliability.clockwork --state FOLDER --source - --fast

with the file's name in $SOAK_CLOCK.
"""

from __future__ import annotations

import mmap
import os
import struct
import sys
from functools import partial
from pathlib import Path

VARIABLE = "SOAK_CLOCK"
_SIZE = 16


class SharedClock:
    """Satisfies ``records.Clock``; ``set`` turns it, for all processes that read the file."""

    def __init__(self, path: Path) -> None:
        if not path.exists():
            path.write_bytes(bytes(_SIZE))
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), _SIZE)

    def set(self, monotonic: float, now: float) -> None:
        self._map[0:8] = struct.pack("d", monotonic)
        self._map[8:16] = struct.pack("d", now)

    def monotonic(self) -> float:
        value: float = struct.unpack("d", self._map[0:8])[0]
        return value

    def now(self) -> float:
        value: float = struct.unpack("d", self._map[8:16])[0]
        return value


def main() -> int:
    """``earmark run`` by the clock in the file; it looks at it more often, because its time passes faster."""
    import edge.cli
    import edge.daemon.service
    from edge.cli import run

    clock = SharedClock(Path(os.environ[VARIABLE]))
    run.Service = partial(edge.daemon.service.Service, clock=clock)  # type: ignore[misc,assignment]
    edge.daemon.service._TICK_SECONDS = 0.02  # type: ignore[misc]
    return edge.cli.main(["run", *sys.argv[1:]])


if __name__ == "__main__":
    raise SystemExit(main())
