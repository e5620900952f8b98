"""A file that is replaced as a whole, and what it takes to be sure that something is on the disk.

Takes a path and its content. Must hold: at every moment, power cuts included, the path has the former content or the
new one; a failure leaves the former and nothing beside it; of several writers at once each writes the whole of its own,
and the last one counts.

What is being written lies beside the path as ``NAME.0123456789abcdef.new``, and its writer holds a lock on it. One
without a lock was left by a writer that was killed, and the next one removes it.
"""

from __future__ import annotations

import fcntl
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Final

_UNFINISHED: Final = re.compile(r"(.+)\.[0-9a-f]{16}\.new", re.DOTALL)


def replace_whole(path: Path, data: bytes, mode: int = 0o600) -> None:
    """``mode``: of the new file, less the umask. Raises ``OSError``."""
    with replacing(path, mode) as file:
        file.write(data)


@contextmanager
def replacing(path: Path, mode: int = 0o600) -> Iterator[BinaryIO]:
    """A file to write into, which takes the place of ``path`` at the end, and is gone after an exception."""
    _sweep(path)
    fresh, file = _begin(path, mode)
    try:
        with file:
            yield file
            file.flush()
            os.fsync(file.fileno())
            fresh.replace(path)  # before the lock ends
        sync(path.parent)
    except BaseException:
        with suppress(OSError):
            fresh.unlink(missing_ok=True)
        raise


def unfinished(name: str) -> str:
    """The file that one of this name was to become; empty where it is none of ours."""
    found = _UNFINISHED.fullmatch(name)
    return found[1] if found else ""


def sync(path: Path) -> None:
    """Put a file's bytes, or the names in a folder, on the disk. Raises ``OSError``."""
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _begin(path: Path, mode: int) -> tuple[Path, BinaryIO]:
    """A new file of a name that nobody else has, under a lock."""
    while True:
        fresh = path.with_name(f"{path.name}.{secrets.token_hex(8)}.new")
        file = os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode), "wb")
        with suppress(OSError):  # where the file system knows no locks, nobody sweeps
            fcntl.flock(file, fcntl.LOCK_EX)
        if fresh.exists():
            return fresh, file
        file.close()  # another writer took it for one that was left, before there was a lock


def _sweep(path: Path) -> None:
    """Remove what writers of ``path`` left that are gone. What cannot be removed is in nobody's way."""
    with suppress(OSError):
        for left in [one for one in path.parent.iterdir() if unfinished(one.name) == path.name]:
            with suppress(OSError):
                handle = os.open(left, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    left.unlink()
                finally:
                    os.close(handle)
