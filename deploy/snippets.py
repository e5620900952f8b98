"""Small texts for the neighbours of the daemon: udev and ALSA.

Takes: what identifies a microphone. Gives: the text of a file. Must hold: what comes from a person is
checked before it stands in a file that root will trust.
"""

from __future__ import annotations

import re

from edge.errors import UsageError


def udev_rule(*, vendor: str, product: str, serial: str = "", port: str = "", name: str = "earmark") -> str:
    """A udev rule that gives a USB microphone the same ALSA card id at every start.

    ``vendor``/``product``: the four hex digits that ``lsusb`` shows. ``serial`` or ``port``: tells two of the same kind
    apart; ``port`` is the kernel's name of the place, such as ``1-1.3``. Raises ``UsageError`` for anything else.
    """
    for option, value in (("--vendor", vendor), ("--product", product)):
        if not re.fullmatch(r"[0-9a-fA-F]{4}", value):
            raise UsageError(f"{option} {value!r} is not four hex digits", "`lsusb` shows them as ID vendor:product.")
    if serial and not re.fullmatch(r"[A-Za-z0-9_.:-]{1,64}", serial):
        raise UsageError(
            f"--serial {serial!r} is no serial number", "`lsusb -v` shows it as iSerial; leave it out if empty."
        )
    if port and not re.fullmatch(r"[0-9]{1,3}-[0-9]{1,3}(\.[0-9]{1,3}){0,6}", port):
        raise UsageError(f"--port {port!r} is no USB port", "`earmark deploy microphones` shows it, such as 1-1.3.")
    check_card(name)
    # All ATTRS and KERNELS of a rule must hold for one and the same parent: the USB device.
    which = f'ATTRS{{idVendor}}=="{vendor.lower()}", ATTRS{{idProduct}}=="{product.lower()}"'
    if serial:
        which += f', ATTRS{{serial}}=="{serial}"'
    if port:
        which = f'KERNELS=="{port}", {which}'
    where = f"in the port {port}" if port else "whichever port it is in"
    return (
        f"# The microphone keeps its name, {where}. Made by `earmark deploy udev`.\n"
        "#   earmark deploy udev ... | sudo tee /etc/udev/rules.d/85-earmark-microphone.rules\n"
        "#   sudo udevadm control --reload, then plug the microphone in again\n"
        f'SUBSYSTEM=="sound", KERNEL=="card*", ACTION=="add", {which}, ATTR{{id}}="{name}"\n'
    )


def asound(name: str = "earmark") -> str:
    """The lines of ``/etc/asound.conf`` that make the card ``name`` a device that Earmark can be told to use."""
    check_card(name)
    return (
        f"# The card that udev calls {name}, at any rate. Made by `earmark deploy asound`.\n"
        "#   earmark deploy asound | sudo tee -a /etc/asound.conf\n"
        f'# In the settings: audio.source: "mic:{name}"\n'
        f"pcm.{name} {{\n"
        "    type plug\n"
        f'    slave.pcm "hw:CARD={name}"\n'
        f'    hint {{ show on description "Earmark microphone" }}\n'
        "}\n"
    )


def check_card(name: str) -> None:
    """Raise ``UsageError`` unless ``name`` can be the id of an ALSA card."""
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,14}", name):
        raise UsageError(
            f"--name {name!r} cannot be the id of a sound card", "Use a letter, then letters, digits or _, at most 15."
        )
