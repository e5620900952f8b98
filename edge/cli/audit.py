"""``earmark audit``: who tried to be recognised, and what came of it."""

from __future__ import annotations

import argparse
from collections import deque
from collections.abc import Mapping
from typing import Any

from edge.auth import audit, files
from edge.cli import options
from edge.cli.console import Console, count, printable, table
from edge.cli.opening import open_people, open_settings
from edge.errors import EXIT_NO, EXIT_OK, EarmarkError, UsageError
from edge.people import PeopleStore
from edge.settings import state_dir

DESCRIPTION = """
The audit log: a line for each attempt to be recognised, each refusal, and each use of the PIN. It holds no sound and no
names (people are known by their ids, which are shown as names while they are enrolled).

Each entry carries the hash of the one before it, and the record of attempts keeps the latest. --verify reads the log
against these and finds entries that were changed, removed, moved or cut off. Whoever may write the whole state folder
can write another history: note the head that --verify prints somewhere else, and give it with --expect later.

exit codes: 0 done, 1 the log is not as it was written, 2 usage, 5 the files cannot be read
"""
EXAMPLES = """
earmark audit                     the latest 20 entries
earmark audit --all --json        everything, one JSON value a line
earmark audit --person Ada        what was tried in Ada's name
earmark audit --verify            is it as it was written?
earmark audit --verify --expect 118:4f6c...   and is it the log whose head was noted?
"""
_SHOWN = 20


def register(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("--person", metavar="PERSON", help="only entries about this person (name or id)")
    amount = parser.add_mutually_exclusive_group()
    amount.add_argument("--last", type=_number, default=_SHOWN, metavar="N", help=f"so many entries ({_SHOWN})")
    amount.add_argument("--all", action="store_true", help="all entries that are kept")
    parser.add_argument("--verify", action="store_true", help="check the log instead of showing it")
    parser.add_argument("--expect", metavar="N:HASH", help="with --verify: a head that was noted earlier")
    options.add_place(parser)


def _number(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no positive number")
    return int(text)


def run(args: argparse.Namespace) -> int:
    """Show the log, or check it."""
    if args.expect is not None and not args.verify:
        raise UsageError("--expect is for --verify", "Give both.")
    return _verify(args) if args.verify else _show(args)


def _verify(args: argparse.Namespace) -> int:
    console: Console = args.console
    witness = audit.Witness.parse(args.expect) if args.expect is not None else None
    folder = state_dir(open_settings(args), args.state)
    if not files.logs(folder) and not (folder / files.RECORD).exists():
        return _nothing(console)
    report = audit.check(folder, witness=witness)
    if console.json:
        console.emit(
            {
                "sound": not report.faults,
                "entries": report.entries,
                "first": report.first,
                "last": report.last,
                "head": report.head,
                "mended": report.mended,
                "faults": [{"file": f.file, "line": f.line, "what": f.what} for f in report.faults],
            }
        )
        return EXIT_NO if report.faults else EXIT_OK
    for fault in report.faults:
        console.say(console.style(printable(fault.sentence()), "red"))
    if report.mended:
        console.note("The latest lines were missing, as after a power cut; they were written again from the record.")
    if report.faults:
        console.say(f"The log is not as it was written: {count(len(report.faults), 'fault')}.")
        return EXIT_NO
    console.say(f"{report.entries} {'entry' if report.entries == 1 else 'entries'}, as written.")
    console.say(f"head {report.head}")
    console.note("Note the head elsewhere; `earmark audit --verify --expect` compares it with the log later.")
    return EXIT_OK


def _show(args: argparse.Namespace) -> int:
    console: Console = args.console
    settings = open_settings(args)
    folder = state_dir(settings, args.state)
    if not files.logs(folder):
        return _nothing(console)
    with open_people(args, settings) as store:
        only = store.find(args.person).id if args.person else None
        found = (e.values for e in audit.entries(folder) if only is None or e.values.get("person") == only)
        rows = deque(found, maxlen=None if args.all else args.last)
        names = _names(store)
    if console.json:
        for row in rows:
            console.emit({key: value for key, value in row.items() if key != "prev"})
        return EXIT_OK
    for line in table([_row(row, names) for row in rows]):
        console.say(printable(line))
    console.note("`earmark audit --verify` tells whether these are as they were written.")
    return EXIT_OK


def _nothing(console: Console) -> int:
    if console.json:
        return EXIT_OK
    console.say("Nobody has tried to be recognised yet.")
    return EXIT_OK


def _names(store: PeopleStore) -> Mapping[str, str]:
    try:
        return {person.id: person.name for person in store.people()}
    except EarmarkError:
        return {}


def _row(row: Mapping[str, Any], names: Mapping[str, str]) -> list[str]:
    who = str(row.get("person", ""))
    probability, needed = row.get("probability"), row.get("threshold")
    figures = (
        f"{probability:.2f} of {needed:.2f}" if isinstance(probability, float) and isinstance(needed, float) else ""
    )
    what = (
        str(row.get("outcome", row.get("event", "?")))
        if row.get("event") in {"attempt", "pin"}
        else str(row.get("event"))
    )
    event = "PIN" if row.get("event") == "pin" else str(row.get("requester", ""))
    more = " ".join(
        f"{key} {row[key]}" for key in ("digits", "playback", "refused_before", "failures") if row.get(key) is not None
    )
    return [
        str(row.get("n")),
        str(row.get("time")),
        names.get(who, who),
        event,
        what,
        str(row.get("reason", "")),
        figures,
        more,
    ]
