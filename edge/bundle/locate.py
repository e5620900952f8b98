"""Find a bundle, or a pack of label heads, by name.

Takes: a name or a path. Gives: the path of a folder or of an ``.earmark`` file.
Must hold: an unknown name is an error that lists the known ones and names the nearest; a path is taken as it is.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from edge.bundle.files import is_pack
from edge.bundle.keys import CARD_NAME
from edge.errors import BundleError
from edge.settings import bundle_dirs

SUFFIX: Final = ".earmark"
PACKAGED: Final = Path(__file__).resolve().parents[1] / "bundles"
"""Where the bundles that come with the package lie."""


def installed_bundles(directories: Sequence[Path] | None = None) -> dict[str, Path]:
    """Name -> path of every bundle that can be opened by name, sorted by name.

    ``directories``: where to look before the package's own; by default ``settings.bundle_dirs()``, that is
    ``$EARMARK_BUNDLES`` and the state folder. The first folder that has a name wins.
    """
    return {name: path for name, path in _named(directories).items() if not is_pack(path)}


def installed_packs(directories: Sequence[Path] | None = None) -> dict[str, Path]:
    """As ``installed_bundles``, for the packs of label heads, which lie beside the bundles."""
    return {name: path for name, path in _named(directories).items() if is_pack(path)}


def _named(directories: Sequence[Path] | None) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for directory in (*(bundle_dirs() if directories is None else directories), PACKAGED):
        try:
            entries = sorted(directory.iterdir())
        except OSError:  # absent, or not ours to read: then it offers nothing
            continue
        for entry in entries:
            if entry.suffix == SUFFIX and entry.is_file():
                found.setdefault(entry.stem, entry)
            elif (entry / CARD_NAME).is_file():
                found.setdefault(entry.name, entry)
    return dict(sorted(found.items()))


def locate(name: str | Path, directories: Sequence[Path] | None = None, *, pack: bool = False) -> Path:
    """The path that ``name`` stands for, a bundle's or a pack's. Raises ``BundleError`` where there is none; ``pack``:
    whether a pack is wanted, for its sentence.
    """
    text = os.fspath(name)
    path = Path(os.path.expanduser(text))  # noqa: PTH111 - Path.expanduser raises for an unknown user
    looks_like_path = isinstance(name, Path) or os.sep in text or text.startswith(("~", ".")) or text.endswith(SUFFIX)
    if not looks_like_path:
        known = _named(directories)
        if text in known:
            return known[text]
        if not (path / CARD_NAME).is_file():
            raise _unknown(text, [name for name, found in known.items() if is_pack(found) == pack], pack)
    if not path.exists():
        raise BundleError(f"there is no bundle at {path}", "Name an installed bundle, or the path of one.")
    if path.is_dir() and not (path / CARD_NAME).is_file():
        raise BundleError(f"the folder {path} is no bundle: it lacks the file {CARD_NAME}", "Name a bundle's folder.")
    return path


def asked_of(path: Path, trusted: Sequence[str]) -> Sequence[str]:
    """Which keys must have signed the bundle at ``path``: none of one that came with the package."""
    return () if PACKAGED in path.resolve().parents else trusted


def vouched_for(path: Path, trusted: Sequence[str]) -> bool:
    """Whether the bundle at ``path`` came with the package, or must have been signed by a trusted key."""
    return bool(trusted) or PACKAGED in path.resolve().parents


def _unknown(name: str, known: list[str], pack: bool) -> BundleError:
    what = "pack" if pack else "bundle"
    if not known:
        return BundleError(f"there is no {what} {name!r}, nor any other", "Install one, or give the path of one.")
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"Did you mean {near[0]}? " if near else ""
    return BundleError(f"there is no {what} {name!r}", f"{hint}Installed are: {', '.join(known)}.")
