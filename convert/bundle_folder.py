"""Write a bundle: the files, their hashes, and the card that says what they are.

Takes arrays, the int8 file and the texts of a card. Gives a folder as in ``docs/architecture.md``. Must hold: the
card names every file with its SHA-256; the same content gives the same bytes, also in ``head.npz``; an old bundle in
the folder is replaced only when everything is written.
"""

from __future__ import annotations

import io
import shutil
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edge.bundle import seal
from edge.errors import UsageError
from edge.records import Float32


def npz(arrays: Mapping[str, npt.NDArray[Any]]) -> bytes:
    """An uncompressed ``.npz`` whose bytes depend on the arrays alone (numpy's own writes the time of day)."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        for name, value in arrays.items():
            archive.writestr(zipfile.ZipInfo(f"{name}.npy", (1980, 1, 1, 0, 0, 0)), npy(value))
    return stream.getvalue()


def halved(arrays: Mapping[str, Float32]) -> dict[str, npt.NDArray[Any]]:
    """The arrays as a bundle keeps them: matrices in float16, which the edge widens again; biases as they are.

    A share of 0.0005 of a weight is less than an int8 step of the frame features by far. Raises ``UsageError`` for
    values that float16 does not hold.
    """
    return {name: half(value) if value.ndim > 1 else value for name, value in arrays.items()}


def half(value: Float32) -> npt.NDArray[np.float16]:
    """One of them. Raises ``UsageError``."""
    if np.abs(value).max(initial=0.0) > np.finfo(np.float16).max:
        raise UsageError("A matrix of the bundle has values of 65,504 or more", "Scale the features in front of it.")
    return value.astype(np.float16)


def npy(value: npt.NDArray[Any]) -> bytes:
    """A ``.npy`` file."""
    stream = io.BytesIO()
    np.save(stream, value, allow_pickle=False)
    return stream.getvalue()


def require_room(out: Path) -> None:
    """Raise ``UsageError`` where ``out`` holds something else than a bundle, which is never replaced."""
    if out.exists() and not (out / "card.json").is_file() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(f"{out} is there already and is no bundle", "Give --out a new folder")


def write_bundle(out: Path, card: Mapping[str, Any], files: Mapping[str, bytes]) -> None:
    """Write ``files`` and ``card.json`` (with ``files`` filled in) to ``out``, replacing a bundle that was there.

    Raises ``UsageError`` where ``out`` holds something else than a bundle, ``BundleError`` for an incomplete card.
    """
    require_room(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent) as folder:
        fresh = Path(folder) / "bundle"
        fresh.mkdir(mode=0o755)
        for name, data in files.items():
            (fresh / name).write_bytes(data)
        seal(fresh, card)
        if out.exists():
            shutil.rmtree(out)
        fresh.rename(out)
