"""Earmark as a library: ``open_bundle`` and what it gives.

    import edge

    bundle = edge.open_bundle("accurate")
    vector = bundle.embed(samples)  # float32 mono 16 kHz, at least 0.5 s -> float32 (dim,), unit norm

Takes: the name or path of a bundle. Gives: a ``Bundle``, whose code path is exactly the daemon's.
Must hold: ``import edge`` loads nothing heavier than numpy; interpreters and models wait for ``open_bundle``.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from edge.bundle import Bundle

__version__: Final = "0.1.0"

__all__ = ["__version__", "open_bundle"]


def open_bundle(name: str | Path, *, packs: Sequence[str | Path] = ()) -> Bundle:
    """Open an installed bundle by name, or a bundle's folder or ``.earmark`` file by path.

    ``packs``: names or paths of packs of label heads, for ``gender`` and ``emotion`` where the bundle itself has none.
    Raises ``edge.errors.BundleError`` where one of them is missing, corrupt or not computable here, and
    ``edge.errors.RuntimeMissingError`` where no interpreter is installed.
    """
    from edge.bundle import open_bundle as opened
    from edge.settings import Models

    return opened(name, Models(packs=tuple(str(one) for one in packs)))
