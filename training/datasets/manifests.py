"""Writes ``manifest.tsv`` and ``set-aside.tsv``.

Takes rows; gives files that ``training.corpus.read_manifest`` reads. Must hold: a file under its name is whole; writing
a set again replaces that set's rows and leaves the others' alone.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from training.corpus import COLUMNS, MANIFEST, Recording, read_manifest
from training.data.npy import write_text
from training.data.shards import SetAside

SET_ASIDE: Final = "set-aside.tsv"
_ASIDE_COLUMNS: Final = ("set", "path", "reason")


def write_manifest(folder: Path, recordings: Sequence[Recording]) -> None:
    """Write ``folder/manifest.tsv``. Raises ``OSError``."""
    _write(folder / MANIFEST, COLUMNS, ([str(getattr(row, name)) for name in COLUMNS] for row in recordings))


def merged(folder: Path, recordings: Sequence[Recording]) -> tuple[Recording, ...]:
    """``recordings`` with what the manifest in ``folder`` says about other sets before them."""
    mine = {row.set for row in recordings}
    there = read_manifest(folder) if (folder / MANIFEST).is_file() else ()
    return (*(row for row in there if row.set not in mine), *recordings)


def write_set_aside(folder: Path, source: str, rows: Sequence[SetAside]) -> None:
    """Write what was set aside of ``source`` to ``folder/set-aside.tsv``, beside what is told of other sources."""
    kept: list[list[str]] = []
    path = folder / SET_ASIDE
    if path.is_file():
        with path.open(encoding="utf-8", newline="") as file:
            kept = [row for row in csv.reader(file, delimiter="\t") if row and row[0] not in ("set", source)]
    found = kept + [[source, row.path, row.reason] for row in rows]
    if found:
        _write(path, _ASIDE_COLUMNS, found)
    else:
        path.unlink(missing_ok=True)


def _write(path: Path, head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter="\t", lineterminator="\n")
    writer.writerow(head)
    writer.writerows(rows)
    write_text(path, text.getvalue())
