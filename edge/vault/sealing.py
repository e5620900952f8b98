"""The vault of one database: what its rows are sealed, marked and turned with.

Takes the device's key and the database's salt; gives ``Vault``. Must hold: with another key or another salt nothing
opens, no mark is found again, and every vector points elsewhere; what is sealed for one row opens for no other.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Final

import numpy as np

from edge.records import Float32
from edge.vault import aead
from edge.vault.aead import Tampered
from edge.vault.derive import derived
from edge.vault.keys import Key
from edge.vault.rotation import Float64, rotation

__all__ = ["SALT_BYTES", "Tampered", "Vault", "about"]

SALT_BYTES: Final = 16
_MARK_BYTES: Final = 16


def about(*parts: str | bytes) -> bytes:
    """What a row is about, for ``seal`` and ``open``: unambiguous, whatever the parts are made of."""
    found = b""
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        found += len(data).to_bytes(4, "big") + data
    return found


class Vault:
    """Everything that is derived from one key for one database. ``key``: the device's. ``salt``: of the database."""

    def __init__(self, key: Key, salt: bytes) -> None:
        self.key = key
        self.salt = salt
        self._rows = derived(key.secret, salt, "rows")
        self._marks = derived(key.secret, salt, "marks")
        self._seed = derived(key.secret, salt, "rotation")
        self._rotations: dict[int, Float64] = {}

    def __repr__(self) -> str:
        return f"Vault(key {self.key.ident})"

    def seal(self, data: bytes, row: bytes) -> bytes:
        """``data`` encrypted for the row that ``row`` is about. Raises ``RuntimeMissingError``."""
        return aead.seal(self._rows, data, self.salt + row)

    def open(self, sealed: bytes, row: bytes) -> bytes:
        """What was sealed for this row. Raises ``Tampered`` or ``RuntimeMissingError``."""
        return aead.unseal(self._rows, sealed, self.salt + row)

    def mark(self, *parts: str) -> bytes:
        """16 bytes that are the same for the same parts, and tell nothing without the key: for uniqueness."""
        return hmac.digest(self._marks, about(*parts), hashlib.sha256)[:_MARK_BYTES]

    def turn(self, vector: Float32) -> Float64:
        """A vector ``(dim,)`` turned by this vault's rotation, float64, so that nothing of float32 is lost."""
        turned: Float64 = vector.astype(np.float64) @ self._rotation(len(vector))
        return turned

    def back(self, turned: Float64) -> Float32:
        """The vector float32 ``(dim,)`` that was turned: the same bits, but for components below 1e-15."""
        vector: Float32 = (self._rotation(len(turned)) @ turned).astype(np.float32)
        return vector

    def _rotation(self, dimensions: int) -> Float64:
        if dimensions not in self._rotations:
            self._rotations[dimensions] = rotation(self._seed + dimensions.to_bytes(4, "big"), dimensions)
        return self._rotations[dimensions]
