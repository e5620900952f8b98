"""One Earmark per state folder.

Takes a folder; gives a lock on it. Must hold: the lock ends with its process, however that ends; whoever finds it held
is told by whom.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path
from typing import IO

from edge.errors import StorageError


class SingleInstance:
    """Holds a lock on the state folder: two daemons would steal each other's connection and outbox."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "daemon.lock"
        self._file: IO[str] | None = None

    def __enter__(self) -> None:
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StorageError(
                f"The state folder {self._path.parent} cannot be written ({error.strerror})",
                "Make it writable, or name another with --state.",
            ) from error
        self._file = os.fdopen(descriptor, "r+")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = self._file.read().strip() or "unknown"
            self._file.close()
            raise StorageError(
                f"Another Earmark runs on the state folder {self._path.parent} (process {holder})",
                "Stop it first, or name another folder with --state.",
            ) from None
        # The lock counts; the number is for whoever finds it held, and a full disk has no room for it.
        with contextlib.suppress(OSError):
            os.pwrite(self._file.fileno(), f"{os.getpid():<10}\n".encode(), 0)

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()
