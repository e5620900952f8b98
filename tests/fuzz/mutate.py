"""Hostile variants of real bytes: of any, and of JSON by its structure.

Takes bytes and a random generator; gives bytes. Must hold: the same generator gives the same bytes.
"""

from __future__ import annotations

import json
import random
import struct
from copy import deepcopy
from typing import Any, Final

NUMBERS: Final = (0, 1, 2, 3, 7, 8, 16, 127, 128, 255, 256, 32767, 32768, 65535, 65536, 2**24, 2**28, 2**31 - 1, 2**31,
                  2**32 - 1, 2**32, 2**63 - 1, 2**63, 2**64 - 1)  # fmt: skip
"""What sizes, counts and offsets are wrong at."""

SCRAPS: Final = (
    b"\0", b"\xff" * 8, b"\n", b"\r\n", b"\t", b'"', b"{}", b"[]", b"null", b"NaN", b"1e999", b"-0", b"9" * 400,
    b"\\ud800", b"\xed\xa0\x80", b"\xf0\x9f\x98\x80", b"../", b"/", b"%s%n", b"\x1b[31m", b"\xef\xbb\xbf", b"- ", b": ",
    b"&a ", b"*a ", b"!!python/object:os.system ", b"RIFF", b"data", b"fmt ", b"PK\x03\x04", b"SQLite format 3\0",
)  # fmt: skip
"""What means something to one reader or another."""

VALUES: Final[tuple[Any, ...]] = (
    None, True, False, 0, 1, -1, 2**31, 2**63, 10**400, 1e308, 1e-320, -0.0, float("nan"), float("inf"), "", " ", "\0",
    "a" * 5000, "\ud800", "\x1b[2J", "a\nb", "../../etc/passwd", "ü" * 70, [], {}, [[]], [{}], {"": {}}, [None] * 3,
)  # fmt: skip
"""What a key of JSON may hold that nobody thought of. NaN and infinity are written as json writes them."""


def mutate(seed: bytes, rng: random.Random, scraps: tuple[bytes, ...] = SCRAPS, most: int = 1 << 20) -> bytes:
    """``seed`` with one to a dozen faults: bits, bytes, numbers, stretches removed, repeated, moved, cut off."""
    data = bytearray(seed)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 5, 12))):
        at = rng.randrange(len(data) + 1)
        if rng.random() < 0.4:  # headers are where the decisions are made
            at = min(at, rng.randrange(64))
        length = rng.choice((1, 2, 4, 8, 16, 64, 512))
        match rng.randrange(9):
            case 0 if data:
                data[min(at, len(data) - 1)] ^= 1 << rng.randrange(8)
            case 1 if data:
                data[min(at, len(data) - 1)] = rng.choice((0, 0xFF, 0x7F, 0x80, rng.randrange(256)))
            case 2:
                width, number = rng.choice("BHIQ"), rng.choice(NUMBERS) + rng.choice((0, 0, 1, -1))
                size = struct.calcsize(width)
                packed = (number % 256**size).to_bytes(size, rng.choice(("little", "little", "big")))
                data[at : at + size] = packed
            case 3:
                del data[at : at + length]
            case 4:
                data[at:at] = data[at : at + length] * rng.choice((1, 2, 50))
            case 5:
                data[at:at] = rng.choice(scraps)
            case 6:
                data[at : at + length] = rng.randbytes(length)
            case 7:
                del data[at:]
            case 8:
                other = rng.randrange(len(data) + 1)
                data[at:at] = data[other : other + length]
    return bytes(data[:most])


def garbage(rng: random.Random) -> bytes:
    """Bytes that were never anything."""
    return rng.randbytes(rng.choice((0, 1, 3, 12, 16, 100, 4096)))


def mutate_json(seed: bytes, rng: random.Random) -> bytes:
    """A JSON document with some values, keys or lists changed for others; now and then not even JSON any more."""
    document = json.loads(seed)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        document = _changed(document, rng)
    text = json.dumps(document, ensure_ascii=rng.random() < 0.8)
    if rng.random() < 0.1:
        text = text.replace(
            rng.choice(("0", "1", "null", "true", "[]")), rng.choice(("1e999", "9" * 5000, "NaN", "[" * 3000)), 1
        )
    data = text.encode("utf-8", "surrogatepass")
    return mutate(data, rng) if rng.random() < 0.1 else data


def _changed(document: Any, rng: random.Random) -> Any:
    places: list[tuple[Any, Any]] = []
    _collect(document, places)
    if not places or rng.random() < 0.02:
        return deepcopy(rng.choice(VALUES))
    holder, key = rng.choice(places)
    match rng.randrange(6):
        case 0 if isinstance(holder, dict):
            del holder[key]
        case 1 if isinstance(holder, dict):
            holder[rng.choice(("", "x" * 300, "\ud800", "file", "a\nb", "schema", "labels"))] = holder[key]
        case 2 if isinstance(holder, list):
            holder.insert(key, deepcopy(rng.choice(VALUES)))
        case 3:
            holder[key] = rng.choice(places)[0] if rng.random() < 0.3 else _near(holder[key], rng)
            if _deep(document):
                holder[key] = None
                return document
        case _:
            holder[key] = deepcopy(rng.choice(VALUES))
    return document


def _near(value: Any, rng: random.Random) -> Any:
    """A value of the same kind."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + rng.choice((-1, 1, 10**6, -(10**6)))
    if isinstance(value, float):
        return value * rng.choice((-1.0, 0.0, 1e30, 1e-30))
    if isinstance(value, str):
        return rng.choice((value + "x", value[1:], value * 200, value.upper()))
    if isinstance(value, list):
        return value * rng.choice((0, 2, 100))
    return {**value, "more": 1} if isinstance(value, dict) else 0


def _deep(document: Any) -> bool:
    """Whether it holds itself, which JSON cannot."""
    try:
        json.dumps(document)
    except (ValueError, RecursionError):
        return True
    return False


def _collect(value: Any, places: list[tuple[Any, Any]]) -> None:
    if isinstance(value, dict | list):
        for key, inner in list(value.items() if isinstance(value, dict) else enumerate(value)):
            places.append((value, key))
            _collect(inner, places)
