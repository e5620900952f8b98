"""USB microphones, and what tells one from all others.

Takes sysfs. Gives ``Card``s. Must hold: only reads; a sound card that cannot record is none.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from deploy.install.faults import EXIT_USAGE, InstallFault


@dataclass(frozen=True, slots=True)
class Card:
    """``number``, ``id``: as ALSA has them now. ``vendor``, ``product``: four hex digits each. ``serial``: empty where
    the microphone has none. ``port``: where it is plugged in, such as ``1-1.3``: bus, then the ports of the hubs.
    """

    number: int
    id: str
    vendor: str
    product: str
    serial: str
    port: str
    name: str

    def choice(self, others: list[Card]) -> list[str]:
        """Options of ``earmark deploy udev`` that name this microphone and none of ``others``."""
        words = ["--vendor", self.vendor, "--product", self.product]
        twins = [one for one in others if (one.vendor, one.product) == (self.vendor, self.product) and one != self]
        if not twins:
            return words
        if self.serial and all(one.serial != self.serial for one in twins):
            return [*words, "--serial", self.serial]
        return [*words, "--port", self.port]


def cards(root: Path = Path("/")) -> list[Card]:
    """The USB sound cards that can record."""
    found = [_card(path) for path in sorted((root / "sys/class/sound").glob("card[0-9]*"))]
    return [card for card in found if card is not None]


def choose(given: str, root: Path = Path("/")) -> tuple[Card, list[Card]]:
    """The card that ``given`` names by number, id or port, or the only one for ``auto``; and all of them.

    Raises ``InstallFault``.
    """
    known = cards(root)
    if given == "auto":
        if len(known) == 1:
            return known[0], known
        cause = "No USB microphone is plugged in" if not known else f"{len(known)} USB microphones are plugged in"
        raise InstallFault(cause, "Plug in one, or name one: `earmark deploy microphones` lists them.", EXIT_USAGE)
    for card in known:
        if given in {str(card.number), card.id, card.port}:
            return card, known
    raise InstallFault(
        f"No USB microphone is called {given!r}", "`earmark deploy microphones` lists those plugged in.", EXIT_USAGE
    )


def _card(path: Path) -> Card | None:
    number = re.fullmatch(r"card(\d+)", path.name)
    if number is None or not any(path.glob(f"pcmC{number[1]}D*c")):
        return None
    # The card hangs below the interface, and that below the device, which has the numbers.
    place = path.resolve()
    device = next((one for one in place.parents if (one / "idVendor").is_file()), None)
    if device is None:
        return None
    return Card(
        int(number[1]),
        _read(path / "id"),
        _read(device / "idVendor"),
        _read(device / "idProduct"),
        _read(device / "serial"),
        device.name,
        _read(device / "product") or "USB microphone",
    )


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace").strip()
    except OSError:
        return ""
