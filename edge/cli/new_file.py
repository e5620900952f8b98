"""A file that a command makes for its user: a private key, an export.

Takes a path and bytes. Must hold: it is the owner's only from the moment it exists; nothing is ever written over; it is
whole or absent.
"""

from __future__ import annotations

import os
from pathlib import Path

from edge.cli.console import printable
from edge.errors import UsageError


def refuse_existing(target: Path) -> None:
    """Raises ``UsageError`` where there is something already: before anybody is asked for a passphrase."""
    if os.path.lexists(target):
        raise UsageError(f"{printable(str(target))} exists already", "Name a new file; nothing is ever written over.")


def write_new(target: Path, data: bytes) -> None:
    """Raises ``OSError``; nothing of the file is left then, unless somebody else has made it meanwhile."""
    handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        target.unlink(missing_ok=True)
        raise
