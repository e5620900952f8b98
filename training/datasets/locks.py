"""What was fetched, and what its bytes are from then on.

Takes archives; keeps ``archives/NAME/lock.json`` beside them. Must hold: an archive is checked against the published
checksum where there is one, and against what the first download of it was in any case; the note is written in one step.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final

from edge.errors import StorageError
from training.data.npy import write_text
from training.datasets.catalogue import Archive

LOCK: Final = "lock.json"
_BLOCK_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Noted:
    """An archive that was fetched. ``checked``: ``published`` or ``first download``. ``day``: ISO date of it.
    ``unpacked``: into the folder of the set, completely.
    """

    url: str
    size: int
    sha256: str
    checked: str
    licence: str
    day: str
    unpacked: bool = False


class Lock:
    """The notes of one set."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / LOCK
        self._notes: dict[str, Noted] = {}
        if self._path.is_file():
            try:
                raw = json.loads(self._path.read_text(encoding="utf-8"))
                self._notes = {file: Noted(**note) for file, note in raw.items()}
            except (OSError, ValueError, TypeError, AttributeError) as error:
                raise StorageError(f"{self._path} cannot be read ({error})", "Remove it.") from error

    def get(self, file: str) -> Noted | None:
        """The note about an archive."""
        return self._notes.get(file)

    def put(self, file: str, note: Noted) -> None:
        """Note it. Raises ``OSError``."""
        self._notes[file] = note
        text = {name: asdict(one) for name, one in sorted(self._notes.items())}
        write_text(self._path, json.dumps(text, indent=2) + "\n")

    def unpacked(self, file: str) -> None:
        """Note that it was unpacked. Raises ``OSError``."""
        self.put(file, replace(self._notes[file], unpacked=True))

    def check(self, archive: Archive, path: Path, advance: Callable[[int], None]) -> str:
        """Compare a file's bytes with what they should be; gives its SHA-256 in hex digits.

        ``advance`` is told how many more bytes were read. Raises ``StorageError`` saying what differs.
        """
        kind, _, digest = archive.checksum.partition(":")
        found = _digests(path, {"sha256", kind} - {""}, advance)
        if digest and found[kind] != digest:
            raise StorageError(
                f"{path.name} is not what was published: its {kind.upper()} is {found[kind]} instead of {digest}",
                "Fetch again, and if that doesn't help take another --mirror.",
            )
        noted = self.get(archive.file)
        if noted and noted.sha256 != found["sha256"]:
            raise StorageError(
                f"{path.name} is not what it was on {noted.day}: its SHA-256 is {found['sha256']} instead of "
                f"{noted.sha256}",
                f"Where the set was really given out anew, delete {self._path} and fetch again.",
            )
        return found["sha256"]


def _digests(path: Path, kinds: set[str], advance: Callable[[int], None]) -> dict[str, str]:
    # MD5 is no protection against malice; it is what some publishers give, and finds damage.
    sums = {kind: hashlib.new(kind, usedforsecurity=False) for kind in kinds}
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            for one in sums.values():
                one.update(block)
            advance(len(block))
    return {kind: one.hexdigest() for kind, one in sums.items()}
