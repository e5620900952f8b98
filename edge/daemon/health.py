"""How the process is: memory and latency, for the health topic and for ``systemctl status``.

Takes measurements, gives numbers. Must hold: bounded memory.
"""

from __future__ import annotations

import math
from collections import deque
from pathlib import Path
from typing import Final

_KEPT: Final = 200
"""Latencies remembered."""


class Latencies:
    """The latest latencies in milliseconds."""

    def __init__(self) -> None:
        self._values: deque[float] = deque(maxlen=_KEPT)

    def add(self, milliseconds: float) -> None:
        """Remember one."""
        self._values.append(milliseconds)

    def p95(self) -> int | None:
        """95th percentile (nearest rank), None before the first."""
        if not self._values:
            return None
        ordered = sorted(self._values)
        return round(ordered[math.ceil(0.95 * len(ordered)) - 1])


def rss_mb(status: Path = Path("/proc/self/status")) -> float | None:
    """Resident memory of this process in MB (10^6 bytes), None where the system does not tell."""
    try:
        for line in status.read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith("VmRSS:"):
                return round(int(line.split()[1]) * 1024 / 1e6, 1)
    except (OSError, ValueError, IndexError):
        return None
    return None
