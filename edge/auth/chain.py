"""The hash chain of the audit log: one line of JSON per entry, each with the hash of the one before.

Takes plain values, gives lines and back. Must hold: the hash is over the very bytes of the line, so that no change of
a line, however small, leaves it standing.

A line is ``{...,"prev":"<64 hex>","hash":"<64 hex>"}``. ``hash`` is SHA-256 over the line without ``,"hash":"..."``;
``prev`` is the ``hash`` of the line before, or zeros.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

START: Final = "0" * 64
"""What the first entry of all names as the one before it."""
_LINE: Final = re.compile(rb'(\{.*),"hash":"([0-9a-f]{64})"\}')


@dataclass(frozen=True, slots=True)
class Entry:
    """One line as read. ``number``: of the entry. ``sound``: whether ``hash`` is that of the line."""

    number: int
    prev: str
    hash: str
    sound: bool
    values: Mapping[str, Any]


def link(number: int, prev: str, values: Mapping[str, Any]) -> tuple[bytes, str]:
    """The line of an entry, with its line feed, and its hash."""
    body = json.dumps({"n": number, **values, "prev": prev}, separators=(",", ":"), allow_nan=False).encode("ascii")
    digest = hashlib.sha256(body).hexdigest()
    return ending(body, digest), digest


def ending(body: bytes, digest: str) -> bytes:
    """``body``, an object, with its hash as the last key, and a line feed."""
    return body[:-1] + b',"hash":"' + digest.encode("ascii") + b'"}\n'


def read(line: bytes) -> Entry | None:
    """Parse a line without its line feed; None where it is no line of a log."""
    match = _LINE.fullmatch(line)
    if match is None:
        return None
    body, digest = match[1] + b"}", match[2].decode("ascii")
    try:
        values = json.loads(body)
        number, prev = values["n"], values["prev"]
    except (ValueError, KeyError, RecursionError):
        return None
    if not isinstance(number, int) or not isinstance(prev, str):
        return None
    return Entry(number, prev, digest, hashlib.sha256(body).hexdigest() == digest, values)
