"""The people, while a version is on trial.

Takes the state folder of a service that is stopped. Gives a copy of what a newer version may bring into a form that the
older one cannot read, and puts it back. Must hold: the copy is complete or not there, is root's alone, and is gone as
soon as the trial ends, since a voiceprint that was removed must not live on in it.

Not in it: the outbox, since messages would be lost or sent twice; attempts and their log, since a lock-out must not be
taken back. Their form must stay readable by the version before.
"""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path
from typing import Final

from deploy.install.layout import Layout, settle

PATTERNS: Final = ("people*", "household.json*", "repeats*", "voiceprint.key*")


def take(layout: Layout) -> None:
    """Copy what is there."""
    drop(layout)
    if not layout.state.is_dir():
        return
    fresh = _unfinished(layout)
    fresh.mkdir(mode=0o700)
    for path in _files(layout.state):
        _copy(path, fresh / path.name)
    os.sync()
    fresh.rename(layout.snapshot)
    settle(layout.snapshot.parent)


def put_back(layout: Layout) -> None:
    """Make the state folder as it was, and end the copy. Nothing happens where there is none."""
    if not layout.snapshot.is_dir():
        return
    kept = {path.name for path in layout.snapshot.iterdir()}
    for path in _files(layout.state):
        if path.name not in kept:
            path.unlink()
    for path in layout.snapshot.iterdir():
        fresh = layout.state / f".{path.name}.back"
        _copy(path, fresh)
        fresh.replace(layout.state / path.name)
    os.sync()
    drop(layout)


def drop(layout: Layout) -> None:
    """Remove the copy, at once: half a copy must never be taken for a whole one."""
    gone = layout.snapshot.with_name(layout.snapshot.name + ".gone")
    shutil.rmtree(gone, ignore_errors=True)
    if layout.snapshot.is_dir():
        layout.snapshot.rename(gone)
        settle(gone.parent)
    for path in (gone, _unfinished(layout)):
        shutil.rmtree(path, ignore_errors=True)


def _unfinished(layout: Layout) -> Path:
    return layout.snapshot.with_name(layout.snapshot.name + ".new")


def _files(folder: Path) -> list[Path]:
    found = {path for pattern in PATTERNS for path in folder.glob(pattern)}
    return sorted(path for path in found if path.is_file() and not path.is_symlink())


def _copy(path: Path, target: Path) -> None:
    """A copy with owner, mode and time. This is root at work in a folder of the service's account: a link that somebody
    has put there is neither read through nor written through.
    """
    target.unlink(missing_ok=True)
    with (
        os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb") as source,
        os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as copy,
    ):
        shutil.copyfileobj(source, copy)
        copy.flush()
        known = os.fstat(source.fileno())
        os.fchown(copy.fileno(), known.st_uid, known.st_gid)
        os.fchmod(copy.fileno(), stat.S_IMODE(known.st_mode))
        os.utime(copy.fileno(), ns=(known.st_atime_ns, known.st_mtime_ns))
