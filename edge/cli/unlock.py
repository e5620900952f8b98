"""``earmark unlock``: take a lock-out back with the PIN."""

from __future__ import annotations

import argparse
import getpass
import sys
from pathlib import Path

from edge.auth.clock import BootClock
from edge.auth.gate import Counter
from edge.auth.record import Record
from edge.cli import options
from edge.cli.console import Console, count, printable
from edge.cli.opening import open_people, open_settings
from edge.errors import EXIT_OK, UsageError
from edge.settings import state_dir

DESCRIPTION = """
After five failed attempts in a row a person is locked out for 30 seconds, and for twice as long after each further one,
up to an hour. No voice takes that back, only time or the PIN: a word of at least six characters that the owner of the
device set earlier. It is asked for at the terminal, or read from a file; it is never given on the command line, where
other users could see it. Wrong PINs are counted and locked out in the same way.

exit codes: 0 done, 1 that is not the PIN, 2 usage, or no PIN is set, 4 too many wrong PINs, 5 the files cannot be used
"""
EXAMPLES = """
earmark unlock --set-pin                 set the PIN, or change it
earmark unlock Ada                       forget Ada's failed attempts
earmark unlock Ada --pin-file /run/pin   the same from a script (- reads standard input)
earmark unlock --new-record              when the record of attempts is damaged: set it aside, begin anew
"""


def register(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("person", metavar="PERSON", nargs="?", help="name or id of somebody enrolled")
    parser.add_argument("--pin-file", metavar="FILE", help="read the PIN from the first line of FILE, or - for stdin")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--set-pin", action="store_true", help="set the PIN; asks for the old one where there is one")
    what.add_argument(
        "--new-record", action="store_true", help="for the folder's owner: replace a record of attempts that is damaged"
    )
    options.add_place(parser)


def run(args: argparse.Namespace) -> int:
    """Unlock somebody, set the PIN, or begin a new record."""
    if (args.person is None) != (args.set_pin or args.new_record):
        raise UsageError("Say whom to unlock, or --set-pin, or --new-record", "`earmark unlock --help` shows how.")
    if args.new_record:
        return _new_record(args)
    return _set_pin(args) if args.set_pin else _unlock(args)


def _unlock(args: argparse.Namespace) -> int:
    console: Console = args.console
    settings = open_settings(args)
    with open_people(args, settings) as store:
        person = store.find(args.person)
    counter = Counter(state_dir(settings, args.state), BootClock())
    try:
        if not counter.has_pin:
            counter.unlock(person.id, "")  # says that there is none
        forgotten = counter.unlock(person.id, _read(args.pin_file, "PIN: "))
    finally:
        counter.close()
    if console.json:
        console.emit({"person": {"id": person.id, "name": person.name}, "forgotten": forgotten})
    else:
        console.say(f"{printable(person.name)} may try again; {count(forgotten, 'failed attempt')} forgotten.")
    return EXIT_OK


def _set_pin(args: argparse.Namespace) -> int:
    console: Console = args.console
    counter = Counter(state_dir(open_settings(args), args.state), BootClock())
    try:
        changing = counter.has_pin
        if args.pin_file is not None:
            lines = _lines(args.pin_file)
            old, new = (lines[0], lines[1]) if changing and len(lines) > 1 else (None, lines[0])
        else:
            old = _ask("Old PIN: ") if changing else None
            new = _ask("New PIN: ")
            if _ask("The same again: ") != new:
                raise UsageError("The two are not the same", "Type the same PIN twice.")
        counter.set_pin(new, old)
    finally:
        counter.close()
    if console.json:
        console.emit({"pin": "changed" if changing else "set"})
    else:
        console.say("The PIN is changed." if changing else "The PIN is set.")
        console.note("Keep it apart from this device. Nobody can read it back; without it only waiting helps.")
    return EXIT_OK


def _new_record(args: argparse.Namespace) -> int:
    console: Console = args.console
    folder = state_dir(open_settings(args), args.state)
    aside = Record.anew(folder, BootClock())
    if console.json:
        console.emit({"record": "new", "set_aside": str(aside) if aside else None})
    else:
        console.say("A new record of attempts is begun; nobody is locked out, and no PIN is set.")
        if aside:
            console.note(f"The old one is kept as {printable(str(aside))}.")
    return EXIT_OK


def _read(path: str | None, prompt: str) -> str:
    return _ask(prompt) if path is None else _lines(path)[0]


def _lines(path: str) -> list[str]:
    """The lines of a file with PINs: the PIN, or when it is changed the old one and then the new one."""
    try:
        text = sys.stdin.read() if path == "-" else Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"The PIN cannot be read from {path}: {error}", "Name a text file that you may read."
        ) from error
    lines = text.splitlines()
    if not lines:
        raise UsageError(f"{path} holds no PIN", "Put the PIN on its first line.")
    return lines


def _ask(prompt: str) -> str:
    if not sys.stdin.isatty():
        raise UsageError("There is no terminal to ask for the PIN at", "Give it with --pin-file FILE, or - for stdin.")
    return getpass.getpass(prompt, stream=sys.stderr)
