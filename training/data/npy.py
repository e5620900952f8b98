"""Writes a ``.npy`` file row by row, whose length is known only at the end.

Takes rows; gives a file that ``numpy.load(..., mmap_mode="r")`` maps. Must hold: a file under its final name is whole;
memory is bounded by the rows of one call. The format is numpy's own, version 1.0 (numpy.lib.format): the header is
padded with blanks to a fixed length, so that the number of rows can be put in afterwards.
"""

from __future__ import annotations

import os
import uuid
from pathlib import Path
from types import TracebackType
from typing import Any, Final

import numpy as np
import numpy.typing as npt

PART: Final = ".part"
"""Ending of files that are being written."""

_MAGIC: Final = b"\x93NUMPY\x01\x00"
_ALIGNMENT: Final = 64
_DIGITS: Final = 20


class NpyWriter:
    """A context manager: the file appears under its name when the block ends well, and not at all otherwise."""

    def __init__(self, path: Path, dtype: npt.DTypeLike, row_shape: tuple[int, ...] = ()) -> None:
        """Open a temporary file beside ``path``. Raises ``OSError``."""
        self.rows = 0
        self._path = path
        self._dtype = np.dtype(dtype)
        self._row_shape = row_shape
        self._part = part_of(path)
        least = len(_MAGIC) + 2 + len(self._text()) + _DIGITS + 1
        self._header_bytes = -(-least // _ALIGNMENT) * _ALIGNMENT
        self._file = self._part.open("wb")
        self._file.write(self._header())

    def __enter__(self) -> NpyWriter:
        return self

    def append(self, rows: npt.NDArray[Any]) -> int:
        """Write rows ``(n, *row_shape)``, converted to the file's dtype; give the number of the first of them."""
        if rows.shape[1:] != self._row_shape:
            raise ValueError(f"rows of shape {rows.shape[1:]} in a file of {self._row_shape}")
        first = self.rows
        self._file.write(np.ascontiguousarray(rows, self._dtype).data)
        self.rows += len(rows)
        return first

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._file.seek(0)
                self._file.write(self._header())
                self._file.flush()
                # Else a power cut could leave a file with its name and without its content.
                os.fsync(self._file.fileno())
        finally:
            self._file.close()
            if kind is None:
                self._part.replace(self._path)
            else:
                self._part.unlink(missing_ok=True)

    def _text(self) -> bytes:
        # What numpy itself writes: a list of fields, or one name. A list repeats as the text that numpy reads.
        header = {
            "descr": self._dtype.descr if self._dtype.names else self._dtype.str,
            "fortran_order": False,
            "shape": (self.rows, *self._row_shape),
        }
        return repr(header).encode("ascii")

    def _header(self) -> bytes:
        room = self._header_bytes - len(_MAGIC) - 2
        return _MAGIC + room.to_bytes(2, "little") + self._text().ljust(room - 1) + b"\n"


def part_of(path: Path) -> Path:
    """A name beside ``path`` that nobody else uses; two workers may write the same file, one after the other wins."""
    return path.with_name(f"{path.name}.{uuid.uuid4().hex[:12]}{PART}")


def write_text(path: Path, text: str) -> None:
    """Write a small file in one step. Raises ``OSError``."""
    part = part_of(path)
    try:
        with part.open("w", encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
