"""``earmark people``: list, show, rename and remove the people enrolled."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from edge.cli import options
from edge.cli.console import Console, count, printable, table
from edge.cli.opening import open_people, open_settings
from edge.enrolment import ADVISED_SESSIONS, sessions_of
from edge.errors import EXIT_NO, EXIT_OK, PeopleError, UnknownPersonError, UsageError
from edge.people import PeopleStore, check_name
from edge.records import Person
from edge.scoring import voiceprint_of
from edge.spoof import Repeats

DESCRIPTION = """
The people enrolled on this device. Voiceprints are personal data: they lie in the state folder only, and `remove`
deletes them for good.
"""
EXAMPLES = """
earmark people                       list them
earmark people show Ada              her clips, and how alike they are
earmark people rename Ada "Ada L."
earmark people remove Ben --yes      without asking
"""


def register(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("action", choices=("list", "show", "rename", "remove"), nargs="?", default="list")
    parser.add_argument("names", metavar="NAME", nargs="*", help="name or id; `rename` takes the old and the new one")
    parser.add_argument("--yes", action="store_true", help="remove without asking")
    options.add_place(parser)


def run(args: argparse.Namespace) -> int:
    """Do the action."""
    wanted = {"list": 0, "show": 1, "rename": 2, "remove": 1}[args.action]
    if len(args.names) != wanted:
        words = {0: "no name", 1: "one name", 2: "the old and the new name"}[wanted]
        raise UsageError(f"`people {args.action}` takes {words}", "`earmark people --help` shows examples.")
    with open_people(args, open_settings(args)) as store:
        if args.action == "list":
            return _list(args.console, store.people())
        if args.action == "show":
            return _show(args.console, store, args.names[0])
        if args.action == "rename":
            return _rename(args.console, store, *args.names)
        return _remove(args.console, store, args.names[0], args.yes)


def _summary(person: Person) -> dict[str, Any]:
    clips = person.exemplars
    return {
        "id": person.id,
        "name": person.name,
        "created": person.created,
        "clips": len(clips),
        "speech_seconds": round(sum(e.speech_seconds for e in clips), 1),
        "encoders": sorted({e.encoder for e in clips}),
        "spaces": sorted({e.space for e in clips if e.space}),
        "microphones": sorted({e.microphone for e in clips}),
        "sessions": sessions_of([e.created for e in clips]),
    }


def _list(console: Console, people: Sequence[Person]) -> int:
    summaries = [_summary(person) for person in people]
    if console.json:
        console.emit({"people": summaries})
        return EXIT_OK
    if not summaries:
        console.say("Nobody is enrolled.")
        console.note("`earmark enroll NAME --mic` enrols somebody.")
        return EXIT_OK
    rows = [["name", "id", "clips", "speech", "since"]]
    rows += [
        [printable(s["name"]), s["id"], str(s["clips"]), f"{s['speech_seconds']} s", s["created"][:10]]
        for s in summaries
    ]
    lines = table(rows, right=(2, 3))
    console.say(console.style(lines[0], "bold"))
    for line in lines[1:]:
        console.say(line)
    return EXIT_OK


def _show(console: Console, store: PeopleStore, who: str) -> int:
    person = store.find(who)
    consent = store.consent(person.id)
    spreads = {}
    for space in sorted({e.space or e.encoder for e in person.exemplars}):
        mine = [e for e in person.exemplars if (e.space or e.encoder) == space]
        spreads[space] = round(voiceprint_of(mine, person_id=person.id, name=person.name).spread, 3)
    if console.json:
        clips = [
            {
                "speech_seconds": round(e.speech_seconds, 2),
                "snr_db": round(e.snr_db, 1),
                "microphone": e.microphone,
                "created": e.created,
                "encoder": e.encoder,
                "space": e.space or None,
            }
            for e in person.exemplars
        ]
        console.emit(_summary(person) | {"consent": consent, "likeness": spreads, "exemplars": clips})
        return EXIT_OK
    console.say(console.style(f"{printable(person.name)} ({person.id}), enrolled {person.created[:10]}", "bold"))
    if consent:
        console.say(f"consent: {printable(consent)}")
    rows = [["clip", "speech", "over background", "encoder", "recorded", "with"]]
    rows += [
        [
            str(i),
            f"{e.speech_seconds:.1f} s",
            f"{e.snr_db:.0f} dB",
            e.encoder[:8],
            e.created[:16],
            printable(e.microphone),
        ]
        for i, e in enumerate(person.exemplars, 1)
    ]
    for line in table(rows, right=(0, 1, 2)):
        console.say(line)
    sessions = sessions_of([e.created for e in person.exemplars])
    advice = "" if sessions >= ADVISED_SESSIONS else "; two, at least ten minutes apart, are better"
    console.say(f"recorded in {count(sessions, 'session')}{advice}")
    for space, spread in spreads.items():
        where = f"in the space {space}" if "/" in space else f"under encoder {space[:8]}"
        console.say(f"likeness of the clips {where}: {spread:.2f} (1 = identical)")
    return EXIT_OK


def _rename(console: Console, store: PeopleStore, old: str, new: str) -> int:
    person = store.find(old)
    try:
        new = check_name(new)
    except PeopleError as error:
        raise UsageError(error.cause, error.remedy) from None
    with suppress(UnknownPersonError):
        taken = store.find(new)
        if taken.id != person.id:
            raise UsageError(f"Somebody called {taken.name} is enrolled already", "Choose another name.")
    renamed = store.rename(person.id, new)
    if console.json:
        console.emit({"id": renamed.id, "name": renamed.name, "before": person.name})
    else:
        console.say(f"{printable(person.name)} is called {printable(renamed.name)} now ({renamed.id}).")
    return EXIT_OK


def _remove(console: Console, store: PeopleStore, who: str, yes: bool) -> int:
    person = store.find(who)
    if not yes and not _confirmed(console, person):
        console.note("Nothing was removed.")
        return EXIT_NO
    store.remove(person.id)
    with Repeats(store.path.parent) as repeats:
        repeats.forget(person.id)
    if console.json:
        console.emit({"id": person.id, "name": person.name, "removed": True})
    else:
        console.say(f"{printable(person.name)} and {len(person.exemplars)} clips are removed.")
    return EXIT_OK


def _confirmed(console: Console, person: Person) -> bool:
    """Ask. Raises ``UsageError`` where nobody can answer."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError("Removing somebody needs --yes where nobody can be asked", "Add --yes.")
    console.clear_live()
    sys.stderr.write(f"Remove {printable(person.name)} with {len(person.exemplars)} clips for good? [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in {"y", "yes"}
