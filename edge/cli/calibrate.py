"""``earmark calibrate``: fit the decisions to this household, and tell how often they will be wrong."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from edge.calibrate.fit import fit
from edge.calibrate.kept import forget, keep
from edge.calibrate.overlap import overlaps
from edge.calibrate.points import STRICT, Point, points
from edge.calibrate.trials import Trials, trials_of
from edge.cli import options
from edge.cli.calibrate_clips import read_clips
from edge.cli.calibrate_report import now, report_of, show
from edge.cli.console import Console, printable, quoted
from edge.cli.opening import open_settings
from edge.cli.session import Session, open_session
from edge.correction import Correction
from edge.decision import FAR_TARGETS
from edge.errors import EXIT_OK, CalibrationError, UsageError
from edge.records import Person
from edge.settings import state_dir

DESCRIPTION = """
Fit the decisions to this household. The clips of everybody enrolled are compared with each other, and with the voices
that come with the model; what differs from the model's own calibration becomes a small correction, kept beside the
people and used by every command and the daemon. It tells how often people of the household will be refused at each
profile, and how often others passed.

Few clips change almost nothing. The correction is left aside, with a word in `earmark doctor`, when people or clips
change or another model is used: calibrate again then. What is refused: people who cannot be told apart, and the profile
`strict` where too few voices were compared to promise it.

exit codes: 0 done, 1 refused (too few clips, or two people who sound alike), 2 usage, 5 no model or a full disk
"""
EXAMPLES = """
earmark calibrate                        learn from the clips people enrolled with
earmark calibrate --clips recordings/    and from recordings/Ada/*.wav, recordings/visitor/*.wav, ...
earmark calibrate --dry-run --json       only say what would come out
earmark calibrate --show                 what is in force
earmark calibrate --reset                back to the model's own calibration
"""
LEAST_FAR: Final = FAR_TARGETS["balanced"]
"""A correction is for `relaxed` and `balanced`; for `strict` only where enough trials stand behind that."""


def register(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument(
        "--clips", type=Path, metavar="FOLDER",
        help="further recordings, one folder for each person; a folder not named like somebody enrolled is a stranger",
    )  # fmt: skip
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--dry-run", action="store_true", help="tell everything, store nothing")
    what.add_argument("--show", action="store_true", help="show what is in force, and change nothing")
    what.add_argument("--reset", action="store_true", help="remove the household's calibration")
    options.add_place(parser)
    options.add_model(parser)


def run(args: argparse.Namespace) -> int:
    """Calibrate, show or reset."""
    if args.clips is not None and (args.show or args.reset):
        raise UsageError("--clips makes no sense with --show or --reset", "Leave it out.")
    if args.reset:
        return _reset(args)
    with open_session(args) as session:
        return _show(args.console, session) if args.show else _calibrate(args, session)


def _calibrate(args: argparse.Namespace, session: Session) -> int:
    console: Console = args.console
    people = session.people
    if not people:
        raise CalibrationError("Nobody is enrolled for this model", "`earmark enroll NAME --mic` enrols somebody.")
    clips = read_clips(console, session, people, args.clips) if args.clips is not None else []
    trials = trials_of(people, session.scorer, session.bundle.encoder, clips)
    _refuse_overlap(trials, session, people)
    if not trials.genuine.any():
        raise CalibrationError(
            "Too few clips: nobody is enrolled with two that this model made itself",
            f"Add some: `earmark enroll {quoted(people[0].name)} --add ...`, or name a folder with --clips.",
        )
    expected = points(trials, session.scorer.calibration)
    _refuse_profile(expected, session)
    strict = next(point for point in expected if point.far == STRICT)
    learned = fit(trials)
    correction = Correction(learned.shift, learned.slope, STRICT if strict.supported else LEAST_FAR)
    report = report_of(trials, correction, expected, created=now())
    if not args.dry_run:
        keep(session.folder, session.bundle, people, correction, report)
    if console.json:
        console.emit(report | {"stored": not args.dry_run})
        return EXIT_OK
    show(console, report)
    console.note("Nothing was stored." if args.dry_run else "It is in force; a running daemon takes it up by itself.")
    return EXIT_OK


def _show(console: Console, session: Session) -> int:
    found = session.household
    if console.json:
        console.emit(dict(found.report) | {"calibration": session.calibration, "stale": found.stale or None})
        return EXIT_OK
    if found.report:
        show(console, found.report)
    if found.stale:
        console.say(f"The household's calibration is not used: {printable(found.stale)}.")
        console.note("`earmark calibrate` renews it, `earmark calibrate --reset` removes it.")
    elif not found.kept:
        console.say(f"The calibration of the model {session.model} is in force as it is.")
        console.note("`earmark calibrate` fits it to this household.")
    elif session.calibration == "bundle":
        console.say(f"At the profile {session.settings.decide.profile} the model's own calibration decides.")
    return EXIT_OK


def _reset(args: argparse.Namespace) -> int:
    console: Console = args.console
    removed = forget(state_dir(open_settings(args), args.state))
    if console.json:
        console.emit({"removed": removed})
    else:
        console.say(
            "The household's calibration is removed; the model's own is in force."
            if removed
            else "There is no calibration of this household."
        )
    return EXIT_OK


def _refuse_overlap(trials: Trials, session: Session, people: Sequence[Person]) -> None:
    found = overlaps(trials, session.scorer.calibration.threshold(FAR_TARGETS["balanced"]))
    if found:
        pair = found[0]
        who, other = people[pair.who].name, people[pair.taken_for].name
        more = f", and {len(found) - 1} more such pairs" if len(found) > 2 else ""
        raise CalibrationError(
            f"{who} and {other} cannot be told apart: {pair.passed} of {pair.clips} clips of {who} pass for {other} at "
            f"the profile balanced{more}",
            f"If they are one person, remove one of the two (`earmark people remove {quoted(who)}`); else enrol both "
            "again, each alone in a quiet room.",
        )


def _refuse_profile(expected: Sequence[Point], session: Session) -> None:
    """The profile in force must not promise what was not seen."""
    for point in expected:
        if point.refused and point.profile == session.settings.decide.profile:
            raise CalibrationError(
                f"The profile {point.profile} cannot be calibrated: {point.trials} impostor trials are too few for a "
                f"false-accept rate of {100 * point.far:g} %, {point.needed} more are needed",
                "Calibrate for another --profile (at this one the model's own calibration stays in force), or name "
                "recordings of other voices with --clips.",
            )
