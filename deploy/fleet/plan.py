"""Who is changed when: the canary first, then waves.

Takes hosts, a canary and the size of a wave. Gives waves. Must hold: every host is in exactly one wave; the order is
that of the inventory; a percentage is of all hosts, rounded up, never 0; where the canary is not among the hosts, their
first goes first alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from deploy.fleet.faults import InventoryError
from deploy.fleet.inventory import check_wave


def waves(names: Sequence[str], canary: Sequence[str], wave: str) -> tuple[tuple[str, ...], ...]:
    """The waves, the canary's first. ``canary``: names, or one number of hosts, also 0; a name that is not among
    ``names`` is left out. ``wave``: ``3`` or ``25%``. Raises ``InventoryError``.
    """
    size = wave_size(wave, len(names))
    if len(canary) == 1 and canary[0].isdigit():
        first = tuple(names[: int(canary[0])])
    else:
        first = tuple(name for name in names if name in canary) or tuple(names[:1])
    rest = [name for name in names if name not in first]
    cut = [tuple(rest[i : i + size]) for i in range(0, len(rest), size)]
    return tuple(one for one in (first, *cut) if one)


def wave_size(wave: str, hosts: int) -> int:
    """How many hosts a wave has. Raises ``InventoryError`` for what is neither a number nor a percentage."""
    check_wave(wave)
    if wave.endswith("%"):
        return max(1, math.ceil(hosts * int(wave[:-1]) / 100))
    return int(wave)


def check_canary(canary: Sequence[str], known: Sequence[str]) -> None:
    """Raise ``InventoryError`` for a canary that is no host."""
    for name in canary:
        if not (name.isdigit() and len(canary) == 1) and name not in known:
            raise InventoryError(f"the canary {name!r} is no host", f"Known are: {', '.join(known)}.")
