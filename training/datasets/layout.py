"""What a layout is: how a folder is recognised, and what its names and tables say about each file.

Takes folders; gives ``Labelled`` files, or ``SetAside`` with a reason. No audio is opened here. Must hold: the order is
that of the sorted paths; hidden files and what archivers of macOS add are passed over, every other audio file below
the root is told of; paths are relative and have no ``..`` in them.
"""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

from edge.audio.sniff import AUDIO_SUFFIXES
from edge.errors import UsageError
from training.data.shards import SetAside

SUFFIXES: Final = AUDIO_SUFFIXES | {".m4b"}

_MACOS: Final = "__MACOSX"
_LOOKED_AT: Final = 40
"""Files that are looked at to recognise a layout."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """A file and what its set says about it.

    ``path``: relative to the root, with ``/``. ``split``: ``train``, ``dev``, ``test`` or ``noise``. ``speaker``: ""
    where unknown. ``gender``: ``f``, ``m`` or "". ``emotion``, ``language``: "" where the set gives none. ``set``:
    "" for the layout's own name.
    """

    path: str
    speaker: str
    gender: str = ""
    emotion: str = ""
    language: str = ""
    split: str = "train"
    set: str = ""


Found = Labelled | SetAside
Parse = Callable[[str], Labelled | None]
"""From a relative path to a label, or None where the path is none of this layout."""


@dataclass(frozen=True, slots=True)
class Layout:
    """A way in which a set lies on a disk.

    ``name``: of the set, the key of ``catalogue``. ``looks``: a path, as people see it. ``recognise``: cheap, looks at
    a few names. ``find``: all audio files below the root. ``cut_seconds``: length of the pieces that its recordings
    are to be cut into, 0 for recordings that are clips already. ``splits``: the set has its own.
    """

    name: str
    looks: str
    recognise: Callable[[Path], bool]
    find: Callable[[Path], Iterator[Found]]
    cut_seconds: float = 0.0
    splits: bool = False


def audio_below(root: Path, under: str = "") -> Iterator[str]:
    """Relative paths of the audio files below ``root/under``, by suffix, sorted folder by folder."""
    for place, folders, names in os.walk(root / under):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name != _MACOS)
        for name in sorted(names):
            if not name.startswith(".") and Path(name).suffix.lower() in SUFFIXES:
                yield Path(place, name).relative_to(root).as_posix()


def by_name(root: Path, parse: Parse, *, title: str, under: str = "", twice: bool = True) -> Iterator[Found]:
    """Label every audio file below ``root/under`` by its path.

    Files whose path says nothing are set aside; and so is, where not ``twice``, a second file of the same name: some
    archives hold everything two times over.
    """
    seen: dict[str, str] = {}
    for path in audio_below(root, under):
        name = Path(path).name
        if not twice and name in seen:
            yield SetAside(path, f"a second copy of {seen[name]}")
            continue
        seen[name] = path
        yield parse(path) or SetAside(path, f"not labelled: {title} has no file of such a name")


def looks_like(root: Path, folders: Iterable[str], pattern: re.Pattern[str]) -> bool:
    """Whether most of the first audio files of one of ``folders`` (globs below ``root``) match ``pattern`` by name."""
    for glob in folders:
        places = [root] if glob == "." else (path for path in root.glob(glob) if path.is_dir())
        for folder in islice(places, _LOOKED_AT):
            names = [name for name in _names(folder) if Path(name).suffix.lower() in SUFFIXES][:_LOOKED_AT]
            if names and 2 * sum(bool(pattern.fullmatch(name)) for name in names) > len(names):
                return True
    return False


def folders_in(folder: Path) -> list[Path]:
    """Visible folders of a folder, sorted; none where it cannot be listed."""
    try:
        return sorted(
            path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".") and path.name != _MACOS
        )
    except OSError:
        return []


def gender_of(word: str) -> str:
    """``f``, ``m``, or "" for anything else that a table may say."""
    first = word.strip().lower()[:1]
    return first if first in ("f", "m") else ""


def table(path: Path, delimiter: str = ",") -> list[dict[str, str]]:
    """Rows of a text table with a head; blanks around names and values are removed, missing values are "".

    Raises ``UsageError`` where it cannot be read.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            # Without quoting: transcripts hold lone quotation marks.
            rows = csv.DictReader(file, delimiter=delimiter, quoting=csv.QUOTE_NONE)
            return [{(key or "").strip(): _text(value) for key, value in row.items()} for row in rows]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{path} cannot be read ({error})", "Download it again.") from error


def beside(root: Path, name: str, up: int = 3) -> Path | None:
    """A file in ``root`` or in one of the folders above it, whatever its letters' case."""
    for folder in (root, *root.absolute().parents)[: up + 1]:
        for path in _names(folder):
            if path.lower() == name.lower() and (folder / path).is_file():
                return folder / path
    return None


def _names(folder: Path) -> list[str]:
    try:
        return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
    except OSError:
        return []


def _text(value: str | list[str] | None) -> str:
    return value.strip() if isinstance(value, str) else ""
