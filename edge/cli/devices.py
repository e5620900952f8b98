"""``earmark devices``: the microphones that can be used."""

from __future__ import annotations

import argparse
from dataclasses import asdict

from edge.cli.console import Console, printable, table
from edge.errors import EXIT_OK, MicrophoneError

DESCRIPTION = """
List the microphones. The name in the last column stays the same after a restart; any part of it, the id of the card (as
a udev rule gives it), or the number can stand in `audio.device` of the settings, and after `--mic`.
"""
EXAMPLES = """
earmark devices
earmark devices --json
earmark verify Ada --mic "USB Audio"     use the one with that name
"""


def register(parser: argparse.ArgumentParser) -> None:
    """No arguments of its own."""


def run(args: argparse.Namespace) -> int:
    """List them. Raises ``MicrophoneError`` where there is none, or PyAudio is missing."""
    from edge.audio import list_devices

    console: Console = args.console
    devices = list_devices()
    if not devices:
        raise MicrophoneError(
            "No microphone was found",
            "Plug one in; `arecord -l` must list it, and the user must be in the group audio.",
        )
    if console.json:
        console.emit({"devices": [asdict(device) for device in devices]})
        return EXIT_OK
    rows = [["", "no.", "channels", "rate", "through", "card", "name"]]
    rows += [
        ["*" if d.is_default else "", str(d.index), str(d.channels), f"{d.default_rate} Hz", d.host_api,
         printable(d.card), printable(d.stable_name)]
        for d in devices
    ]  # fmt: skip
    lines = table(rows, right=(1, 2, 3))
    console.say(console.style(lines[0], "bold"))
    for line in lines[1:]:
        console.say(line)
    console.note("* is used where the settings name none.")
    return EXIT_OK
