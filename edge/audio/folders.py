"""Folders of recordings as a source.

Takes: a folder. Gives: its audio files in order, and their sound as one stream. Must hold: the order is that of the
sorted paths; one bad file is reported and never stops the others; hidden files and what is no audio are passed over.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from edge.audio.files import FileSource
from edge.audio.sniff import AUDIO_SUFFIXES, HEAD_BYTES, sniff
from edge.errors import AudioFileError
from edge.records import SAMPLE_RATE, AudioBlock, Clock

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Listing:
    """The audio files of a folder, sorted, and the errors of those that look like audio and cannot be used."""

    files: tuple[Path, ...]
    problems: tuple[AudioFileError, ...]


def audio_files(folder: str | Path) -> Listing:
    """Audio files of a folder and of the folders inside it, told by their content.

    Files whose suffix promises audio that the content does not hold are ``problems``; hidden files and folders and
    everything else are passed over. Raises ``AudioFileError`` where there is no such folder.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise AudioFileError(f"{folder} is not a folder" if folder.exists() else f"{folder} does not exist")
    files: list[Path] = []
    problems: list[AudioFileError] = []
    for path in _visible_files(folder, problems):
        try:
            with path.open("rb") as file:
                kind = sniff(file.read(HEAD_BYTES))
        except OSError as error:
            problems.append(_unreadable(error, path))
            continue
        if kind and kind.readable:
            files.append(path)
        elif kind or path.suffix.lower() in AUDIO_SUFFIXES:
            problems.append(_reason(path))
    return Listing(tuple(files), tuple(problems))


def _visible_files(folder: Path, problems: list[AudioFileError]) -> list[Path]:
    found: list[Path] = []
    for place, folders, names in os.walk(folder, onerror=lambda error: problems.append(_unreadable(error, folder))):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(place, name) for name in names if not name.startswith(".")]
    return sorted(path for path in found if path.is_file())  # no pipes: opening one would wait for ever


def _unreadable(error: OSError, path: Path) -> AudioFileError:
    return AudioFileError(f"{error.filename or path} cannot be opened: {(error.strerror or str(error)).lower()}")


def _reason(path: Path) -> AudioFileError:
    """The very error that reading the file gives."""
    try:
        next(FileSource(path).blocks(), None)
    except AudioFileError as error:
        return error
    return AudioFileError(f"{path} is not audio that Earmark can read")


class FolderSource:
    """All audio files of a folder as one stream, with ``gap_seconds`` of silence between them.

    ``problems`` collects the errors of single files and ``notes`` what was wrong with usable ones; ``current`` is the
    file being read. ``realtime`` and ``clock`` as in ``FileSource``.
    """

    def __init__(
        self,
        folder: str | Path,
        block_ms: int = 100,
        *,
        gap_seconds: float = 1.0,
        realtime: bool = False,
        clock: Clock | None = None,
    ) -> None:
        self.folder = Path(folder)
        self.problems: list[AudioFileError] = []
        self.notes: list[str] = []
        self.current: Path | None = None
        self._block_ms = block_ms
        self._realtime = realtime
        self._clock = clock
        self._gap = np.zeros(round(gap_seconds * SAMPLE_RATE), dtype=np.float32)
        self._closed = threading.Event()
        self._source: FileSource | None = None

    @property
    def name(self) -> str:
        """``folder:`` and the folder's own name."""
        return f"folder:{self.folder.resolve().name}"

    @property
    def live(self) -> bool:
        """False: files wait."""
        return False

    def blocks(self) -> Iterator[AudioBlock]:
        """Yield the blocks of every usable file.

        Raises ``AudioFileError`` where the folder has none; a single bad file ends up in ``problems``.
        """
        listing = audio_files(self.folder)
        self.problems, self.notes = list(listing.problems), []
        for problem in listing.problems:
            _log.warning("%s", problem.sentence())
        end = 0
        for path in listing.files:
            for block in self._shifted(path, end):
                yield block
                end = block.start + len(block.samples)
        if not end and not self._closed.is_set():
            found = f"; the first problem: {self.problems[0].cause}" if self.problems else ""
            raise AudioFileError(f"{self.folder} holds no audio file that can be used{found}")

    def close(self) -> None:
        """End ``blocks`` and release the file being read."""
        self._closed.set()
        if source := self._source:
            source.close()

    def _shifted(self, path: Path, end: int) -> Iterator[AudioBlock]:
        """The blocks of one file on the clock of the whole; a gap comes first unless it is the first with sound."""
        self.current = path
        self._source = source = FileSource(path, self._block_ms, realtime=self._realtime, clock=self._clock)
        if self._closed.is_set():  # closed between two files
            return
        offset = end + len(self._gap) if end else 0
        try:
            for index, block in enumerate(source.blocks()):
                if index == 0 and end:
                    yield AudioBlock(self._gap, start=end)
                yield replace(block, start=block.start + offset)
        except AudioFileError as error:
            self.problems.append(error)
            _log.warning("%s", error.sentence())
        self.notes += source.notes
