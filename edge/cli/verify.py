"""``earmark verify``: is this the voice of a certain person?"""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass
from typing import Final

from edge.auth.attempt import Attempt, Gate
from edge.auth.listening import Heard, for_digits, hear
from edge.auth.outcome import AttemptOutcome
from edge.auth.words import REMEDIES
from edge.challenge import MOST_DIGITS, MOST_SECONDS, Challenge
from edge.cli import options
from edge.cli.at_daemon import verify_at_daemon
from edge.cli.console import Console, printable, quoted
from edge.cli.progress import Progress
from edge.cli.recordings import STDIN, add_microphone, notes_of, open_microphone, open_recording
from edge.cli.session import Session, open_session
from edge.errors import EXIT_OK, EarmarkError, PeopleError, UsageError
from edge.records import AudioSource, Person

DESCRIPTION = """
Is this the voice of PERSON? Listens to a recording, or to the microphone until it is sure or the time is over.

A voice is good enough to choose somebody's playlist. It is no key: recordings and imitations pass unless they are
exact copies of what was heard before, and at the profile's target some strangers pass. Never let it alone open a door,
pay, or log anybody in.

With --challenge PERSON has to say digits that are drawn now, within 15 seconds; the voice is judged on that very sound.

Every attempt counts as failed before anything is heard, and only a match takes that back. After five failures in a row
it takes waiting, 30 seconds at first, or `earmark unlock`. The same recording twice is refused. `earmark identify`
tells whose voice it is and counts nothing: use it to try things out.

exit codes: 0 the voice matches, 1 it does not (or not surely enough, or other digits were said), 3 no decision was
possible (silent, too short, distorted, no speech), 4 locked out, 7 this sound was heard before,
2 usage or unknown person, 5 no microphone, no model, or the record of attempts cannot be used
"""
EXAMPLES = """
earmark verify Ada                        listen to the microphone for at most 10 seconds
earmark verify Ada --challenge            with six digits to say
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
        "--timeout", type=options.seconds, metavar="SECONDS",
        help="take no more sound than this (microphone: 10; with --challenge never more than 15)",
    )  # fmt: skip
    parser.add_argument(
        "--challenge", action="store_true", help=f"have {MOST_DIGITS} digits said that are drawn now, shown on stderr"
    )
    parser.add_argument("--language", default="en", metavar="CODE", help="of the digits (en)")
    options.add_place(parser)
    options.add_model(parser)


def run(args: argparse.Namespace) -> int:
    """Judge one attempt; gives the outcome's exit code."""
    console: Console = args.console
    if args.source is not None and args.mic is not None:
        raise UsageError("A recording and --mic exclude each other", "Give one of them.")
    if args.challenge and args.source not in {None, STDIN}:
        raise UsageError(
            "A recording cannot answer digits that are drawn now", "Leave --challenge out, or listen to the microphone."
        )
    if args.source is None and not args.mic:
        code = verify_at_daemon(args)
        if code is not None:
            return code
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
        else:
            source = open_recording(args.source, session.settings)
            limit_seconds = args.timeout or math.inf
        if args.challenge:
            limit_seconds = min(args.timeout or MOST_SECONDS, MOST_SECONDS)
        asked = _Asked(person, source, limit_seconds, _drawn(args))
        with Gate(session.folder, session.settings) as gate:
            outcome = _attempt(console, session, gate, asked)
    return _tell(console, outcome)


@dataclass(frozen=True, slots=True)
class _Asked:
    """Who is expected, what is listened to and for how much sound, and the digits that are to be said."""

    person: Person
    source: AudioSource
    limit_seconds: float
    challenge: Challenge | None


def _drawn(args: argparse.Namespace) -> Challenge | None:
    """Drawn before the attempt begins: digits that cannot be checked are no failed attempt."""
    return Challenge.draw(MOST_DIGITS, args.language) if args.challenge else None


def _attempt(console: Console, session: Session, gate: Gate, asked: _Asked) -> AttemptOutcome:
    """Count, listen, judge."""
    person, challenge = asked.person, asked.challenge
    with gate.begin(person.id, requester="cli", challenge=challenge is not None, name=person.name) as attempt:
        if challenge is not None:
            console.prompt(f"Say: {challenge.text()}")
        elif asked.source.live:
            console.note(f"Listening for at most {asked.limit_seconds:g} s: say a sentence.")
        heard = _heard(console, session, attempt, asked)
        return attempt.judge(
            heard.results,
            person=person,
            profile=session.settings.decide.profile,
            model=session.model,
            nothing=heard.hearing.why_nothing(session.settings),
            calibration=session.calibration,
            challenge=challenge,
        )


def _heard(console: Console, session: Session, attempt: Attempt, asked: _Asked) -> Heard:
    came = 0.0
    with Progress(console, "listening", asked.limit_seconds if asked.source.live else 0.0) as bar:

        def on_seconds(seconds: float) -> None:
            nonlocal came
            came += seconds
            bar.advance(seconds)

        settings = for_digits(session.settings) if asked.challenge else session.settings
        try:
            heard = hear(
                asked.source.blocks(),
                session.pipeline(claim=asked.person.id, settings=settings),
                limit_seconds=asked.limit_seconds,
                digits=len(asked.challenge.digits) if asked.challenge else 0,
                on_seconds=on_seconds,
            )
        except EarmarkError as error:
            if not came:
                attempt.nothing_heard(error.code)
            raise
        finally:
            asked.source.close()
    for note in notes_of(asked.source):
        console.note(printable(note))
    return heard


def _tell(console: Console, outcome: AttemptOutcome) -> int:
    if console.json:
        console.emit(outcome.to_json())
        return outcome.exit_code
    sentence = printable(outcome.sentence())
    console.say(console.style(sentence, "green" if outcome.exit_code == EXIT_OK else "yellow"))
    if outcome.playback is not None and outcome.playback["suspect"]:
        console.note("It sounds like a loudspeaker; that alone decided nothing.")
    if outcome.outcome == "uncertain":
        console.note("Say more: evidence adds up.")
    elif outcome.outcome == "no_decision":
        console.note(REMEDIES.get(outcome.reason, ""))
    return outcome.exit_code
