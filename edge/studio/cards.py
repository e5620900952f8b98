"""The cards of the models that are installed, as far as a person reads them.

Takes the bundle in use and the folders that bundles lie in. Gives ``ModelCard``s. Must hold: a model whose card cannot
be read is listed with the reason; no network is opened.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edge.bundle import installed_bundles, installed_packs, open_pack, read_card
from edge.errors import BundleError


@dataclass(frozen=True, slots=True)
class ModelCard:
    """``kind``: ``bundle`` or ``pack``. ``raw``: the card. ``size_bytes``: of all its files. ``problem``: why the card
    cannot be read, else "".
    """

    name: str
    kind: str
    path: Path
    in_use: bool
    raw: Mapping[str, Any] = field(default_factory=dict)
    size_bytes: int = 0
    problem: str = ""


def installed(directories: Sequence[Path], used: Sequence[Path]) -> tuple[ModelCard, ...]:
    """Every bundle, then every pack; those at the paths ``used`` are in use and come first."""
    found = [_read(name, "bundle", path, used) for name, path in installed_bundles(directories).items()]
    found += [_read(name, "pack", path, used) for name, path in installed_packs(directories).items()]
    return tuple(sorted(found, key=lambda card: (card.kind, not card.in_use, card.name)))


def _read(name: str, kind: str, path: Path, used: Sequence[Path]) -> ModelCard:
    in_use = path.resolve() in {one.resolve() for one in used}
    try:
        raw = read_card(path).raw if kind == "bundle" else open_pack(path).card.raw
    except BundleError as error:
        return ModelCard(name, kind, path, in_use, problem=error.sentence())
    return ModelCard(name, kind, path, in_use, raw, _size(path))


def _size(path: Path) -> int:
    return (
        sum(file.stat().st_size for file in path.iterdir() if file.is_file()) if path.is_dir() else path.stat().st_size
    )


def figure_rows(card: ModelCard) -> list[dict[str, str]]:
    """What was measured of a bundle, a row per trial list; empty for packs and cards without figures."""
    lists = card.raw.get("figures", {}).get("lists", {})
    if not isinstance(lists, Mapping):
        return []
    return [
        {
            "list": str(name),
            "people": _text(one, "speakers", "{:.0f}"),
            "trials": _text(one, "trials", "{:.0f}"),
            "equal error rate, % [95 %]": _text(one, "eer", "{:.1f}")
            + f" [{_text(one, 'eer_low', '{:.1f}')}-{_text(one, 'eer_high', '{:.1f}')}]",
            "strangers named, %": _text(one, "far_fixed", "{:.2f}"),
            "right person not named, %": _text(one, "frr_fixed", "{:.1f}"),
        }
        for name, one in lists.items()
        if isinstance(one, Mapping)
    ]


def _text(one: Mapping[str, Any], key: str, form: str) -> str:
    value = one.get(key)
    return form.format(value) if isinstance(value, int | float) else "-"


def statements(card: ModelCard, key: str) -> list[str]:
    """What the card says under ``key``, which may be one text or several."""
    found = card.raw.get(key) or []
    return [found] if isinstance(found, str) else [str(one) for one in found]


def facts(card: ModelCard) -> list[tuple[str, str]]:
    """Short facts with their names."""
    raw = card.raw
    told = [("licence", str(raw.get("licence", "-"))), ("size", f"{card.size_bytes / 1e6:.1f} MB")]
    if card.kind == "bundle":
        told += [
            ("embedding", f"{raw.get('encoder', {}).get('embedding_dim', '-')} numbers"),
            ("cohort", f"{(raw.get('cohort') or {}).get('speakers', 0)} speakers"),
        ]
    else:
        bundles = sorted({str(trunk.get("bundle")) for trunk in raw.get("trunks", [])})
        told += [
            ("for", ", ".join(bundles)),
            ("tells", ", ".join(sorted({kind for t in raw.get("trunks", []) for kind in t.get("heads", {})}))),
        ]
    return told
