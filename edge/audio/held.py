"""Which microphones another program holds.

Takes: the kernel's word in /proc/asound. Gives: names as PortAudio would give them. Must hold: never raises; where the
kernel says nothing, nobody holds anything.

PortAudio tries every device when it lists them, and leaves out those that are busy. So a microphone in use looks like
one that was never plugged in, and whoever looks at its plug looks in the wrong place.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_PROC: Final = Path("/proc/asound")
_CARD_LINE: Final = re.compile(r"^\s*(\d+) \[(\S*)\s*\]: .*? - (.*)$", re.MULTILINE)
"""`` 1 [Device         ]: USB-Audio - USB PnP Sound Device``"""


@dataclass(frozen=True, slots=True)
class Held:
    """``name``: the stable name. ``card``: the id of its card. ``holder``: number of the process, 0 where unknown."""

    name: str
    card: str
    holder: int

    def fits(self, wanted: str | int | None, known: str | None) -> bool:
        """Whether it may be the one that is looked for (see ``find_device``)."""
        if known is not None and known == self.name:
            return True
        if wanted is None or wanted == "":
            return True
        text = str(wanted).strip().casefold()
        return not text.isdecimal() and (text in self.name.casefold() or text == self.card.casefold())


def held_microphones(proc: Path = _PROC) -> tuple[Held, ...]:
    """Those that are recording for somebody now."""
    found: list[Held] = []
    for number, card, name in _CARD_LINE.findall(_text(proc / "cards")):
        for pcm in sorted((proc / f"card{number}").glob("pcm*c")):
            states = [_text(path) for path in sorted(pcm.glob("sub*/status"))]
            if not states or any(state.startswith("closed") or not state for state in states):
                continue
            title = re.search(r"^name: (.*)$", _text(pcm / "info"), re.MULTILINE)
            holder = re.search(r"^owner_pid\s*: (\d+)", "\n".join(states), re.MULTILINE)
            found.append(Held(f"{name}: {title[1] if title else ''}", card, int(holder[1]) if holder else 0))
    return tuple(found)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:  # no sound card, or one that was unplugged at this moment
        return ""
