"""Keys made of the device's key: one for each purpose, so that none of them tells anything of another.

Takes a secret, a salt and a purpose; gives bytes. HKDF with SHA-256: H. Krawczyk, P. Eronen, RFC 5869.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Final

_HASH_BYTES: Final = 32


def derived(secret: bytes, salt: bytes, purpose: str, length: int = 32) -> bytes:
    """``length`` bytes (at most 8160) for ``purpose``; the same for the same arguments."""
    found, block = b"", b""
    extracted = hmac.digest(salt or bytes(_HASH_BYTES), secret, hashlib.sha256)
    for number in range(1, -(-length // _HASH_BYTES) + 1):
        block = hmac.digest(extracted, block + purpose.encode() + bytes([number]), hashlib.sha256)
        found += block
    return found[:length]
