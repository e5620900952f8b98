"""A folder per person: one's own recordings, and LibriVox audiobooks.

Takes a folder of folders named after people; gives ``Labelled`` files. A table ``speakers.tsv`` beside them may say
more: columns ``speaker``, ``gender`` and ``language``, of which only the first is needed. Must hold: everything below a
person's folder is that person's; what lies beside the folders belongs to nobody and is set aside.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Final

from training.data.shards import SetAside
from training.datasets.layout import Found, Labelled, Layout, audio_below, folders_in, gender_of, table

TABLE: Final = "speakers.tsv"

_CHAPTER: Final = re.compile(r".*(_(64|128)kb|librivox).*", re.IGNORECASE)
"""LibriVox names its files ``fables_01_aesop_64kb.mp3``, archive.org its folders ``fables_librivox``."""

CUT_SECONDS: Final = 5.0
"""Length of the pieces of an audiobook, which is what closed-set recipes were always trained on."""


def _by_folder(root: Path, name: str) -> Iterator[Found]:
    rows = table(root / TABLE, "\t") if (root / TABLE).is_file() else []
    facts = {row.get("speaker", ""): row for row in rows}
    met: set[str] = set()
    for path in audio_below(root):
        parts = PurePosixPath(path).parts
        if len(parts) < 2:
            yield SetAside(path, "not labelled: it lies in no person's folder")
            continue
        met.add(parts[0])
        row = facts.get(parts[0], {})
        yield Labelled(path, parts[0], gender_of(row.get("gender", "")), "", row.get("language", ""), set=name)
    for speaker in facts.keys() - met:
        yield SetAside(f"{TABLE}: {speaker}", "missing: there is no folder with recordings of that name")


def _librivox_here(root: Path) -> bool:
    for person in folders_in(root):
        paths = [path for _, path in zip(range(20), audio_below(person), strict=False)]
        if paths and all(_CHAPTER.fullmatch(f"{person.name}/{path}") for path in paths):
            return True
    return False


LIBRIVOX: Final = Layout(
    "librivox",
    "reader/book_librivox/book_01_author_64kb.mp3, speakers.tsv",
    _librivox_here,
    lambda root: _by_folder(root, ""),
    cut_seconds=CUT_SECONDS,
)

FOLDERS: Final = Layout(
    "folders",
    "ann/monday.wav, bob/a/b.flac, speakers.tsv",
    lambda root: any(next(audio_below(person), None) for person in folders_in(root)),
    lambda root: _by_folder(root, root.absolute().name),
)
