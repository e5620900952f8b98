"""Packs of label heads: opened, and put on the encoder that they were trained on.

Takes: names or paths; what an opened bundle computes. Gives: ``Pack``; heads by kind.
Must hold: every fault of a pack is found when it is opened, for whatever encoder; a head never sees the frame features
of another encoder than its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from edge.bundle.files import load_npz, read_pack
from edge.bundle.label_card import PackCard, Trunk
from edge.bundle.labels import Labels
from edge.bundle.locate import asked_of, locate
from edge.errors import BundleError
from edge.records import LabelKind


@dataclass(frozen=True, slots=True, eq=False)
class Pack:
    """An opened pack; made by ``open_pack``. ``heads``: in the order of ``card.trunks``."""

    path: Path
    card: PackCard
    heads: tuple[Mapping[LabelKind, Labels], ...]

    @property
    def title(self) -> str:
        """Name and version, such as ``emotion-ravdess-1.0.0``."""
        return f"{self.card.name}-{self.card.version}"

    def fitting(self, trunk: Trunk) -> Mapping[LabelKind, Labels] | None:
        """The heads for an encoder, None where it has none for it."""
        for (known, _), heads in zip(self.card.trunks, self.heads, strict=True):
            if not known.difference(trunk):
                return heads
        return None

    def refusal(self, bundle: str, trunk: Trunk) -> BundleError:
        """Why it does not fit ``bundle``, whose encoder is ``trunk``."""
        made_for = list(dict.fromkeys(known.bundle for known, _ in self.card.trunks))
        # Of several the one that was meant for a bundle of this name, else the first, tells the most.
        known = next((known for known, _ in self.card.trunks if known.bundle == bundle), self.card.trunks[0][0])
        return BundleError(
            f"the pack {self.card.name} does not fit the bundle {bundle}: {known.difference(trunk)} "
            f"(the pack was made for {' and '.join(made_for)})",
            "Set models.bundle to one that the pack was made for, get the pack made for this bundle, or take it out of "
            "models.packs.",
        )


def open_pack(name: str | Path, directories: Sequence[Path] | None = None, trusted: Sequence[str] = ()) -> Pack:
    """Open an installed pack by name, or one by the path of its folder or ``.earmark`` file.

    ``directories``: as for ``installed_bundles``. ``trusted``: public keys, as ``models.trusted_keys``. Raises
    ``BundleError`` for a pack that is missing, corrupt, not computable, or not signed by one of the trusted keys.
    """
    path = locate(name, directories, pack=True)
    try:
        card, contents = read_pack(path, asked_of(path, trusted))
        heads = tuple(
            {kind: Labels.from_arrays(load_npz(contents[head.file], head.file), head) for kind, head in found.items()}
            for _, found in card.trunks
        )
    except BundleError as error:
        if str(path) in error.cause:
            raise
        raise BundleError(f"the pack {path}: {error.cause}", error.remedy) from error
    return Pack(path, card, heads)


def standing_on(packs: Sequence[Pack], bundle: str, trunk: Trunk, width: int) -> dict[LabelKind, Labels]:
    """The heads of all ``packs`` for the encoder ``trunk`` of ``bundle``, whose pooled vectors are ``(width,)``.

    Raises ``BundleError`` for a pack that does not fit it, and for two packs that tell the same.
    """
    found: dict[LabelKind, Labels] = {}
    owners: dict[LabelKind, str] = {}
    for pack in packs:
        heads = pack.fitting(trunk)
        if heads is None:
            raise pack.refusal(bundle, trunk)
        for kind, head in heads.items():
            if kind in owners:
                raise BundleError(
                    f"the packs {owners[kind]} and {pack.card.name} both tell {kind}",
                    "Name only one of them in models.packs.",
                )
            if head.width != width:
                raise BundleError(
                    f"the pack {pack.card.name} takes {head.width} values, and the encoder of {bundle} gives {width}",
                    "Get the pack again, or make it again.",
                )
            found[kind], owners[kind] = head, pack.card.name
    return found
