"""Unpacks archives without ever leaving the folder.

Takes a ``.zip`` or ``.tar`` (also compressed) archive and a folder; gives files. Must hold: a member whose name leads
out of the folder stops it, and so does a folder that a link has taken elsewhere; links and devices are never made but
told of; a file under its name is whole, so that unpacking can be interrupted and begun again.
"""

from __future__ import annotations

import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from lzma import LZMAError
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO, Final

from edge.errors import StorageError
from training.data.npy import part_of

_BLOCK_BYTES: Final = 1 << 20
_FREE_BYTES: Final = 64 << 20
"""What unpacking leaves of a disk."""


@dataclass(frozen=True, slots=True)
class Member:
    """A regular file of an archive. ``name``: as the archive says."""

    name: str
    size: int
    open: Callable[[], IO[bytes]]


def unpack(archive: Path, folder: Path, advance: Callable[[int], None]) -> list[str]:
    """Unpack into ``folder``; gives the names of members that are no files and were left out.

    ``advance`` is told how many more bytes of the archive are done, as near as that is known. Raises ``StorageError``:
    unsafe, damaged, of no known kind, or no room left.
    """
    left_out: list[str] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        root = folder.resolve()
        reader = _zip_members if zipfile.is_zipfile(archive) else _tar_members
        with closing(reader(archive, left_out, advance)) as members:
            for member in members:
                _write(member, _inside(root, member.name, archive), archive)
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, zlib.error, LZMAError, NotImplementedError) as error:
        raise StorageError(f"{archive.name} is damaged or no archive ({error})", "Fetch it again.") from error
    except RuntimeError as error:  # zipfile says so about encrypted members
        raise StorageError(f"{archive.name} cannot be unpacked ({error})", "Unpack it by hand.") from error
    except OSError as error:
        raise StorageError(f"{archive.name} cannot be unpacked to {folder} ({error})", "Is the disk full?") from error
    return left_out


def safe_name(name: str) -> bool:
    """Whether a member's name stays inside the folder on any system."""
    posix, windows = PurePosixPath(name), PureWindowsPath(name)
    odd = "\x00" in name or windows.drive or windows.is_absolute() or posix.is_absolute()
    return not odd and bool(posix.parts) and ".." not in posix.parts and ".." not in windows.parts


def _inside(root: Path, name: str, archive: Path) -> Path:
    """Where a member goes. Raises ``StorageError`` for a way out."""
    target = root / PurePosixPath(name) if safe_name(name) else root
    # An earlier content of the folder may hold links that lead elsewhere.
    if target == root or not target.parent.resolve().is_relative_to(root):
        raise StorageError(
            f"{archive.name} is unsafe: its member {name!r} leads out of the folder",
            "It was not unpacked further. Do not use this archive.",
        )
    return target


def _write(member: Member, target: Path, archive: Path) -> None:
    if target.is_file() and not target.is_symlink() and target.stat().st_size == member.size:
        return  # an interrupted run's; files appear under their names only when they are whole
    target.parent.mkdir(parents=True, exist_ok=True)
    if shutil.disk_usage(target.parent).free < member.size + _FREE_BYTES:
        raise StorageError(f"There is no room for {member.name} of {archive.name}", "Make some, and fetch again.")
    part = part_of(target)
    try:
        written = 0
        with member.open() as source, part.open("wb") as file:
            while block := source.read(_BLOCK_BYTES):
                written += len(block)
                if written > member.size:
                    raise StorageError(f"{archive.name} is unsafe: {member.name} is longer than it says", "")
                file.write(block)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def _zip_members(archive: Path, left_out: list[str], advance: Callable[[int], None]) -> Generator[Member]:
    with zipfile.ZipFile(archive) as file:
        for info in file.infolist():  # all names first: nothing is written of an archive that has a bad one
            if not info.is_dir():
                _inside_any(info.filename, archive)
        for info in file.infolist():
            kind = stat.S_IFMT(info.external_attr >> 16)
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                left_out.append(info.filename)
            elif not info.is_dir():
                yield Member(info.filename, info.file_size, partial(file.open, info))
            advance(info.compress_size)


def _inside_any(name: str, archive: Path) -> None:
    if not safe_name(name):
        raise StorageError(
            f"{archive.name} is unsafe: its member {name!r} leads out of the folder",
            "Nothing of it was unpacked. Do not use this archive.",
        )


def _tar_members(archive: Path, left_out: list[str], advance: Callable[[int], None]) -> Generator[Member]:
    with archive.open("rb") as raw, tarfile.open(fileobj=raw, mode="r:*") as file:
        done = 0
        for info in file:
            if info.isreg():
                yield Member(info.name, info.size, partial(_tar_stream, file, info))
            elif not info.isdir():
                left_out.append(info.name)
            advance(raw.tell() - done)
            done = raw.tell()
            vars(file)["members"].clear()  # else a hundred thousand entries pile up


def _tar_stream(file: tarfile.TarFile, info: tarfile.TarInfo) -> IO[bytes]:
    stream = file.extractfile(info)
    if stream is None:
        raise tarfile.ReadError(f"{info.name} has no content")
    return stream
