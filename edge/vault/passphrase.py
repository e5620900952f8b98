"""A file that leaves the device: sealed under a passphrase.

Takes bytes and a passphrase; gives the bytes of the file, and back. Must hold: guessing costs 64 MiB and two passes of
memory per try; whatever parameters a file names, opening it takes at most 256 MiB; nothing in it can be changed
unnoticed, its head included.

    earmark sealed 1
    {"kdf": "scrypt", "n": 65536, "p": 2, "r": 8, "salt": "<32 hexadecimal digits>"}
    <ChaCha20-Poly1305 of the data, about the two lines before, as in ``aead``>

scrypt: C. Percival, S. Josefsson, RFC 7914; the parameters are one of the equivalent settings of the OWASP Password
Storage Cheat Sheet.
"""

from __future__ import annotations

import hashlib
import json
import os
from typing import Any, ClassVar, Final

from edge.errors import EXIT_NO, EarmarkError, UsageError
from edge.vault import aead

LEAST_LENGTH: Final = 12
_MAGIC: Final = b"earmark sealed 1\n"
_COST: Final = {"n": 2**16, "r": 8, "p": 2}
_MOST_MEMORY_BYTES: Final = 256 << 20
_LONGEST_HEAD: Final = 400
_SALT_BYTES: Final = 16


class WrongPassphraseError(EarmarkError):
    """The passphrase is not the one of the file, or the file has been changed since; nobody can tell which."""

    exit_code: ClassVar[int] = EXIT_NO
    code = "wrong_passphrase"


def check_form(passphrase: str) -> None:
    """Refuse what is too short for a file that somebody may guess at for years. Raises ``UsageError``."""
    if len(passphrase) < LEAST_LENGTH:
        raise UsageError(
            f"The passphrase has {len(passphrase)} characters",
            f"Take {LEAST_LENGTH} or more, such as four or five words that do not belong together.",
        )


def sealed(data: bytes, passphrase: str) -> bytes:
    """The file. Raises ``UsageError`` for a passphrase that is too short, ``RuntimeMissingError`` as ``aead``."""
    check_form(passphrase)
    salt = os.urandom(_SALT_BYTES)
    head = json.dumps({"kdf": "scrypt", **_COST, "salt": salt.hex()}, sort_keys=True).encode()
    about = _MAGIC + head + b"\n"
    return about + aead.seal(_key(passphrase, salt, **_COST), data, about)


def opened(file: bytes, passphrase: str) -> bytes:
    """The data. Raises ``WrongPassphraseError``, and ``UsageError`` for what is no such file."""
    if not file.startswith(_MAGIC):
        raise _no_file("it does not begin as one")
    end = file.find(b"\n", len(_MAGIC), len(_MAGIC) + _LONGEST_HEAD)
    if end < 0:
        raise _no_file("its second line is missing")
    salt, cost = _parameters(file[len(_MAGIC) : end])
    try:
        return aead.unseal(_key(passphrase, salt, **cost), file[end + 1 :], file[: end + 1])
    except aead.Tampered:
        raise WrongPassphraseError(
            "The passphrase is wrong, or the file was changed", "Try again, or get the file again."
        ) from None


def _parameters(head: bytes) -> tuple[bytes, dict[str, int]]:
    try:
        raw: Any = json.loads(head)
        salt = bytes.fromhex(raw["salt"])
        cost = {name: int(raw[name]) for name in ("n", "r", "p")}
        kind = raw["kdf"]
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise _no_file("its second line makes no sense") from error
    n, r, p = cost["n"], cost["r"], cost["p"]
    sensible = 2**10 <= n <= 2**20 and not n & (n - 1) and 1 <= r <= 32 and 1 <= p <= 16
    if kind != "scrypt" or not sensible or 128 * n * r > _MOST_MEMORY_BYTES or not 8 <= len(salt) <= 64:
        raise _no_file("it asks for a key that is not made here")
    return salt, cost


def _key(passphrase: str, salt: bytes, *, n: int, r: int, p: int) -> bytes:
    memory = _MOST_MEMORY_BYTES + (64 << 20)
    return hashlib.scrypt(passphrase.encode(), salt=salt, n=n, r=r, p=p, maxmem=memory, dklen=aead.KEY_BYTES)


def _no_file(why: str) -> UsageError:
    return UsageError(f"This is no file that `earmark people export` has written: {why}", "Name another one.")
