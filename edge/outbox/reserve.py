"""Room on the disk that is kept for bad times.

Takes a path; gives the room back when the disk is full. Must hold: making it never fails loudly, and never takes the
last room of a disk that is nearly full.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Final

RESERVE_BYTES: Final = 2 * 1024 * 1024
"""The write-ahead log needs at most a little over 1 MiB; the other half holds about 1,000 events with their states."""
_PLENTY: Final = 2
"""The disk must have this many times the reserve to spare before it is taken."""


class Reserve:
    """A file of zeros that nobody reads: room that is ours until we need it."""

    def __init__(self, path: Path, size: int = RESERVE_BYTES) -> None:
        self._path = path
        self._size = size
        self.held = False
        """Whether the room is ours now; as long as it is not, ``keep`` is worth another try."""
        self.used = False
        """Whether the room has been given back, because the disk was full."""

    def keep(self) -> None:
        """Take the room where it is not taken, and there is plenty."""
        with contextlib.suppress(OSError):
            held = self._path.stat().st_blocks * 512 if self._path.exists() else 0
            if held < self._size:
                disk = os.statvfs(self._path.parent)
                if disk.f_bavail * disk.f_frsize < _PLENTY * self._size:
                    return
                self._allocate()
            self.held, self.used = True, False

    def give(self) -> bool:
        """Give the room back to the disk, for the writer that is told so. False where there was none."""
        self.held, self.used = False, True
        try:
            held = self._path.stat().st_size
            os.truncate(self._path, 0)
        except OSError:
            return False
        return held > 0

    def _allocate(self) -> None:
        handle = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(handle, 0, self._size)
        except OSError:
            os.ftruncate(handle, 0)
            raise
        finally:
            os.close(handle)
