"""All layouts, and which of them a folder is.

Takes a folder; gives the places in it where sets begin, each with its layout. Must hold: a set may lie as deep as
archives put it; what says "manifest" is never looked into; a folder per person is what remains when nothing else fits.
"""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import Final

from edge.errors import UsageError
from training.corpus import MANIFEST
from training.datasets.acted import ACTED
from training.datasets.folders import FOLDERS, LIBRIVOX
from training.datasets.layout import Layout, folders_in
from training.datasets.people import PEOPLE
from training.datasets.words import WORDS

LAYOUTS: Final = (*PEOPLE, *ACTED, *WORDS, LIBRIVOX, FOLDERS)
"""In the order in which they are tried."""

_DEPTH: Final = 3
"""Folders below the given one in which sets are looked for: ``speech/librispeech/LibriSpeech``, say."""

_MOST: Final = 100
"""Folders side by side in which sets are looked for; where there are more, they are people."""


def layout_named(name: str) -> Layout:
    """The layout of that name. Raises ``UsageError`` that lists all."""
    known = {layout.name: layout for layout in LAYOUTS}
    if name in known:
        return known[name]
    near = get_close_matches(name, known, n=1)
    hint = f"Did you mean {near[0]}?" if near else f"There are {', '.join(known)}."
    raise UsageError(f"There is no layout {name!r}", hint)


def discover(folder: Path) -> list[tuple[Path, Layout | None]]:
    """Where sets begin in ``folder``, with their layouts; None stands for a folder with a manifest.

    Raises ``UsageError`` where there is no such folder, or nothing in it is known.
    """
    if not folder.is_dir():
        raise UsageError(f"{folder} is no folder", "Name a folder of speech.")
    found = list(_below(folder, _DEPTH))
    if not found and FOLDERS.recognise(folder):
        found = [(folder, FOLDERS)]
    if not found:
        raise UsageError(
            f"{folder} holds no manifest.tsv and no set that is known here",
            "docs/datasets.md shows the layouts; a folder per person is one.",
        )
    return found


def _below(folder: Path, depth: int) -> Iterator[tuple[Path, Layout | None]]:
    if (folder / MANIFEST).is_file():
        yield folder, None
        return
    layout = next((one for one in LAYOUTS if one is not FOLDERS and one.recognise(folder)), None)
    if layout:
        yield folder, layout
    elif depth and len(inside := folders_in(folder)) <= _MOST:
        for inner in inside:
            yield from _below(inner, depth - 1)
