"""Ed25519 keys and signatures, for bundles.

Takes: PEM files, texts of public keys. Gives: keys, signatures, yes or no. Must hold: the private key is in no message;
a public key has one form, ``ed25519:`` and 44 characters of base64. S. Josefsson, I. Liusvaara, RFC 8032.

Private keys are PKCS #8 in PEM, as `openssl genpkey -algorithm ed25519` makes them, encrypted where they have a
passphrase.
"""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING, Final

from edge.errors import RuntimeMissingError, UsageError
from edge.vault.aead import INSTALL

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

PUBLIC_KEY: Final = r"ed25519:[A-Za-z0-9+/]{43}="
SIGNATURE_BYTES: Final = 64
_PREFIX: Final = "ed25519:"


class NeedsPassphrase(Exception):
    """The private key is encrypted, and no passphrase was given."""


def new_private_key(passphrase: str = "") -> bytes:
    """The PEM of a fresh private key. Raises ``RuntimeMissingError`` where the library is missing."""
    try:
        from cryptography.hazmat.primitives import serialization as form
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    except ImportError as error:
        raise _missing() from error
    sealed = form.BestAvailableEncryption(passphrase.encode()) if passphrase else form.NoEncryption()
    return Ed25519PrivateKey.generate().private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, sealed)


def public_key(pem: bytes, passphrase: str = "") -> str:
    """The public key that belongs to a private one. Raises as ``sign``."""
    return _PREFIX + base64.b64encode(_private(pem, passphrase).public_key().public_bytes_raw()).decode("ascii")


def sign(pem: bytes, message: bytes, passphrase: str = "") -> bytes:
    """64 bytes. Raises ``NeedsPassphrase``, ``UsageError`` for what is no such key or a wrong passphrase,
    ``RuntimeMissingError`` where the library is missing.
    """
    return _private(pem, passphrase).sign(message)


def fits(key: str, signature: bytes, message: bytes) -> bool:
    """Whether ``signature`` was made of ``message`` with the private half of ``key``. A key that is none never fits."""
    try:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    except ImportError as error:
        raise _missing() from error
    if not re.fullmatch(PUBLIC_KEY, key) or len(signature) != SIGNATURE_BYTES:
        return False
    try:
        Ed25519PublicKey.from_public_bytes(base64.b64decode(key.removeprefix(_PREFIX))).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def _private(pem: bytes, passphrase: str) -> Ed25519PrivateKey:
    try:
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from cryptography.hazmat.primitives.serialization import load_pem_private_key
    except ImportError as error:
        raise _missing() from error
    try:
        key = load_pem_private_key(pem, passphrase.encode() or None)
    except TypeError:  # a passphrase where none is needed, or none where one is
        if not passphrase:
            raise NeedsPassphrase from None
        return _private(pem, "")
    except (ValueError, UnsupportedAlgorithm):
        words = "This is no private key, or its passphrase is another" if passphrase else "This is no private key"
        raise UsageError(words, "Make one with `earmark bundle sign --new-key FILE`.") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise UsageError(
            "The private key is not of the kind Ed25519", "Make one with `earmark bundle sign --new-key FILE`."
        )
    return key


def _missing() -> RuntimeMissingError:
    return RuntimeMissingError("The library cryptography is missing, which checks signatures", INSTALL)
