"""Fetches a set: licence first, then archives, their checksums, and what is in them.

Takes a ``DataSet`` and choices; gives ``Fetched``. Archives lie in ``DIR/archives/NAME``, with ``lock.json`` beside
them, and are unpacked to ``DIR/NAME``. Must hold: nothing is unpacked that was not checked; every step goes on where it
stopped, and what is done is not done again, also by another process that was asked for the same set meanwhile.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from edge.cli.console import Console
from edge.cli.progress import Progress
from edge.errors import StorageError, UsageError
from training.datasets.catalogue import Archive, DataSet, parts_of, readable
from training.datasets.consent import ask
from training.datasets.download import discard, download
from training.datasets.locks import Lock, Noted
from training.datasets.unpack import safe_name, unpack

ARCHIVES: Final = "archives"
_ENDINGS: Final = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
_SPARE_BYTES: Final = 64 << 20


@dataclass(frozen=True, slots=True)
class Choices:
    """What a person may choose. ``parts``: of a set that has several. ``mirror``: address of a folder that holds the
    archives under the same names. ``urls``: of archives that the catalogue does not know. ``accepted``: licences.
    ``unpack``: False keeps the archives as they are. ``keep``: False removes them once unpacked.
    """

    parts: tuple[str, ...] = ()
    mirror: str = ""
    urls: tuple[str, ...] = ()
    accepted: tuple[str, ...] = ()
    unpack: bool = True
    keep: bool = True


@dataclass(frozen=True, slots=True)
class Fetched:
    """An archive. ``checked``: against what. ``left_out``: members that are no files."""

    file: str
    size: int
    sha256: str
    checked: str
    new: bool
    left_out: tuple[str, ...] = ()


def fetch(dataset: DataSet, folder: Path, choices: Choices, console: Console) -> list[Fetched]:
    """Fetch ``dataset`` to ``folder``.

    Raises ``UsageError`` (nothing to fetch, licence not accepted without a terminal), ``DeclinedError``,
    ``StorageError`` (no connection, another checksum, an unsafe archive, a full disk).
    """
    archives = _archives(dataset, choices)
    ask(dataset, archives, choices.accepted, console)
    store = folder / ARCHIVES / dataset.name
    try:
        store.mkdir(parents=True, exist_ok=True)
        with _alone(store, console):
            lock = Lock(store)
            _refuse_full_disk(store, archives, lock)
            work = _Work(dataset, folder, lock, choices, console)
            return [work.on(one) for one in archives]
    except OSError as error:
        raise StorageError(f"{folder} cannot be written ({error})", "Is the disk full?") from error


@contextmanager
def _alone(store: Path, console: Console) -> Iterator[None]:
    """Let nobody else fetch this set to this place meanwhile: two would write into the same files."""
    handle = os.open(store, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            console.note(f"Another process is fetching to {store}; this one goes on when that is done.")
            fcntl.flock(handle, fcntl.LOCK_EX)
        except OSError:
            console.note(f"{store} cannot be locked; let no other process fetch to it meanwhile.")
        yield
    finally:
        os.close(handle)


def _archives(dataset: DataSet, choices: Choices) -> tuple[Archive, ...]:
    if choices.urls:
        return tuple(_given(url, dataset) for url in choices.urls)
    if not dataset.archives:
        raise UsageError(
            f"{dataset.title} can't be fetched by a program", f"{dataset.by_hand} Home page: {dataset.home}"
        )
    return parts_of(dataset, choices.parts)


def _given(url: str, dataset: DataSet) -> Archive:
    """The archive under an address; one that the catalogue knows by its file's name keeps size and checksum."""
    file = Archive("", url).file
    if not file.lower().endswith(_ENDINGS) or not safe_name(file) or "/" in file:
        raise UsageError(f"{url} does not end like an archive", f"Its name must end in {', '.join(_ENDINGS)}.")
    known = next((one for one in dataset.archives if one.file == file), Archive(file, url))
    return replace(known, url=url)


@dataclass(frozen=True, slots=True)
class _Work:
    """What is the same for all archives of a set."""

    dataset: DataSet
    folder: Path
    lock: Lock
    choices: Choices
    console: Console

    def on(self, archive: Archive) -> Fetched:
        """Fetch, check and unpack one archive, as far as that is not done."""
        file, noted = archive.file, self.lock.get(archive.file)
        path = self.folder / ARCHIVES / self.dataset.name / file
        if noted and noted.unpacked and not path.exists():
            return Fetched(file, noted.size, noted.sha256, noted.checked, new=False)
        new = not path.exists()
        if new:
            mirror = self.choices.mirror.rstrip("/")
            with Progress(self.console, f"fetching {file}", archive.size) as bar:
                download(f"{mirror}/{file}" if mirror else archive.url, path, archive.size, _advance(bar, archive.size))
        to_unpack = self.choices.unpack and not (noted and noted.unpacked)
        if new or to_unpack or not noted:
            noted = self._checked(archive, path, noted, new)
        left_out = self._unpacked(path, noted) if to_unpack else []
        if self.choices.unpack and not self.choices.keep:
            path.unlink(missing_ok=True)
        return Fetched(file, noted.size, noted.sha256, noted.checked, new, tuple(left_out))

    def _checked(self, archive: Archive, path: Path, before: Noted | None, new: bool) -> Noted:
        with Progress(self.console, f"checking {path.name}", path.stat().st_size) as bar:
            try:
                digest = self.lock.check(archive, path, bar.advance)
            except StorageError as error:
                if not new:  # perhaps somebody put it there
                    raise StorageError(error.cause, f"Remove {path} where that is wrong. {error.remedy}") from error
                discard(path)
                raise StorageError(error.cause, f"It was removed. {error.remedy}") from error
        # What follows the question mark may be somebody's key.
        url, checked = archive.url.partition("?")[0], "published" if archive.checksum else "first download"
        note = before or Noted(
            url, path.stat().st_size, digest, checked,
            self.dataset.licence, datetime.now(UTC).date().isoformat(),
        )  # fmt: skip
        if not archive.checksum and not before:
            self.console.note(
                f"{path.name}: no checksum is published; this download's is noted, and later ones must equal it"
            )
        self.lock.put(path.name, note)
        return note

    def _unpacked(self, path: Path, noted: Noted) -> list[str]:
        with Progress(self.console, f"unpacking {path.name}", noted.size) as bar:
            left_out = unpack(path, self.folder / self.dataset.name, bar.advance)
        self.lock.unpacked(path.name)
        if left_out:
            self.console.note(f"{path.name}: {len(left_out)} links and the like were left out, such as {left_out[0]}")
        return left_out


def _advance(bar: Progress, size: int) -> Callable[[int], None]:
    done = 0

    def advance(amount: int) -> None:
        nonlocal done
        done += amount
        bar.advance(amount, f"{readable(done) if done else ''}{f' of {readable(size)}' if size else ''}")

    return advance


def _refuse_full_disk(store: Path, archives: Sequence[Archive], lock: Lock) -> None:
    missing = sum(one.size for one in archives if not (store / one.file).exists() and not lock.get(one.file))
    free = shutil.disk_usage(store).free
    if missing + _SPARE_BYTES > free:
        raise StorageError(
            f"{readable(missing)} are to be fetched and {readable(free)} are free at {store}", "Choose another disk."
        )
