"""A key of the settings: its type, default, bounds, unit and words.

Takes and gives values only. Must hold: what the loader and the generated documents know of a key stands here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Words:
    """What is known about a key besides its type and default: ``doc`` (sentences for a person), ``unit``, inclusive
    bounds
    ``low``/``high``, a pattern that text must match, and that pattern in words.
    """

    doc: str
    unit: str = ""
    low: float | None = None
    high: float | None = None
    pattern: str = ""
    pattern_words: str = ""


@dataclass(frozen=True, slots=True)
class Key:
    """One key of one section, as the loader and the generated documents see it. ``kind`` ``tuple``: a list of texts."""

    name: str
    kind: type
    optional: bool
    choices: tuple[str, ...]
    default: Any
    words: Words


def setting(
    default: Any,
    doc: str,
    *,
    unit: str = "",
    low: float | None = None,
    high: float | None = None,
    pattern: str = "",
    pattern_words: str = "",
) -> Any:
    """A dataclass field with its words in the metadata."""
    words = Words(doc, unit, low, high, pattern, pattern_words)
    return field(default=default, metadata={"words": words})
