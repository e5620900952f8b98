"""Signatures of bundles and packs: who vouches for a card, and through its hashes for every file.

Takes: the bytes of a card and of its signature, keys. Gives: nothing where all is well, or ``BundleError``; signatures.
Must hold: where keys are trusted, a bundle without a signature of one of them is refused before anything in it is used;
the bundles that come with the package are exempt, since whoever can change those can change this check as well.

The file ``card.sig`` beside ``card.json`` is ``{"key": "ed25519:...", "schema": 1, "signature": "<base64>"}``; signed
are the bytes ``earmark bundle 1``, a zero, and the card's.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Final

from edge.errors import BundleError
from edge.vault import signing

SIGNATURE_NAME: Final = "card.sig"
LARGEST_SIGNATURE_BYTES: Final = 4096
SCHEMA: Final = 1
_CONTEXT: Final = b"earmark bundle 1\0"


def check(path: Path, card: bytes, signature: bytes | None, trusted: Collection[str]) -> str:
    """The trusted key that has signed the bundle at ``path``. ``signature``: None where there is none.

    Raises ``BundleError``.
    """
    if signature is None:
        raise BundleError(
            f"the bundle {path} is not signed, and models.trusted_keys asks for it",
            "Get it signed, or sign it yourself: `earmark bundle sign`.",
        )
    raw = _parsed(path, signature)
    if raw.get("key") not in trusted:
        raise BundleError(
            f"the bundle {path} is signed with a key that models.trusted_keys does not name "
            f"({str(raw.get('key'))[:60]!r})",
            "Get it from where the keys are from; add the key only if you know whose it is.",
        )
    if not signing.fits(str(raw["key"]), _bytes(raw), _CONTEXT + card):
        raise BundleError(f"the signature of the bundle {path} is not one of its card", "Get the bundle again.")
    return str(raw["key"])


def signer(path: Path, card: bytes, signature: bytes | None) -> str | None:
    """The key that has signed a bundle, whoever's it is; None where it is not signed. Raises ``BundleError`` for a
    signature that does not fit.
    """
    return None if signature is None else check(path, card, signature, [str(_parsed(path, signature).get("key"))])


def signature_of(card: bytes, pem: bytes, passphrase: str = "") -> bytes:
    """The bytes of ``card.sig`` for a card, by a private key. Raises as ``signing.sign``."""
    made = signing.sign(pem, _CONTEXT + card, passphrase)
    raw = {
        "key": signing.public_key(pem, passphrase),
        "schema": SCHEMA,
        "signature": base64.b64encode(made).decode("ascii"),
    }
    return json.dumps(raw).encode() + b"\n"


def _parsed(path: Path, signature: bytes) -> Mapping[str, Any]:
    try:
        raw = json.loads(signature.decode("utf-8"))
        if not isinstance(raw, dict):
            raise ValueError
    except (ValueError, RecursionError) as error:
        raise BundleError(f"the signature of the bundle {path} is unreadable", "Get the bundle again.") from error
    if raw.get("schema") != SCHEMA:
        raise BundleError(
            f"the signature of the bundle {path} has schema {str(raw.get('schema'))[:20]}, and this program knows "
            f"{SCHEMA}",
            "Update Earmark, or get a bundle made for this version.",
        )
    return raw


def _bytes(raw: Mapping[str, Any]) -> bytes:
    try:
        return base64.b64decode(str(raw.get("signature")), validate=True)
    except ValueError:
        return b""
