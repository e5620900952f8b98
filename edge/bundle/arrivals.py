"""Newer versions of the bundle in use, in a folder into which somebody has put them.

Takes the folder and the bundle in use. Gives ``Offer``s. Must hold: a file that is no bundle, has another name, is not
newer, makes other embeddings or is not signed as ``models.trusted_keys`` asks is none; only cards are read here, and
each once until its file changes.
"""

from __future__ import annotations

import logging
import re
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from edge.bundle import keys
from edge.bundle.card import Card, parse_card
from edge.bundle.files import LARGEST_BUNDLE_BYTES, card_and_signature
from edge.bundle.locate import SUFFIX
from edge.bundle.opened import Bundle
from edge.bundle.signature import check
from edge.bundle.spaces import comparable
from edge.errors import BundleError

_LOG = logging.getLogger(__name__)
_MOST_FILES: Final = 32
_VERSION: Final = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9}){0,7}")


@dataclass(frozen=True, slots=True)
class Offer:
    """A bundle that could take the place of the one in use. ``stamp``: of its file; another one means another file."""

    path: Path
    card: Card
    stamp: str

    @property
    def version(self) -> str:
        """As its card says."""
        return keys.text(self.card.raw, "version")

    @property
    def model(self) -> str:
        """Name and version, as events carry it."""
        return f"{self.card.name}-{self.version}"


class Arrivals:
    """``folder``: may be missing; ``trusted``: public keys, one of which must have signed a bundle where there are any.

    For one thread.
    """

    def __init__(self, folder: Path, trusted: Sequence[str]) -> None:
        self._folder = folder
        self._trusted = trusted
        self._read: dict[str, Card | None] = {}

    def offers(self, used: Bundle) -> list[Offer]:
        """What could take the place of ``used``, the newest first."""
        cards = {(path, stamp): self._card(path, stamp) for path, stamp in self._files()}
        self._read = {stamp: card for (_, stamp), card in cards.items()}
        found = [
            Offer(path, card, stamp)
            for (path, stamp), card in cards.items()
            if card is not None and card.name == used.name and comparable(card, used)
        ]
        now = str(used.card["version"])
        return sorted((one for one in found if newer(one.version, now)), key=_order, reverse=True)

    def _files(self) -> Iterator[tuple[Path, str]]:
        try:
            paths = sorted(path for path in self._folder.iterdir() if path.suffix == SUFFIX)
        except OSError:
            return
        for path in paths[:_MOST_FILES]:
            try:
                status = path.lstat()
            except OSError:  # gone meanwhile
                continue
            if stat.S_ISREG(status.st_mode) and status.st_size <= LARGEST_BUNDLE_BYTES:
                yield path, f"{path.name}:{status.st_mtime_ns}:{status.st_size}"

    def _card(self, path: Path, stamp: str) -> Card | None:
        if stamp in self._read:
            return self._read[stamp]
        try:
            data, signature = card_and_signature(path)
            if self._trusted:
                check(path, data, signature, self._trusted)
            return parse_card(data)
        except BundleError as error:  # it may be on its way still
            _LOG.info("not offered: %s", error.sentence())
            return None


def newer(one: str, other: str) -> bool:
    """Whether version ``one`` comes after ``other``. Of versions that are not numbers with dots between, none does."""
    mine, theirs = _numbers(one), _numbers(other)
    return mine is not None and theirs is not None and mine > theirs


def _numbers(version: str) -> tuple[int, ...] | None:
    """1.2 and 1.2.0 are the same."""
    if not _VERSION.fullmatch(version):
        return None
    return tuple(map(int, re.sub(r"(\.0+)+$", "", version).split(".")))


def _order(offer: Offer) -> tuple[tuple[int, ...], str]:
    return _numbers(offer.version) or (), offer.stamp
