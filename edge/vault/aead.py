"""Encryption that notices any change: ChaCha20-Poly1305 with a random nonce.

Takes a key of 32 bytes, data, and what the data is about; gives sealed bytes and back. Must hold: what was sealed for
one thing does not open for another; a key seals fewer than 2^32 times (NIST SP 800-38D, 8.3, whose bound for random
nonces of 96 bits holds here alike), which a device's few rows never reach.

ChaCha20-Poly1305 (Y. Nir, A. Langley, RFC 8439) because it is fast and constant in time on processors without AES, as
the Pi 4 and older; made by the library ``cryptography``, imported when something is sealed or opened.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from edge.errors import RuntimeMissingError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

KEY_BYTES: Final = 32
_FORM: Final = b"\x01"
_NONCE_BYTES: Final = 12
_LEAST_BYTES: Final = len(_FORM) + _NONCE_BYTES + 16
INSTALL: Final = "Install it: python3 -m pip install cryptography"


class Tampered(Exception):
    """What was to be opened was sealed with another key or for another thing, or has been changed since."""


def seal(key: bytes, data: bytes, about: bytes) -> bytes:
    """``data`` encrypted: a byte for the form, the nonce, the cipher text with its tag. 29 bytes longer than ``data``.

    Raises ``RuntimeMissingError`` where the library is missing.
    """
    nonce = os.urandom(_NONCE_BYTES)
    return _FORM + nonce + _cipher(key).encrypt(nonce, data, about)


def unseal(key: bytes, sealed: bytes, about: bytes) -> bytes:
    """The data. Raises ``Tampered``, and ``RuntimeMissingError`` as ``seal``."""
    if len(sealed) < _LEAST_BYTES or not sealed.startswith(_FORM):
        raise Tampered
    cipher = _cipher(key)
    from cryptography.exceptions import InvalidTag

    nonce, text = sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
    try:
        return cipher.decrypt(nonce, text, about)
    except InvalidTag:
        raise Tampered from None


def _cipher(key: bytes) -> ChaCha20Poly1305:
    try:
        from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
    except ImportError as error:
        raise RuntimeMissingError("The library cryptography is missing, which opens voiceprints", INSTALL) from error
    return ChaCha20Poly1305(key)
