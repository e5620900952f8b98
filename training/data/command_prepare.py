"""``earmark data prepare``: recordings in, a cache of features out.

Takes arguments, gives an exit code. Must hold: only the splits that were asked for are read; progress goes to standard
error; after Ctrl-C the same command goes on where it stopped.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Final

from edge.cli.console import Console
from edge.cli.progress import Progress
from edge.errors import EXIT_OK, UsageError
from training.data.executors import FORMS
from training.data.plan import SHARD_MB

DESCRIPTION: Final = "Compute the features of recordings once and keep them, so that training reads them at once."

EXAMPLES: Final = """examples:
  earmark data prepare --speech ~/speech --cache ~/features
  earmark data prepare --speech ~/speech --cache ~/features --views 4 --workers processes
  earmark data prepare --speech /net/speech --cache /net/features --workers dask:tcp://head:8786

An interrupted preparation goes on where it stopped when the same command is given again. Clips that can't be used are
listed with their reason in set-aside.tsv.
"""


def register(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    add = parser.add_argument
    add(
        "--speech",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder of recordings, with a manifest or known sets",
    )
    add("--cache", type=Path, required=True, metavar="DIR", help="folder of the features")
    add("--split", action="append", metavar="NAME", help="which clips; may be given again (train)")
    add("--set", action="append", default=[], metavar="NAME", help="only clips of this corpus; may be given again")
    add("--features", default="accurate", metavar="BUNDLE", help="as this bundle or JSON file says (%(default)s)")
    add("--views", type=int, default=0, metavar="N", help="augmented copies of each clip, with clean partners (0)")
    add("--augment", type=Path, metavar="FILE", help="JSON recipe of the augmentation (the shipped choices)")
    add("--seed", type=int, default=1, help="of order and augmentation (%(default)s)")
    add("--workers", default="processes", metavar="HOW", help=f"{FORMS} (%(default)s)")
    add("--name", default="", help="of the cache's folder (made from its content)")
    add("--shard-mb", type=int, default=SHARD_MB, metavar="MB", help="size of a full shard (%(default)s)")
    add("--retry", action="store_true", help="try clips again that were set aside")


def run(args: argparse.Namespace, console: Console) -> int:
    """Do it; the exit code."""
    from training.data.choices import augmenter_of, features_of
    from training.data.executors import parse
    from training.data.plan import make_plan
    from training.data.prepare import Step, prepare
    from training.datasets.speech import read_speech

    parse(args.workers)
    spec = features_of(args.features)
    with Progress(console, "reading") as bar:
        speech = read_speech(args.speech, progress=bar.advance)
    recordings = speech.recordings
    if speech.set_aside:
        console.note(f"{len(speech.set_aside)} files were set aside: earmark data check {args.speech} says which")
    if not recordings and speech.set_aside:
        first = speech.set_aside[0]
        raise UsageError(
            f"{args.speech} has no file that can be used; {first.path}: {first.reason}",
            f"earmark data check {args.speech} shows all reasons.",
        )
    source = augmenter_of(args.speech, recordings, args.augment) if args.views else None
    plan = make_plan(
        recordings, spec, splits=args.split or ["train"], sets=args.set, views=args.views,
        augment=source.fingerprint if source else "", seed=args.seed, shard_mb=args.shard_mb, name=args.name,
    )  # fmt: skip
    size = f"{len(plan.clips)} clips, {plan.audio_seconds / 3600:.2f} h, {len(plan.shards)} shards"
    console.note(f"{size} in {plan.folder(args.cache)}")
    begun = time.monotonic()
    aside = made_seconds = 0.0
    with Progress(console, "preparing", plan.audio_seconds) as bar:

        def tell(step: Step) -> None:
            nonlocal aside, made_seconds
            aside += len(step.report.set_aside)
            made_seconds += 0.0 if step.found else step.report.audio_seconds
            pace = made_seconds / 60 / max(time.monotonic() - begun, 1e-3)
            note = f"{step.done_seconds / 3600:.2f} of {step.total_seconds / 3600:.2f} h, {pace:.2f} h/min"
            bar.advance(plan.seconds_of(step.report.number), note + (f", {aside:.0f} set aside" if aside else ""))

        try:
            summary = prepare(
                plan,
                args.speech,
                args.cache,
                args.workers,
                progress=tell,
                source=source,
                retry=args.retry,
                convert=speech.converts,
            )
        except KeyboardInterrupt:
            console.note("stopped; the same command goes on from here")
            raise
    if args.json:
        console.emit(summary.to_json())
        return EXIT_OK
    console.say(f"{summary.folder}")
    console.say(f"{summary.clips} clips, {summary.audio_seconds / 3600:.2f} h, {summary.rows} rows")
    if summary.made_seconds:
        console.say(
            f"{summary.per_core_second:.0f} s of audio per core-second; {summary.made_seconds / 3600:.2f} h in "
            f"{summary.wall_seconds:.1f} s, {summary.made_seconds / 60 / summary.wall_seconds:.2f} h/min"
        )
    else:
        console.say("everything was there already")
    if summary.set_aside:
        console.note(f"{summary.set_aside} clips were set aside: see {summary.folder / 'set-aside.tsv'}")
    return EXIT_OK
