"""Work as the daemon's account, in its state folder, where root runs a command on it.

Takes the daemon's peer and its state folder; gives a context. Must hold: root writes nothing into a folder that another
account rules, where a link could lead anywhere; what is written belongs to the daemon; everything is as before
afterwards.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edge.errors import StorageError


@contextmanager
def in_folder_of(account: int | None, folder: Path) -> Iterator[Path]:
    """Be the account with this number in ``folder`` where we are root (None: whoever owns the folder); gives the path
    by which the folder is reached from there. Raises ``StorageError``.
    """
    if os.geteuid() != 0:
        yield folder
        return
    here = Path.cwd()
    groups = os.getgroups()
    try:
        # Entered as root: with DynamicUser= the folder above it is closed to the account itself.
        os.chdir(folder)
        status = Path().stat()
        os.setgroups([])
        os.setegid(status.st_gid)
        os.seteuid(status.st_uid if account is None else account)
    except OSError as error:
        _be_root(here, groups)
        raise StorageError(
            f"the state folder {folder} cannot be entered: {error.strerror}", "Name it with --state."
        ) from error
    try:
        yield Path()
    finally:
        _be_root(here, groups)


def _be_root(here: Path, groups: list[int]) -> None:
    os.seteuid(0)
    os.setegid(0)
    os.setgroups(groups)
    os.chdir(here)
