"""``earmark spooftest``: what gets past the check of a voice, tried with recordings."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from edge.cli import options
from edge.cli.console import Console, printable
from edge.cli.progress import Progress
from edge.cli.spooftest_household import Household, demonstration, enrolled, from_folder
from edge.cli.spooftest_report import Row, rows_of, tell
from edge.cli.spooftest_trials import Plan, Trial, plan, run_trials
from edge.errors import EXIT_NO, EXIT_NO_DECISION, EXIT_OK, UsageError
from edge.spoof import synthetic
from edge.spoof.species import ALL, BY_NAME

DESCRIPTION = """
Try to get past `earmark verify` with recordings: the very recordings somebody enrolled with, copies of them, played by
simulated loudspeakers and telephones in simulated rooms, with another pitch, other people, and synthetic voices (of
espeak-ng, flite and festival, where they are installed). Every trial is an attempt through the same path as any other,
in a temporary copy of the state folder: nothing is counted, locked or remembered.

Without arguments it tries the demonstration's people. With a FOLDER that holds a folder for each person, everybody in
it is enrolled with their first recordings, in a temporary place; the others are recordings that the device never heard.
With --person it plays the clips against somebody who is enrolled here.

Simulated rooms are not yours: --play and --mic measure a real loudspeaker at the real microphone.

exit codes: 0 measured, 1 with --limit: something is accepted more often, 2 usage, 3 nothing could be tried,
5 no microphone, no model or no sound server
"""
EXAMPLES = """
earmark spooftest                              the demonstration's people, simulated
earmark spooftest recordings/                  recordings/Ada/*.wav, recordings/Ben/*.wav, ...
earmark spooftest --person Ada ada/*.wav       somebody who is enrolled
earmark spooftest --virtual-microphone --species same,loudspeaker_small
earmark spooftest --person Ada ada/*.wav --play paplay --mic USB     a real loudspeaker
earmark spooftest --json --limit 10
"""
CLIPS: Final = 4


def register(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("sources", metavar="SOURCE", nargs="*", type=Path, help="a folder of people; --person: clips")
    parser.add_argument("--person", metavar="NAME", help="somebody who is enrolled here")
    parser.add_argument(
        "--species", metavar="LIST", default=",".join(BY_NAME), help=f"with commas between: {', '.join(BY_NAME)}"
    )
    parser.add_argument(
        "--clips", type=int, default=CLIPS, metavar="N", help=f"recordings per person and kind of attack ({CLIPS})"
    )
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="of what is drawn (1)")
    parser.add_argument(
        "--limit", type=_percent, metavar="PERCENT", help="exit with 1 where an attack passes more often"
    )
    sound = parser.add_mutually_exclusive_group()
    sound.add_argument(
        "--virtual-microphone", action="store_true", help="play through a sound server of its own (PulseAudio), in time"
    )
    sound.add_argument("--play", metavar="COMMAND", help="play with this program, which is given a WAV file")
    parser.add_argument("--mic", metavar="DEVICE", default="", help="with --play: the microphone that listens")
    options.add_place(parser)
    options.add_model(parser)


def _percent(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 100:
        raise argparse.ArgumentTypeError(f"{text!r} is no share in percent")
    return value


def run(args: argparse.Namespace) -> int:
    """Try everything; gives the exit code."""
    console: Console = args.console
    wanted = _species(args.species)
    if args.clips < 1:
        raise UsageError("--clips takes a number from 1 on", "Leave it out for the default.")
    if args.mic and not args.play:
        raise UsageError("--mic needs --play", "Name the program that plays a file, such as --play paplay.")
    with ExitStack() as opened:
        household = opened.enter_context(_household(args, console))
        made = plan(household, wanted, clips=args.clips, seed=args.seed)
        _warn(console, made, wanted)
        if not made.trials:
            console.warn("Nothing could be tried: there are no recordings for these kinds of attack.")
            return EXIT_NO_DECISION
        trials = _tried(args, console, household, made)
    rows = rows_of(trials)
    passed = tell(console, rows, household, args.limit)
    return EXIT_OK if passed else EXIT_NO


def _species(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    for name in names:
        if name not in BY_NAME:
            raise UsageError(f"There is no kind of attack called {name!r}", f"There are {', '.join(BY_NAME)}.")
    return tuple(species.name for species in ALL if species.name in names)


def _household(args: argparse.Namespace, console: Console) -> Household:
    if args.person:
        if not args.sources:
            raise UsageError("--person needs recordings of them", "Name some, such as `--person Ada ada/*.wav`.")
        return enrolled(args, args.person, [str(path) for path in args.sources])
    if not args.sources:
        console.note("The demonstration's two people are tried; name a folder of recordings to try yours.")
        return demonstration(args)
    if len(args.sources) != 1 or not args.sources[0].is_dir():
        raise UsageError(
            "SOURCE is one folder that holds a folder for each person", "With --person it is clips of that person."
        )
    return from_folder(args, args.sources[0])


def _warn(console: Console, made: Plan, wanted: Sequence[str]) -> None:
    for note in made.notes:
        console.note(printable(note))
    if "synthetic" in wanted and (lacking := synthetic.missing()):
        console.note(f"No voices of {', '.join(lacking)} here; `apt install {' '.join(lacking)}` brings them.")


def _tried(args: argparse.Namespace, console: Console, household: Household, made: Plan) -> list[Trial]:
    with ExitStack() as opened:
        player = None
        if args.virtual_microphone or args.play:
            from edge.cli.spooftest_microphone import open_player

            player = opened.enter_context(open_player(args.play, args.mic))
        with Progress(console, "trying", len(made.trials)) as bar:
            return run_trials(household, made, player, on_trial=lambda words: bar.advance(1, printable(words)))


__all__ = ["DESCRIPTION", "EXAMPLES", "Row", "register", "run"]
