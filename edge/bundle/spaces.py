"""Embedding spaces: which bundles' embeddings may be compared with each other.

Takes: cards, names of bundles. Gives: whether two encoders are comparable, and what installed bundles say about theirs.
Must hold: encoders of different spaces are never taken for comparable; nothing but cards is read here.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final, Protocol

from edge.bundle.card import Card
from edge.bundle.files import read_card
from edge.bundle.locate import installed_bundles, locate
from edge.errors import BundleError, SettingsError
from edge.settings import Settings

_AMBIGUOUS: Final = "\0"


class Spoken(Protocol):
    """What a card and an opened bundle have in common."""

    @property
    def name(self) -> str:
        """What it calls itself."""

    @property
    def encoder(self) -> str:
        """Hash of its encoder."""

    @property
    def space(self) -> str:
        """Name of its embedding space, empty where it has none."""


def comparable(one: Spoken, other: Spoken) -> bool:
    """Whether embeddings of the two may be compared: the same encoder, or one space that both name."""
    return one.encoder == other.encoder or (bool(one.space) and one.space == other.space)


def known_spaces(directories: Sequence[Path] | None = None) -> dict[str, str]:
    """Encoder's hash -> space, as the cards of the installed bundles say; ``directories`` as for ``installed_bundles``.

    It tells the space of voiceprints that were stored before spaces were. A card that cannot be read says nothing, and
    two cards that contradict each other about one encoder say nothing about it.
    """
    found: dict[str, str] = {}
    for path in installed_bundles(directories).values():
        try:
            card = read_card(path)
        except BundleError:
            continue
        if card.space:
            found[card.encoder] = card.space if found.get(card.encoder, card.space) == card.space else _AMBIGUOUS
    return {encoder: space for encoder, space in found.items() if space != _AMBIGUOUS}


def enrolment_bundle(settings: Settings, directories: Sequence[Path] | None = None) -> str:
    """Name or path of the bundle that enrols: ``enrolment.bundle``, or the one that listens where that is empty.

    Raises ``SettingsError`` where voiceprints of the one could not be compared by the other, and ``BundleError`` where
    one of them is missing.
    """
    enrols, listens = settings.enrolment.bundle, settings.models.bundle
    if not enrols or enrols == listens:
        return listens
    theirs, ours = (read_card(locate(name, directories)) for name in (enrols, listens))
    if not comparable(theirs, ours):
        raise SettingsError(
            f"enrolment.bundle ({enrols}: {in_words(theirs)}) makes voiceprints that models.bundle "
            f"({listens}: {in_words(ours)}) cannot compare",
            "Leave enrolment.bundle empty, or name two bundles of one space.",
        )
    return enrols


def in_words(one: Card | Spoken) -> str:
    """The space of a bundle, for a sentence."""
    return f"space {one.space}" if one.space else "a space of its own"
