"""The commands: names, one-line descriptions and where each one lives.

Takes nothing, gives ``Command``s; a command of another room is found through the entry-point group
``earmark.commands``. Must hold: listing imports no command; a built-in command whose module is absent is not listed.
"""

from __future__ import annotations

import argparse
import difflib
import importlib
import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Final, Protocol, cast

from edge.errors import EarmarkError, ExtraMissingError, UsageError

ENTRY_POINTS: Final = "earmark.commands"
"""Group of the commands outside ``edge``: callables that take the arguments and give the exit code."""


class CommandModule(Protocol):
    """What a module of a command offers."""

    DESCRIPTION: str
    """What the command does, shown above its options."""
    EXAMPLES: str
    """Command lines with a few words each, shown below its options."""

    def register(self, parser: argparse.ArgumentParser) -> None:
        """Add the command's arguments. The output options (``--json`` and so on) are there already."""

    def run(self, args: argparse.Namespace) -> int:
        """Do it. ``args.console`` is the ``Console`` to speak through. Gives the exit code."""


@dataclass(frozen=True, slots=True)
class Command:
    """A built-in command: its name, its module, the group it is listed under, and one line about it."""

    name: str
    module: str
    group: str
    summary: str

    def load(self) -> CommandModule:
        """Import the module."""
        return cast(CommandModule, importlib.import_module(self.module))

    def exists(self) -> bool:
        """Whether the module is installed."""
        return importlib.util.find_spec(self.module) is not None


TRY, PEOPLE, SERVICE, OTHER = "Try it", "People and voices", "On the device", "Models and fleets"

_ELSEWHERE: Final = {"studio": "edge.studio.command"}
"""Modules of commands that are a room of their own, above ``edge.cli``."""

BUILT_IN: Final = tuple(
    Command(name, _ELSEWHERE.get(name, f"edge.cli.{name.replace('-', '_')}"), group, summary)
    for name, group, summary in (
        ("demo", TRY, "See it work in a minute: two people, strangers and a broker, no hardware."),
        ("simulate", TRY, "Send recordings through the very pipeline of the device and show its events."),
        ("studio", TRY, "Try it in a browser: record, enrol, look at what it hears."),
        ("enroll", PEOPLE, "Learn a person's voice from clips or the microphone."),
        ("verify", PEOPLE, "Is this the voice of a certain person? Answers with its exit code."),
        ("identify", PEOPLE, "Whose voice is it? One line for each utterance of some recordings."),
        ("spooftest", PEOPLE, "What gets past verify: recordings, loudspeakers, telephones, synthetic voices."),
        ("unlock", PEOPLE, "Take a lock-out back with the PIN, or set the PIN."),
        ("audit", PEOPLE, "Who tried to be recognised, and whether the log of that is as it was written."),
        ("people", PEOPLE, "List, show, rename, remove, export and import the people enrolled; revoke."),
        ("calibrate", PEOPLE, "Fit the decisions to this household's own clips, and tell what to expect."),
        ("wyoming", SERVICE, "Tell a voice assistant's speakers apart, in front of its speech-to-text service."),
        ("run", SERVICE, "Listen, and publish who speaks over MQTT."),
        ("status", SERVICE, "How is the daemon on this machine? Answers with its exit code."),
        ("top", SERVICE, "Watch the daemon: level, decisions, broker, what is wrong."),
        ("bundle", SERVICE, "Check a bundle, put it to use under a running daemon, and take that back."),
        ("bundle-sign", OTHER, "Sign a bundle, so that devices know whose it is (also: bundle sign)."),
        ("devices", SERVICE, "List the microphones."),
        ("doctor", SERVICE, "Check the installation, and say what to do about what is missing."),
        ("bench", SERVICE, "Measure speed and memory on this machine."),
    )
)

PAIRS: Final = frozenset({"bench verify", "bench household", "bundle sign"})
"""Two words that name one command, elsewhere written with a hyphen."""

_OUTSIDE: Final = {
    "bench-verify": "Measure how often strangers are let in and people refused (also: bench verify).",
    "bench-household": "Measure false names per hour and misses of a household (also: bench household).",
    "evaluate": "Measure a bundle's error rates on lists of trials.",
    "calibrate-bundle": "Fit a bundle's calibration and operating points.",
    "data": "Check recordings, and prepare features for training.",
    "explore": "See and hear what is in a folder of speech, and find wrong labels.",
    "train": "Make a network as a recipe says.",
    "convert": "Turn a trained network into an int8 bundle.",
    "compare": "Rank bundles and other speaker encoders by errors and costs.",
    "frontier": "Draw error against cost for a table of encoders.",
    "deploy": "Install on a Pi, and keep it up to date.",
    "fleet": "Look after many devices over SSH, and change them step by step.",
}
"""One line for the commands of the other rooms, so that listing them imports nothing."""


def built_in() -> tuple[Command, ...]:
    """The commands of ``edge`` that are installed."""
    return tuple(command for command in BUILT_IN if command.exists())


def outside() -> dict[str, EntryPoint]:
    """The commands of other rooms by name; none where the package is not installed. Built-in names win."""
    taken = {command.name for command in BUILT_IN}
    return {point.name: point for point in entry_points(group=ENTRY_POINTS) if point.name not in taken}


def load_outside(point: EntryPoint) -> Callable[[Sequence[str]], int]:
    """The callable of a command outside ``edge``. Raises ``ExtraMissingError`` where something it needs is missing."""
    try:
        return cast(Callable[[Sequence[str]], int], point.load())
    except EarmarkError:
        raise
    except ImportError as error:
        missing = error.name or str(error)
        raise ExtraMissingError(
            f"`earmark {point.name}` needs {missing}, which is not installed",
            "Install it with `pip install 'earmark[train]'`.",
        ) from error


def unknown(name: str) -> UsageError:
    """The error for a command that does not exist, with the nearest one that does."""
    names = [*(command.name for command in built_in()), *outside()]
    nearest = difflib.get_close_matches(name.lower(), names, n=1, cutoff=0.5)
    remedy = f"Did you mean `earmark {nearest[0]}`?" if nearest else "`earmark` alone lists the commands."
    return UsageError(f"There is no command {name!r}", remedy)


def overview() -> str:
    """What ``earmark`` alone prints: the commands by use."""
    rows: dict[str, list[tuple[str, str]]] = {TRY: [], PEOPLE: [], SERVICE: [], OTHER: []}
    for command in built_in():
        rows[command.group].append((command.name, command.summary))
    for name, point in sorted(outside().items()):
        rows[OTHER].append((name, _OUTSIDE.get(name, f"(from {point.module})")))
    width = max((len(name) for group in rows.values() for name, _ in group), default=0)
    lines = ["Earmark tells who is speaking, offline.", "", "usage: earmark COMMAND [OPTIONS]"]
    for group, listed in rows.items():
        if listed:
            lines += ["", f"{group}:"]
            lines += [f"  {name:<{width}}  {summary}" for name, summary in listed]
    lines += ["", "`earmark COMMAND --help` shows a command's options and examples."]
    return "\n".join(lines)
