"""The files of the attempts: which they are, one lock for all of them, and writing that is on the disk when it returns.

Takes the state folder. Must hold: every file is the owner's only; the lock goes away with the process that held it,
however that ended.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from edge.errors import StorageError
from edge.file_lock import lock_within
from edge.whole_file import sync

RECORD: Final = "attempts.sqlite"
LOG: Final = "audit.jsonl"
LOCK: Final = "attempts.lock"
_LOCK_SECONDS: Final = 30.0


def logs(folder: Path) -> list[Path]:
    """The files of the audit log that exist, oldest first: ``audit-NNNNNNNN.jsonl`` by the number of their first entry,
    then ``audit.jsonl``.
    """
    old = sorted(path for path in folder.glob("audit-*.jsonl") if first_number(path) > 0)
    current = folder / LOG
    return [*old, current] if current.exists() else old


def rotated(folder: Path, first: int) -> Path:
    """The name under which a file of the log is kept whose first entry has this number."""
    return folder / f"audit-{first:08d}.jsonl"


def first_number(path: Path) -> int:
    """The number in the name of a rotated file, 0 where there is none."""
    digits = path.stem.removeprefix("audit-")
    return int(digits) if digits.isascii() and digits.isdigit() else 0


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Nobody else, thread or process, is in here. Raises ``StorageError`` where that takes more than half a minute."""
    path = folder / LOCK
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise unusable(path, error) from error
    try:
        if not lock_within(handle, _LOCK_SECONDS):
            raise StorageError(
                f"Another process keeps the attempts locked ({path})", "Try again; end the process if it hangs."
            )
        yield
    finally:
        os.close(handle)


def append(path: Path, text: bytes) -> None:
    """Add to a file, made 0600 where it does not exist; on the disk when this returns. Raises ``OSError``."""
    made = not path.exists()
    handle = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        left = memoryview(text)
        while left:
            left = left[os.write(handle, left) :]
        os.fsync(handle)
    finally:
        os.close(handle)
    if made:
        sync(path.parent)


def unusable(path: Path, error: OSError) -> StorageError:
    """The error for a file that cannot be used."""
    reason = error.strerror or type(error).__name__
    return StorageError(
        f"{path} cannot be written or read: {reason}",
        "Check that the disk is not full and that this user may write the file and its folder.",
    )
