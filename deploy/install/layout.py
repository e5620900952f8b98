"""Where everything lies, and which version is which.

Takes a root folder. Gives paths, the versions that are complete, and links that change in one step. Must hold: a
version without its record does not count; a link names its target before and after, and never nothing.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from fcntl import LOCK_EX, LOCK_NB, flock
from pathlib import Path
from typing import Any, Final

from deploy.install.faults import InstallFault

RECORD: Final = "installed.json"
UNIT_COPY: Final = "earmark.service"
CURRENT, PREVIOUS, FALLBACK = "current", "previous", "fallback"
"""Links in ``/opt/earmark``: the version that runs; the one before it; and, only while a new version is on trial, the
one to go back to."""
NAME: Final = re.compile(r"[0-9][A-Za-z0-9.+_-]{0,63}")


@dataclass(frozen=True, slots=True)
class Record:
    """What a version is made of; written last, so that it says at once that the version is complete.

    ``build``: SHA-256 of Earmark's wheel. ``python``: such as ``3.11``, which the version is tied to.
    """

    version: str
    build: str
    python: str
    machine: str
    installed: str
    source: str


@dataclass(frozen=True, slots=True)
class Layout:
    """Paths below ``root``; ``/`` on a real device, another folder for a trial that touches nothing else."""

    root: Path = Path("/")

    def at(self, path: str) -> Path:
        """``path``, which is absolute, below the root."""
        return self.root / path.lstrip("/")

    @property
    def live(self) -> bool:
        """Whether this is the machine itself: accounts, packages and services exist only there."""
        return self.root == Path("/")

    @property
    def prefix(self) -> Path:
        """The folder of all versions."""
        return self.at("/opt/earmark")

    @property
    def settings(self) -> Path:
        """The settings file."""
        return self.at("/etc/earmark/earmark.yaml")

    @property
    def state(self) -> Path:
        """The folder of people, outbox and log."""
        return self.at("/var/lib/earmark")

    @property
    def unit(self) -> Path:
        """The service."""
        return self.at("/etc/systemd/system/earmark.service")

    @property
    def recovery_unit(self) -> Path:
        """What goes back at the next start of the machine when an upgrade was cut off."""
        return self.at("/etc/systemd/system/earmark-recover.service")

    @property
    def command(self) -> Path:
        """What a person types."""
        return self.at("/usr/local/bin/earmark")

    @property
    def rule(self) -> Path:
        """The microphone's name for udev."""
        return self.at("/etc/udev/rules.d/85-earmark-microphone.rules")

    @property
    def alsa(self) -> Path:
        """The microphone's name for ALSA."""
        return self.at("/etc/alsa/conf.d/85-earmark.conf")

    @property
    def snapshot(self) -> Path:
        """The people as they were before a version on trial."""
        return self.at("/var/lib/earmark-before-upgrade")

    def linked(self, link: str) -> str:
        """The name of the version that ``link`` names, empty where it names none that is complete."""
        path = self.prefix / link
        if not path.is_symlink():
            return ""
        name = str(path.readlink())
        return name if self.record(name) is not None else ""

    def point(self, link: str, name: str) -> None:
        """Let ``link`` name ``name``, in one step that survives the loss of power."""
        fresh = self.prefix / f".{link}.new"
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(name)
        fresh.replace(self.prefix / link)
        settle(self.prefix)

    def turn_back(self) -> None:
        """Let ``current`` name what ``fallback`` names, and end the trial: one rename does both."""
        (self.prefix / FALLBACK).replace(self.prefix / CURRENT)
        settle(self.prefix)

    def unlink(self, link: str) -> None:
        """Remove ``link`` if it is there."""
        (self.prefix / link).unlink(missing_ok=True)
        settle(self.prefix)

    def record(self, name: str) -> Record | None:
        """The record of a version, None where there is no such version or it is not complete."""
        if not NAME.fullmatch(name):
            return None
        try:
            raw: Any = json.loads((self.prefix / name / RECORD).read_text("utf-8"))
            return Record(**raw)
        except (OSError, ValueError, TypeError):
            return None

    def complete(self, name: str, record: Record) -> None:
        """Declare the version ``name`` complete."""
        os.sync()
        write(self.prefix / name / RECORD, json.dumps(asdict(record), indent=1) + "\n")

    def versions(self) -> list[str]:
        """The names of the complete versions, oldest first."""
        if not self.prefix.is_dir():
            return []
        found = [(record.installed, path.name) for path in self._folders() if (record := self.record(path.name))]
        return [name for _, name in sorted(found)]

    def sweep(self, *, keep: set[str]) -> list[str]:
        """Remove what an interrupted installation left, and every version that is not in ``keep``; gives the names."""
        gone = [path for path in self._folders() if path.name not in keep]
        for path in gone:
            # Without its record first: a removal that is cut off leaves debris, not half a version.
            (path / RECORD).unlink(missing_ok=True)
            shutil.rmtree(path, ignore_errors=True)
        return [path.name for path in gone]

    def _folders(self) -> list[Path]:
        return [p for p in sorted(self.prefix.glob("[0-9]*")) if p.is_dir() and not p.is_symlink()]

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Only one installer at a time. Raises ``InstallFault`` where there is another."""
        self.prefix.mkdir(parents=True, exist_ok=True)
        with (self.prefix / ".lock").open("w") as file:
            try:
                flock(file, LOCK_EX | LOCK_NB)
            except OSError as error:
                raise InstallFault(
                    "Another installation of Earmark is under way", "Wait until it is done, and try again."
                ) from error
            yield


def settle(folder: Path) -> None:
    """Bring the names in ``folder`` to the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write(path: Path, text: str, mode: int = 0o644) -> bool:
    """Make ``path`` hold ``text``, in one step; gives whether that changed anything."""
    if path.is_file() and path.read_text("utf-8", "replace") == text and path.stat().st_mode & 0o777 == mode:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.new")
    with fresh.open("w", encoding="utf-8") as file:
        file.write(text)
        os.fchmod(file.fileno(), mode)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    settle(path.parent)
    return True
