"""What stands for a person outside the device.

Takes: a person and ``privacy.mqtt_names``. Gives: a text. Must hold: with ``alias`` and ``none`` no real name gets
through.
"""

from __future__ import annotations

from typing import Final, Literal

UNKNOWN: Final = "unknown"
"""Shown as ``speaker`` where nobody is named."""
NOBODY: Final = "nobody"
"""Shown as last speaker before anybody was heard."""
SOMEBODY: Final = "somebody"
"""Shown for everybody enrolled with ``privacy.mqtt_names: none``."""

NameMode = Literal["real", "alias", "none"]

_RESERVED: Final = frozenset({UNKNOWN, NOBODY, SOMEBODY})


def shown_name(person_id: str, name: str, mode: NameMode) -> str:
    """What stands for a person outside the device.

    The id takes the place of a name that means something else in this protocol (``unknown``, ``nobody``, ``somebody``).
    """
    if mode == "none":
        return SOMEBODY
    if mode == "alias" or not name.strip() or name.strip().casefold() in _RESERVED:
        return person_id
    return name
