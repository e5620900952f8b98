"""``earmark enroll``: learn somebody's voice from clips or from the microphone."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Final

from edge.cli import options
from edge.cli.console import Console, printable, quoted
from edge.cli.enroll_report import Report
from edge.cli.progress import Progress
from edge.cli.recordings import Hearing, add_microphone, expand, listen, notes_of, open_recording
from edge.cli.session import Session, open_session
from edge.enrolment import HINTS, ClipReport
from edge.errors import EXIT_OK, AudioFileError, EnrolmentError, PeopleError, UnknownPersonError, UsageError
from edge.learning import LIMIT_SECONDS, Learning
from edge.people import check_name
from edge.records import SAMPLE_RATE, Person, Result

DESCRIPTION = """
Learn the voice of NAME from clips (files or folders), or from the microphone. Every utterance is checked; five good
ones with 15 seconds of speech in all are best, two with 8 seconds are the least, and at the microphone it goes on until
the voiceprint hardly changes any more. Record them with the microphone that will listen later, in two sessions at least
ten minutes apart.

exit codes: 0 stored, 1 refused (too little good speech, or more than one person), 2 usage, 5 no microphone or no model
"""
EXAMPLES = """
earmark enroll Ada --mic                       say some sentences
earmark enroll Ada --mic --digits              say digits, too: for `earmark verify Ada --challenge`
earmark enroll Ada clips/ada/                  all recordings of a folder
earmark enroll Ada monday.wav --add            add to what is there
earmark enroll Ben ben.ogg --dry-run --json    only say what would happen
"""
CONSENT: Final = (
    "A voiceprint is personal data: enrol people only with their consent. It is stored in {folder} and nowhere else, "
    "without the recordings (of them a fingerprint, by which they are known if they are played back); "
    "`earmark people remove {name}` deletes both."
)
ALLOWED: Final = ("too_short", "too_long", "too_quiet", "too_loud", "too_noisy", "clipped", "narrow_band")
"""What may be let pass; that it is speech and one person's may not."""


def register(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("name", metavar="NAME", help="who it is")
    parser.add_argument("clips", metavar="CLIP", nargs="*", help="audio files, folders, or - for the standard input")
    add_microphone(parser)
    parser.add_argument("--add", action="store_true", help="add clips to somebody who is enrolled")
    parser.add_argument(
        "--allow", action="append", default=[], choices=ALLOWED, metavar="REASON",
        help=f"accept clips in spite of this: {', '.join(ALLOWED)} (may be repeated)",
    )  # fmt: skip
    parser.add_argument("--digits", action="store_true", help="with --mic: ask for each digit three times, too")
    parser.add_argument("--skip-other-voice", action="store_true", help="leave clips of another voice out")
    parser.add_argument("--same-as-other", action="store_true", help="enrol though somebody enrolled sounds the same")
    parser.add_argument("--consent", default="", metavar="NOTE", help="who agreed to what, kept with the voiceprint")
    parser.add_argument("--dry-run", action="store_true", help="check everything, store nothing")
    parser.add_argument(
        "--timeout", type=options.seconds, default=LIMIT_SECONDS, metavar="SECONDS",
        help=f"longest microphone session ({LIMIT_SECONDS:.0f})",
    )  # fmt: skip
    options.add_place(parser)
    options.add_model(parser)


def run(args: argparse.Namespace) -> int:
    """Enrol; gives 0 where it was stored (or would be, with ``--dry-run``)."""
    console: Console = args.console
    if bool(args.clips) == (args.mic is not None):
        raise UsageError("Give either clips or --mic", "`earmark enroll --help` shows examples.")
    if args.digits and args.mic is None:
        raise UsageError("--digits asks for digits at the microphone", "Add --mic, or leave it out.")
    with open_session(args, enrolling=True) as session, ExitStack() as opened:
        person = _existing(session, args)
        name = person.name if person else args.name
        console.note(CONSENT.format(folder=printable(str(session.folder)), name=quoted(name)))
        if not args.bundle and session.settings.enrolment.bundle:
            listens = printable(session.settings.models.bundle)
            console.note(f"The voice is learnt with {printable(session.bundle.name)}; {listens} listens.")
        allow = args.allow
        learning = opened.enter_context(
            Learning(session.bundle, session.store, session.folder, name, person=person, allow=allow)
        )
        report = Report(console, name, learning.enrolment, person)
        if args.mic is not None:
            from edge.cli.enroll_mic import record

            record(
                console, session, learning, report,
                device=args.mic, limit_seconds=args.timeout, digits=args.digits,
            )  # fmt: skip
        else:
            _read_clips(console, session, learning, report, args.clips)
        try:
            exemplars = learning.finish(skip_other_voice=args.skip_other_voice, same_as_other=args.same_as_other)
        except EnrolmentError as error:
            return report.refused(error)
        if not args.dry_run:
            report.person = learning.store(exemplars, consent=args.consent)
        report.accepted(new=len(exemplars), stored=not args.dry_run)
        return EXIT_OK


def _existing(session: Session, args: argparse.Namespace) -> Person | None:
    """The person to add to. Raises ``UsageError`` where name and ``--add`` don't fit together."""
    if args.add:
        return session.store.find(args.name)
    try:
        args.name = check_name(args.name)
    except PeopleError as error:
        raise UsageError(error.cause, error.remedy) from None
    try:
        named = session.store.find(args.name)
    except UnknownPersonError:
        return None
    raise UsageError(
        f"{named.name} is enrolled already",
        f"Add clips with --add, or begin anew after `earmark people remove {quoted(named.name)}`.",
    )


def _read_clips(console: Console, session: Session, learning: Learning, report: Report, texts: Sequence[str]) -> None:
    """Offer every utterance of every clip. Raises ``AudioFileError`` where no clip at all can be read."""
    files, problems = expand(texts)
    for problem in problems:
        report.problem(problem)
    pipeline = session.pipeline()
    readable = 0
    with Progress(console, "listening", len(files)) as bar:
        for text in files:
            hearing = Hearing()
            source = open_recording(text, session.settings)
            try:
                results = list(listen(pipeline, source, hearing))
            except AudioFileError as error:
                if len(files) == 1 and not problems:
                    raise
                report.problem(error)
                continue
            readable += 1
            for note in notes_of(source):
                console.note(printable(note))
            for clip in _offer_all(learning, text, source.name, results):
                report.clip(clip)
            if not results:
                reason = hearing.why_nothing(session.settings)
                loudest = max(hearing.levels_dbfs, default=-120.0)
                report.clip(ClipReport(text, False, reason, HINTS.get(reason, ""), 0.0, 0.0, loudest))
            bar.advance(1, printable(text))
    if not readable:
        raise UsageError("None of the clips can be read", "Name audio files, or folders that hold some.")


def _offer_all(learning: Learning, text: str, microphone: str, results: Sequence[Result]) -> list[ClipReport]:
    clips = []
    for result in results:
        heard = result.utterance
        where = f" {heard.start / SAMPLE_RATE:.1f}-{heard.end / SAMPLE_RATE:.1f} s" if len(results) > 1 else ""
        clips.append(learning.offer(result, source=text + where, microphone=microphone))
    return clips
