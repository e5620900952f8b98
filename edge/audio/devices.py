"""Which microphones there are, and the one that somebody means.

Takes: PortAudio's device list, and a number or a part of a name. Gives: ``Device``s. Must hold: the stable name of a
microphone stays the same when cards are numbered anew at the next boot; a name that fits several is never guessed.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from edge.audio.portaudio import MicrophoneSetupError, call, open_portaudio
from edge.errors import MicrophoneError

_CARD_NUMBER: Final = re.compile(r"\s*\((?:plug)?hw:([^,)]*)[^)]*\)")
"""What PortAudio appends to ALSA names; the numbers depend on the order in which the kernel found the cards."""
_CARDS: Final = Path("/sys/class/sound")
"""Where the kernel tells the id of each card, which a udev rule can choose."""


@dataclass(frozen=True, slots=True)
class Device:
    """One device with inputs.

    ``index``: PortAudio's number, good until devices change. ``channels``: how many inputs. ``default_rate`` in hertz.
    ``stable_name``: the name without card numbers; the second of two equal ones ends in ``#2``. ``card``: the kernel's
    id of the sound card, which a udev rule can choose; empty where the device is none.
    """

    index: int
    name: str
    host_api: str
    channels: int
    default_rate: int
    is_default: bool
    stable_name: str
    card: str = ""


def list_devices() -> tuple[Device, ...]:
    """All devices that can record, in PortAudio's order; empty where there is none. Raises ``MicrophoneError``."""
    return call(_list)


def _list() -> tuple[Device, ...]:
    portaudio = open_portaudio()
    try:
        return read_devices(portaudio)
    finally:
        portaudio.terminate()


def read_devices(portaudio: Any, cards: Path = _CARDS) -> tuple[Device, ...]:
    """The devices of an open ``pyaudio.PyAudio``. ``cards``: where the kernel lists sound cards."""
    try:
        default = int(portaudio.get_default_input_device_info()["index"])
    except OSError:
        default = -1
    seen: Counter[str] = Counter()
    devices: list[Device] = []
    for index in range(portaudio.get_device_count()):
        info = portaudio.get_device_info_by_index(index)
        if info["maxInputChannels"] < 1:
            continue
        name = str(info["name"])
        plain = _CARD_NUMBER.sub("", name).strip() or name
        seen[plain] += 1
        devices.append(
            Device(
                index=index,
                name=name,
                host_api=str(portaudio.get_host_api_info_by_index(info["hostApi"])["name"]),
                channels=int(info["maxInputChannels"]),
                default_rate=round(info["defaultSampleRate"]),
                is_default=index == default,
                stable_name=plain if seen[plain] == 1 else f"{plain} #{seen[plain]}",
                card=_card_id(name, cards),
            )
        )
    return tuple(devices)


def _card_id(name: str, cards: Path) -> str:
    found = _CARD_NUMBER.search(name)
    if found is None or not found[1].isdecimal():
        return ""
    try:
        return (cards / f"card{found[1]}" / "id").read_text(encoding="ascii", errors="replace").strip()
    except OSError:  # unplugged at this moment
        return ""


def find_device(devices: tuple[Device, ...], wanted: str | int | None, known: str | None = None) -> Device:
    """The device that ``wanted`` means: a number, a card's id, a name or a part of one, in any case; None or empty: the
    system's default.

    ``known``: the stable name of the device that ``wanted`` meant before. A number means that one still, whatever is
    numbered so now, and a name that fits several means it. Raises ``MicrophoneError`` where there is none (yet) and
    ``MicrophoneSetupError`` where a name fits several.
    """
    if not devices:
        raise MicrophoneError(
            "no microphone was found",
            "Plug one in; `arecord -l` must list it, and the user must be in the group audio.",
            "missing",
        )
    if wanted is None or wanted == "":
        return next((device for device in devices if device.is_default), devices[0])
    if isinstance(wanted, int) or wanted.strip().isdecimal():
        found = [device for device in devices if device.index == int(wanted)]
        if known is not None:
            wanted, found = known, [device for device in devices if device.stable_name == known]
    else:
        found = _named(devices, wanted.strip().casefold())
        if len(found) > 1:
            found = [device for device in found if device.stable_name == known] or found
    if not found:
        names = ", ".join(f"{device.index}: {device.stable_name}" for device in devices)
        raise MicrophoneError(f'no microphone fits "{wanted}"', f"There are {names}.", "missing")
    if len(found) > 1:
        candidates = ", ".join(f"{device.index}: {device.stable_name}" for device in found)
        raise MicrophoneSetupError(
            f'"{wanted}" fits {len(found)} microphones', f"Say which one: {candidates}.", "ambiguous"
        )
    return found[0]


def _named(devices: tuple[Device, ...], wanted: str) -> list[Device]:
    """Devices of exactly that name or on the card with that id, else those whose name contains it."""
    exact = [device for device in devices if wanted in (device.stable_name.casefold(), device.name.casefold())]
    exact = exact or [device for device in devices if wanted == device.card.casefold()]
    return exact or [device for device in devices if wanted in f"{device.stable_name}\n{device.name}".casefold()]
