"""What speech there is: reads the ``manifest.tsv`` that describes a folder of recordings.

Takes a folder with ``manifest.tsv`` (tab-separated, header ``path split set speaker gender emotion language seconds
licence source``; ``path`` relative to the folder). Gives frozen ``Recording`` rows. Reads no audio.

Must hold: rows keep the manifest's order; a manifest that lacks a column or has a broken line is refused with its line
number, never half read.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from edge.errors import UsageError

MANIFEST: Final = "manifest.tsv"
COLUMNS: Final = (
    "path", "split", "set", "speaker", "gender", "emotion", "language", "seconds", "licence", "source",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Recording:
    """One file of a corpus.

    ``path``: relative to the corpus folder. ``split``: ``train``, ``dev``, ``test``, ``noise`` or ``rir``. ``set``: the
    corpus it comes from. ``speaker``: "" where unknown. ``gender``: ``f``, ``m`` or "" where the source gives none.
    ``seconds``: length of the file.
    """

    path: str
    split: str
    set: str
    speaker: str
    gender: str
    emotion: str
    language: str
    seconds: float
    licence: str
    source: str


def read_manifest(folder: Path) -> tuple[Recording, ...]:
    """Read ``folder/manifest.tsv``. Raises ``UsageError`` naming the file and line where it cannot be understood."""
    path = folder / MANIFEST
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file, delimiter="\t")
            missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
            if missing:
                raise UsageError(
                    f"{path} has no column {missing[0]}", f"Its first line must name {', '.join(COLUMNS)}."
                )
            return tuple(_recording(row, path, number) for number, row in enumerate(reader, start=2))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(
            f"{path} cannot be read ({error})", "Point --speech at a folder of speech that has a manifest.tsv."
        ) from error


def _recording(row: dict[str, str | None], path: Path, number: int) -> Recording:
    values = {name: row[name] for name in COLUMNS}
    if any(value is None for value in values.values()):
        raise UsageError(f"Line {number} of {path} has too few columns", f"Each line needs {len(COLUMNS)}.")
    text = {name: value or "" for name, value in values.items()}
    try:
        seconds = float(text.pop("seconds"))
    except ValueError:
        raise UsageError(f"Line {number} of {path} has no length in seconds", "Correct or remove it.") from None
    return Recording(seconds=seconds, **text)


def by_speaker(recordings: Iterable[Recording]) -> dict[tuple[str, str], tuple[Recording, ...]]:
    """Group labelled recordings by ``(set, speaker)``, in order of first appearance; unknown speakers are left out."""
    groups: dict[tuple[str, str], list[Recording]] = {}
    for recording in recordings:
        if recording.speaker:
            groups.setdefault((recording.set, recording.speaker), []).append(recording)
    return {key: tuple(rows) for key, rows in groups.items()}
