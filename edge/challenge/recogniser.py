"""The digit recogniser of a language: a folder with ``digits.json`` and an int8 network.

Takes a language's name or a folder. Gives a ``Recogniser``: samples -> log-probabilities of the words per frame, and
verdicts about strings. Must hold: what it answers depends on the samples alone.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Final

from edge.challenge.outcome import ChallengeOutcome
from edge.errors import BundleError, UsageError
from edge.records import Float32
from edge.settings import bundle_dirs

CARD_NAME: Final = "digits.json"
PACKAGED: Final = Path(__file__).resolve().parent / "models"


class Recogniser:
    """One opened recogniser; threads may share it. ``words``: how digit 0, 1, ... is said."""

    def __init__(self, folder: Path) -> None:
        raise BundleError(f"{folder} holds no digit recogniser", "Train one: earmark train digits.")

    @property
    def words(self) -> tuple[str, ...]:
        """How digit 0, 1, ... is said."""
        return ()

    def judge(self, samples: Float32, digits: tuple[int, ...]) -> ChallengeOutcome:
        """Whether ``digits``, in order and nothing else of the kind, are said in ``samples`` float32 ``(n,)``."""
        return ChallengeOutcome(False, (), 0.0, "nothing_heard")


def languages() -> dict[str, Path]:
    """Language -> folder of every recogniser that is installed: the package's, and ``digits-LANGUAGE`` beside bundles.

    The first folder that has a language wins, the package's own comes last.
    """
    found: dict[str, Path] = {}
    for directory in bundle_dirs():
        for card in sorted(directory.glob(f"digits-*/{CARD_NAME}")):
            found.setdefault(card.parent.name.removeprefix("digits-"), card.parent)
    for card in sorted(PACKAGED.glob(f"*/{CARD_NAME}")):
        found.setdefault(card.parent.name, card.parent)
    return dict(sorted(found.items()))


def open_recogniser(language: str = "en", folder: Path | None = None) -> Recogniser:
    """Open the recogniser of ``language``, or the one in ``folder``; opened once per process.

    Raises ``UsageError`` for a language that has none, ``BundleError`` for one that is damaged.
    """
    if folder is None:
        known = languages()
        if language not in known:
            there = ", ".join(known) or "none"
            raise UsageError(
                f"There is no digit recogniser for the language {language!r}; there is {there}",
                "Train one: earmark train digits --words FILE --speech DIR --out OUT (docs/digits.md).",
            )
        folder = known[language]
    return _opened(folder.resolve())


@lru_cache(maxsize=4)
def _opened(folder: Path) -> Recogniser:
    return Recogniser(folder)
