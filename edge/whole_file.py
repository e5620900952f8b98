"""A file that is replaced as a whole, and what it takes to be sure that something is on the disk.

Takes a path and its content. Must hold: at every moment, power cuts included, the path has the former content or the
new one; a failure leaves the former and nothing beside it.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path


def replace_whole(path: Path, data: bytes, mode: int = 0o600) -> None:
    """``mode``: of the new file, less the umask. Raises ``OSError``."""
    fresh = path.with_name(f"{path.name}.new")
    try:
        fresh.unlink(missing_ok=True)  # of a run that was cut off, perhaps with other rights
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
        sync(path.parent)
    except BaseException:
        with suppress(OSError):
            fresh.unlink(missing_ok=True)
        raise


def sync(path: Path) -> None:
    """Put a file's bytes, or the names in a folder, on the disk. Raises ``OSError``."""
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
