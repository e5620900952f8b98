"""Which words count, and what recordings of them are called.

Takes a text file: a line per digit from 0 on, the word first, then other names under which recordings of it go
(``zero 0``). Gives ``WordList``. Must hold: no name stands for two digits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edge.errors import UsageError

LEAST_WORDS = 4


@dataclass(frozen=True, slots=True)
class WordList:
    """``words``: how digit 0, 1, ... is said. ``names``: name of a recording or folder -> digit."""

    words: tuple[str, ...]
    names: dict[str, int]

    @classmethod
    def of(cls, lines: Sequence[str]) -> WordList:
        """From lines; empty ones and those that begin with # don't count. Raises ``UsageError``."""
        words: list[str] = []
        names: dict[str, int] = {}
        for line in lines:
            if not line.strip() or line.lstrip().startswith("#"):
                continue
            for name in dict.fromkeys(line.lower().split()):
                if name in names:
                    raise UsageError(f"{name!r} stands for two words of the list", "Give each name to one word.")
                names[name] = len(words)
            words.append(line.split()[0])
        if len(words) < LEAST_WORDS:
            raise UsageError(f"The word list has {len(words)} words", f"Give at least {LEAST_WORDS}, a line each.")
        return cls(tuple(words), names)

    @classmethod
    def read(cls, path: Path) -> WordList:
        """From a file. Raises ``UsageError``."""
        try:
            return cls.of(path.read_text(encoding="utf-8").splitlines())
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"The word list {path} cannot be read ({error})", "Give a text file.") from error

    def said(self, path: Path) -> tuple[tuple[int, ...], str] | None:
        """The digits said in the recording ``path``, and who says them; None where neither name is in the list.

        ``three/maria_2.wav`` and ``three_maria_2.wav`` are Maria's three, ``3-7-1_maria_4.wav`` is a string of hers.
        """
        parts = path.stem.split("_")
        folder = self.names.get(path.parent.name.lower())
        if folder is not None:
            return (folder,), parts[0]
        found = [self.names.get(name) for name in parts[0].lower().split("-")]
        if any(digit is None for digit in found):
            return None
        return tuple(digit for digit in found if digit is not None), parts[1] if len(parts) > 1 else ""
