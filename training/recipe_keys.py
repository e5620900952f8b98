"""Which keys a recipe may have, and which it must.

Takes parsed JSON and a dataclass. Gives the values without ``kind``. Must hold: a key that the dataclass does not know
is refused by name, never ignored.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from edge.errors import UsageError


def checked(what: str, values: dict[str, Any], recipe: type, required: frozenset[str]) -> dict[str, Any]:
    """``values`` for the dataclass ``recipe``. Raises ``UsageError`` that calls the recipe ``what``."""
    values = {name: value for name, value in values.items() if name != "kind"}
    known = {field.name for field in fields(recipe)}
    unknown, missing = sorted(set(values) - known), sorted(required - set(values))
    if unknown:
        raise UsageError(f"{what} has no {unknown[0]!r}", f"It knows {', '.join(sorted(known))}.")
    if missing:
        raise UsageError(f"{what} lacks {missing[0]!r}", "Add it.")
    return values
