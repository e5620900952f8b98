"""``earmark people``: list, show, rename and remove the people enrolled, and keep their voiceprints theirs."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict
from typing import Any

from edge.cli import options, people_files
from edge.cli.console import Console, count, printable, table
from edge.cli.opening import open_people, open_settings
from edge.cli.passphrase import add_passphrase
from edge.enrolment import ADVISED_SESSIONS, sessions_of
from edge.errors import EXIT_NO, EXIT_OK, PeopleError, UnknownPersonError, UsageError
from edge.people import PeopleStore, check_name
from edge.records import Person
from edge.scoring import voiceprint_of
from edge.settings import Settings

DESCRIPTION = """
The people enrolled on this device. Voiceprints are personal data: they lie encrypted in the state folder only, and
`remove` deletes them for good, with everything else that is kept of the person. `revoke` encrypts and turns all of them
anew under a fresh key: whatever was copied before is of no use here any more, and nobody has to enrol again. `protect`
encrypts a database of an earlier version at once; the next change does so too. `protect --off` is for going back to a
version that cannot read it: voiceprints are unencrypted from then until the next change. `export` writes everybody (or
those named) to a new file that only its passphrase opens, `import` enrols them elsewhere (docs/privacy.md).

exit codes: 0 done, 1 not removed, or a wrong passphrase, 2 usage, 5 the files cannot be used
"""
EXAMPLES = """
earmark people                       list them
earmark people show Ada              her clips, and how alike they are
earmark people rename Ada "Ada L."
earmark people remove Ben --yes      without asking
earmark people revoke                after the device or a copy of its files was in other hands
earmark people protect --off         before `earmark deploy rollback` to a version that cannot read them
earmark people export home.people    asks for a passphrase; --passphrase-file FILE for scripts
earmark people import home.people --skip-existing
"""
_NAMES = {"list": 0, "show": 1, "rename": 2, "remove": 1, "revoke": 0, "protect": 0, "import": 1}
"""How many arguments each action takes; ``export`` takes a file and any number of names."""
_WORDS = {0: "no name", 1: "one name", 2: "the old and the new name"}


def register(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("action", choices=(*_NAMES, "export"), nargs="?", default="list")
    parser.add_argument(
        "names", metavar="NAME", nargs="*",
        help="name or id; `rename` takes the old and the new one, `import` a file, `export` a file and perhaps names",
    )  # fmt: skip
    parser.add_argument("--yes", action="store_true", help="remove without asking")
    parser.add_argument("--off", action="store_true", help="protect: store them unencrypted, as earlier versions did")
    parser.add_argument("--skip-existing", action="store_true", help="import: leave out whose name is enrolled already")
    add_passphrase(parser)
    options.add_place(parser)


def run(args: argparse.Namespace) -> int:
    """Do the action."""
    if args.action == "export":
        if not args.names:
            raise UsageError("`people export` takes a file", "`earmark people --help` shows examples.")
    elif len(args.names) != _NAMES[args.action]:
        words = "one file" if args.action == "import" else _WORDS[_NAMES[args.action]]
        raise UsageError(f"`people {args.action}` takes {words}", "`earmark people --help` shows examples.")
    if args.off and args.action != "protect":
        raise UsageError("--off belongs to `people protect`", "Leave it out.")
    settings = open_settings(args)
    console: Console = args.console
    with open_people(args, settings) as store:
        actions: dict[str, Callable[[], int]] = {
            "list": lambda: _list(console, store.people()),
            "show": lambda: _show(console, store, args.names[0]),
            "rename": lambda: _rename(console, store, *args.names),
            "remove": lambda: _remove(console, settings, store, args.names[0], args.yes),
            "revoke": lambda: _revoke(console, store),
            "protect": lambda: _unprotect(console, store) if args.off else _protect(console, store),
            "export": lambda: people_files.export(args, store, args.names[0], args.names[1:]),
            "import": lambda: people_files.bring_in(args, store, args.names[0]),
        }
        return actions[args.action]()


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


def _remove(console: Console, settings: Settings, store: PeopleStore, who: str, yes: bool) -> int:
    from edge.forgetting import forget

    person = store.find(who)
    if not yes and not _confirmed(console, person):
        console.note("Nothing was removed.")
        return EXIT_NO
    store.remove(person.id)
    gone = forget(settings, store.path.parent, person)
    if console.json:
        console.emit({"id": person.id, "name": person.name, "removed": True, **asdict(gone)})
    else:
        console.say(f"{printable(person.name)} and {count(len(person.exemplars), 'clip')} are removed.")
        if gone.broker == "cleared":
            console.note("The broker and Home Assistant have forgotten that name, too.")
        elif gone.broker == "waiting":
            console.note("The broker will be told as soon as it can be reached by `earmark run`.")
    for problem in gone.problems:
        console.warn(problem)
    return EXIT_OK


def _revoke(console: Console, store: PeopleStore) -> int:
    number = store.revoke()
    ours = store.key.ours
    if console.json:
        console.emit({"people": number, "key": "new" if ours else "unchanged"})
        return EXIT_OK
    people = "1 person is" if number == 1 else f"{number} people are"
    console.say(f"{people} encrypted and turned anew; nobody has to enrol again.")
    if ours:
        console.note("Copies of the database made before are of no use here, and cannot be read without the old key.")
        console.note("Who had the old key with such a copy can read that copy still: a voice cannot be changed.")
    else:
        console.note("The key is a credential of systemd, which only its owner can replace.")
    return EXIT_OK


def _protect(console: Console, store: PeopleStore) -> int:
    done = store.protect()
    if console.json:
        console.emit({"encrypted": True, "changed": done})
    else:
        console.say("The voiceprints are encrypted now." if done else "The voiceprints are encrypted already.")
    return EXIT_OK


def _unprotect(console: Console, store: PeopleStore) -> int:
    done = store.unprotect()
    if console.json:
        console.emit({"encrypted": False, "changed": done})
        return EXIT_OK
    console.say("The voiceprints are unencrypted now." if done else "The voiceprints are unencrypted already.")
    console.note("An earlier version can read them, and so can whoever gets a copy. This version encrypts them again")
    console.note("with the next change (somebody is enrolled, renamed or removed), or by `earmark people protect`.")
    return EXIT_OK


def _confirmed(console: Console, person: Person) -> bool:
    """Ask. Raises ``UsageError`` where nobody can answer."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError("Removing somebody needs --yes where nobody can be asked", "Add --yes.")
    console.clear_live()
    sys.stderr.write(f"Remove {printable(person.name)} with {len(person.exemplars)} clips for good? [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in {"y", "yes"}
