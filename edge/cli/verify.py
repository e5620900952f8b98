"""``earmark verify``: is this the voice of a certain person?"""

from __future__ import annotations

import argparse
import math
from typing import Final

from edge.auth.outcome import AttemptOutcome, judge
from edge.auth.words import REMEDIES
from edge.cli import options
from edge.cli.console import Console, printable, quoted
from edge.cli.progress import Progress
from edge.cli.recordings import (
    Hearing,
    add_microphone,
    listen,
    notes_of,
    open_microphone,
    open_recording,
)
from edge.cli.session import Session, open_session
from edge.errors import EXIT_OK, PeopleError, UsageError
from edge.records import AudioSource, Person, Result

DESCRIPTION = """
Is this the voice of PERSON? Listens to a recording, or to the microphone until it is sure or the time is over.

A voice is good enough to choose somebody's playlist. It is no key: recordings and imitations are not detected, and at
the profile's target some strangers pass. Never let it alone open a door, pay, or log anybody in.

exit codes: 0 the voice matches, 1 it does not (or not surely enough), 3 no decision was possible (silent, too short,
distorted, no speech), 2 usage or unknown person, 5 no microphone or no model
"""
EXAMPLES = """
earmark verify Ada                        listen to the microphone for at most 10 seconds
earmark verify Ada clip.wav --json        judge a recording
arecord -q -f S16_LE -r 16000 -c 1 -d 5 -t raw | earmark verify Ada -
earmark verify Ada --profile strict && play-adas-music
"""

MICROPHONE_SECONDS: Final = 10.0


def register(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("person", metavar="PERSON", help="name or id of somebody enrolled")
    parser.add_argument("source", metavar="SOURCE", nargs="?", help="audio file, or - for the standard input")
    add_microphone(parser)
    parser.add_argument(
        "--timeout", type=options.seconds, metavar="SECONDS", help="take no more sound than this (microphone: 10)"
    )
    options.add_place(parser)
    options.add_model(parser)


def run(args: argparse.Namespace) -> int:
    """Judge one attempt; gives the verdict's exit code."""
    console: Console = args.console
    if args.source is not None and args.mic is not None:
        raise UsageError("A recording and --mic exclude each other", "Give one of them.")
    with open_session(args) as session:
        person = session.store.find(args.person)
        if person.id not in {v.person_id for v in session.voiceprints}:
            raise PeopleError(
                f"{person.name} was enrolled with another model than {session.bundle.name}",
                f"Enrol again: `earmark enroll {quoted(person.name)} --add` with clips, or name the old --bundle.",
            )
        if stale := session.household.stale:
            console.note(f"The household's calibration is not used: {stale}. `earmark calibrate` renews it.")
        if args.source is None:
            source = open_microphone(args.mic or "", session.settings)
            limit_seconds = args.timeout or MICROPHONE_SECONDS
            console.note(f"Listening for at most {limit_seconds:g} s: say a sentence.")
        else:
            source = open_recording(args.source, session.settings)
            limit_seconds = args.timeout or math.inf
        verdict = _attempt(console, session, person, source, limit_seconds)
    return _tell(console, verdict)


def _attempt(
    console: Console, session: Session, person: Person, source: AudioSource, limit_seconds: float
) -> AttemptOutcome:
    hearing = Hearing()
    results: list[Result] = []
    pipeline = session.pipeline(claim=person.id)
    with Progress(console, "listening", limit_seconds if source.live else 0.0) as bar:
        for result in listen(pipeline, source, hearing, limit_seconds=limit_seconds, on_seconds=bar.advance):
            results.append(result)
            if result.decision.outcome == "identified":
                break
    for note in notes_of(source):
        console.note(printable(note))
    return judge(
        results,
        person=person,
        profile=session.settings.decide.profile,
        model=session.model,
        nothing=hearing.why_nothing(session.settings),
        calibration=session.calibration,
    )


def _tell(console: Console, verdict: AttemptOutcome) -> int:
    if console.json:
        console.emit(verdict.to_json())
        return verdict.exit_code
    sentence = printable(verdict.sentence())
    console.say(console.style(sentence, "green" if verdict.exit_code == EXIT_OK else "yellow"))
    if verdict.outcome == "uncertain":
        console.note("Say more: evidence adds up.")
    elif verdict.decision is None:
        console.note(REMEDIES.get(verdict.reason, ""))
    return verdict.exit_code
