"""``earmark bench household``: false names per hour and misses, as a household meets them.

Takes arguments, gives an exit code. Must hold: results go to standard output, progress to standard error; files are
written whole or not at all.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from training.bench.command import Bench, head, opened, parser, tell
from training.finish import finish

if TYPE_CHECKING:
    from training.household_bench.deciding import Findings
    from training.household_bench.plan import Plan

EXAMPLES: Final = """examples:
  earmark bench household --speech ~/speech --hours 0.2 --attempts 2    a first look, minutes
  earmark bench household --speech ~/speech --cache ~/heard --json household.json
  earmark bench household --speech ~/speech --bundle compact --markdown > table.md

--speech is a folder with a manifest.tsv (docs/training-data.md). Take a split that the bundle did not learn from. What
takes time is listening, about 0.04 CPU seconds per second of sound with `accurate`; with --cache that is done once.
"""


def bench_household(argv: Sequence[str] | None = None) -> int:
    """Run ``earmark bench household`` with the arguments after its name; gives the exit code."""
    return finish(_run, _parser().parse_args(argv))


def _run(options: argparse.Namespace) -> None:
    from training.household_bench.figures import summary
    from training.household_bench.plan import make_plan
    from training.household_bench.table import text

    with opened(options) as bench:
        plan = make_plan(
            bench.recordings,
            options.split,
            options.seed,
            hours=options.hours,
            attempts=options.attempts,
            scenes=options.scenes,
            lengths=options.seconds,
        )
        report = head(bench, options) | {
            "seed": options.seed,
            "members": len(plan.members),
            "draws": options.households,
        }
        tell(report | summary(_decide(bench, plan, options)), options, text)


def _decide(bench: Bench, plan: Plan, options: argparse.Namespace) -> Findings:
    from training.augment import load_materials
    from training.commands import Progress
    from training.household_bench.deciding import SIZES, Findings, Judge, households
    from training.household_bench.hearing import Ear
    from training.household_bench.remember import RememberingScorer
    from training.household_bench.sound import attempt_sound, stream_sound

    people = [member.person for member in plan.members]
    with Progress("enrolling") as progress:
        sides = bench.embedder.hear_all([member.enrol for member in plan.members], progress)
    prints = {member.person: sides[member.enrol].voiceprint(member.person) for member in plan.members}
    homes = [home for size in SIZES for home in households(people, size, options.households, options.seed)]
    scorer = RememberingScorer.of(bench.scorer, list(prints.values()))
    judge = Judge(prints, scorer, bench.settings.decide, homes)
    ear = Ear(bench.bundle, bench.settings, bench.cache)
    materials = load_materials(bench.speech, bench.recordings)
    findings = Findings()
    with Progress("streams") as progress:
        for number, stream in enumerate(plan.streams, start=1):
            sound = stream_sound(stream, bench.audio, materials, options.seed)
            exposures, names = judge.stream(stream, sound, ear.hear(sound.samples))
            findings.exposures += exposures
            findings.names += names
            progress(number, len(plan.streams))
    with Progress("utterances") as progress:
        for number, attempt in enumerate(plan.attempts, start=1):
            sound = attempt_sound(attempt, bench.audio, materials, options.seed)
            findings.outcomes += judge.attempt(attempt, ear.hear(sound.samples))
            progress(number, len(plan.attempts))
    return findings


def _parser() -> argparse.ArgumentParser:
    from training.household_bench.plan import ATTEMPT_SECONDS, SCENES

    found = parser(
        "earmark bench household",
        "False names per hour while strangers, a television or noises are heard, and how many utterances of a member "
        "are not named, for 1, 2, 4 and 8 people enrolled and at each profile. The decisions are those of `earmark "
        "run`.",
        EXAMPLES,
    )
    add = found.add_argument
    kinds, lengths = tuple(SCENES), ATTEMPT_SECONDS
    listed = ", ".join(kinds)
    add("--scenes", nargs="+", choices=kinds, default=kinds, metavar="KIND", help=f"hear only some of {listed}")
    add(
        "--seconds",
        nargs="+",
        type=float,
        choices=lengths,
        default=lengths,
        metavar="S",
        help="say only some of 1 2 3 5 s",
    )
    add("--hours", type=float, default=1.5, metavar="H", help="of each kind of stream, at most (%(default)s)")
    add("--attempts", type=int, default=8, metavar="N", help="utterances of each member and length (%(default)s)")
    add("--households", type=int, default=24, metavar="N", help="drawn of each size (%(default)s)")
    return found
