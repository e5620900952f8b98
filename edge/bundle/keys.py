"""The keys of a card, whatever it is the card of: read, checked, refused with a sentence.

Takes: parsed JSON. Gives: values of the right type.
Must hold: a value that will not do is a ``BundleError`` that names its key; no key stands twice; NaN is no number.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from edge.errors import BundleError

SCHEMA: Final = 1
CARD_NAME: Final = "card.json"
RESERVED: Final = frozenset({CARD_NAME, "card.sig"})
"""What lies in a bundle besides the files that its card lists."""
FILE_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}")

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_TEXTS: Final = ("version", "summary", "licence", "intended_use", "must_not_be_used_for")
_REMEDY: Final = "Get the bundle again, or make it again with this version of Earmark."


def refuse(what: str) -> BundleError:
    """The error for a card of which ``what`` is true; what it quotes may be as long as a card may be."""
    return BundleError(f"its card: {shown(what, 300)}", _REMEDY)


def shown(text: str, longest: int = 80) -> str:
    """``text`` for a sentence: without control characters, and not too long."""
    line = "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text[: longest + 1])
    return line if len(line) <= longest else f"{line[:longest]}..."


def parse_object(data: bytes) -> dict[str, Any]:
    """The object in the bytes of a card."""

    def constant(word: str) -> Any:
        raise ValueError(f"{word} is not allowed")

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(items)
        if len(found) != len(items):
            raise ValueError("a key stands twice")
        return found

    try:
        raw = json.loads(data.decode("utf-8"), parse_constant=constant, object_pairs_hook=pairs)
    except (ValueError, RecursionError) as error:
        raise refuse(f"is not valid JSON ({' '.join(str(error).split())[:120]})") from error
    if not isinstance(raw, dict):
        raise refuse("must be an object")
    return raw


def common(raw: Mapping[str, Any]) -> str:
    """Check what every card has: schema, name, descriptions, attribution. Gives the name."""
    schema = raw.get("schema")
    if schema != SCHEMA or isinstance(schema, bool):
        raise BundleError(
            f"its card has schema {shown(repr(schema))}, and this program knows {SCHEMA}",
            "Update Earmark, or get a bundle made for this version.",
        )
    name = text(raw, "name")
    if not _NAME.fullmatch(name):
        raise refuse(f"name {name!r} must be lower-case letters, digits, dots, _ and -")
    for key in _TEXTS:
        text(raw, key)
    attribution = raw.get("attribution")
    if not isinstance(attribution, list) or not all(
        isinstance(one, Mapping) and {"what", "licence", "source"} <= set(one) for one in attribution
    ):
        raise refuse("attribution must list objects with what, licence and source")
    return name


def text(raw: Mapping[str, Any], key: str) -> str:
    """A text, or for descriptions also a list of texts, of which the first is given."""
    value = raw.get(key)
    texts = value if isinstance(value, list) and key != "name" else [value]
    if not texts or not all(isinstance(one, str) and one for one in texts):
        raise refuse(f"{key} must be a text that is not empty")
    return str(texts[0])


def object_of(raw: Mapping[str, Any], key: str, where: str = "") -> Mapping[str, Any]:
    """The object under ``key``; ``where``: what stands before the key in a sentence."""
    value = raw.get(key)
    if not isinstance(value, Mapping):
        raise refuse(f"{where}{key} must be an object")
    return value


def count(raw: Mapping[str, Any], key: str, least: int, most: int, where: str = "encoder.") -> int:
    """A whole number within bounds."""
    value = raw.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise refuse(f"{where}{key} must be a whole number from {least} to {most}")
    return value


def number(raw: Mapping[str, Any], key: str, bounds: tuple[float, float], where: str = "") -> float | None:
    """A number within inclusive bounds, None where there is none."""
    value = raw.get(key)
    least, most = bounds
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise refuse(f"{where}{key} must be a number from {least:g} to {most:g}, not {str(value)[:40]!r}")
    return float(value)


def files_of(raw: Mapping[str, Any]) -> dict[str, str]:
    """File name -> SHA-256 in hex."""
    files = object_of(raw, "files")
    for name, digest in files.items():
        if not FILE_NAME.fullmatch(name) or name in RESERVED:
            raise refuse(f"files has the name {name!r}, which is not that of a plain file in the bundle")
        sha256(digest, f"files.{name}")
    return dict(files)


def sha256(value: Any, key: str) -> str:
    """A SHA-256 in lower-case hex."""
    if not isinstance(value, str) or not _SHA256.fullmatch(value):
        raise refuse(f"{key} must be a SHA-256 in lower-case hex")
    return value


def listed(files: Mapping[str, str], name: Any, key: str) -> str:
    """``name``, which must be one of ``files``."""
    if not isinstance(name, str) or name not in files:
        raise refuse(f"{key} must be one of the names under files, not {name!r}")
    return name
