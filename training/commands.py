"""``earmark evaluate`` and ``earmark calibrate-bundle``.

Takes arguments, gives an exit code; results go to standard output, progress to standard error.
Must hold: both commands open the bundle as the device does; a report is written whole or not at all.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from edge.errors import EXIT_OK, BundleError, EarmarkError, UsageError

if TYPE_CHECKING:
    from edge.bundle import Bundle
    from edge.scoring import Scorer
    from training.corpus import Recording
    from training.embeddings import Embedder
    from training.enrolling import Account, Listener
    from training.report.evaluation import Measured
    from training.trials import TrialList

EVALUATE_EXAMPLES: Final = """examples:
  earmark evaluate --bundle accurate --speech ~/speech ~/trials/*.tsv
  earmark evaluate --bundle ./mine --speech ~/speech --json report.json --markdown ~/trials/words-1s.tsv
  earmark evaluate --bundle ./mine --speech ~/speech --conditions --report report/ ~/trials/*.tsv
  earmark evaluate --bundle ./small --enrol-bundle ./large --enrol-views 4 --speech ~/speech ~/trials/*.tsv

A list is tab-separated with the columns target, enrol_speaker, enrol, test_speaker, test, noise; docs/evaluation.md
describes them and every figure.
"""

CALIBRATE_EXAMPLES: Final = """examples:
  earmark calibrate-bundle --bundle ./mine --speech ~/speech
  earmark calibrate-bundle --bundle ./mine --speech ~/speech --cross-validate --cache ~/.cache/earmark

The folder of speech needs a manifest.tsv; only rows of the split `train` with a speaker are used, and noise.
"""


def evaluate(argv: Sequence[str] | None = None) -> int:
    """Run ``earmark evaluate`` with the arguments after its name; gives the exit code."""
    return _run(_evaluate, _evaluate_parser(), argv)


def calibrate_bundle(argv: Sequence[str] | None = None) -> int:
    """Run ``earmark calibrate-bundle`` with the arguments after its name; gives the exit code."""
    return _run(_calibrate, _calibrate_parser(), argv)


def _run(
    command: Callable[[argparse.Namespace], None], parser: argparse.ArgumentParser, argv: Sequence[str] | None
) -> int:
    options = parser.parse_args(argv)
    options.command_line = shlex.join([*parser.prog.split(), *(sys.argv[1:] if argv is None else argv)])
    try:
        command(options)
    except EarmarkError as error:
        print(f"earmark: {error.sentence()}", file=sys.stderr)
        return error.exit_code
    return EXIT_OK


def _evaluate(options: argparse.Namespace) -> None:
    from training import enrolling
    from training.embeddings import Embedder
    from training.report import canvas
    from training.report import evaluation as report_folder
    from training.trials import Audio, read_list

    lists = [read_list(Path(name)) for name in options.lists]
    if len({found.name for found in lists}) < len(lists):
        raise UsageError("Two trial lists have the same name", "A report has one row per name: rename one file.")
    audio, bundle, cache = Audio(folder(options.speech)), _open(options), _cache(options)
    way = enrolling.Way(options.enrol_bundle, options.enrol_views, options.enrol_seed)
    if options.card:  # refuse before the work, not after it
        if way.apart:
            raise UsageError(
                "A card holds what its bundle does alone", "Leave --card out, or --enrol-bundle and -views."
            )
        _card(bundle.path)
    if options.report:
        canvas.require()
        report_folder.prepare(Path(options.report))
    in_depth = bool(options.json or options.conditions or options.report)
    recordings = _recordings(audio.root) if in_depth or way.views else ()
    embedder = Embedder(bundle, audio, cache=cache, runtime=bundle.runtime)
    enroller = way.open(bundle, audio, cache, recordings, lists, prefer=options.runtime) if way.apart else None
    found = _measure(lists, embedder, _scorer(bundle), enroller, recordings if in_depth else None)
    _tell(options, bundle, found, enroller.account if enroller else None)


def _scorer(bundle: Bundle) -> Scorer | None:
    from edge.scoring import Calibration, Scorer

    return Scorer(Calibration.from_json(bundle.calibration), bundle.cohort) if bundle.calibration else None


def _measure(
    lists: Sequence[TrialList],
    embedder: Embedder,
    scorer: Scorer | None,
    enroller: Listener | None,
    recordings: Sequence[Recording] | None,
) -> list[Measured]:
    """Score all lists; ``recordings`` None: figures only, without looking closer."""
    from training import evaluate as evaluation
    from training.report import evaluation as report_folder
    from training.report import fixed

    measured = []
    for trials in lists:
        with Progress(f"{trials.name}: embedding") as progress:
            scored = evaluation.score_list(trials, embedder, scorer, progress=progress, enroller=enroller)
        try:
            figures = evaluation.figures(scored)
        except ValueError as error:
            raise UsageError(str(error).rstrip("."), "An error rate needs both.") from error
        if recordings is None:
            one = report_folder.Measured(scored, figures, (), {})
        else:
            one = report_folder.measure(trials, scored, figures, recordings)
        measured.append(one if scorer is None else replace(one, held=fixed.points(scored, scorer.calibration)))
    return measured


def _tell(options: argparse.Namespace, bundle: Bundle, measured: Sequence[Measured], account: Account | None) -> None:
    """Card, page, JSON and tables, as far as they are asked for."""
    from edge.decision import FAR_TARGETS
    from training import evaluate as evaluation
    from training.report import conditions, fixed
    from training.report import evaluation as report_folder

    scorer = _scorer(bundle)
    report = {one.scored.name: dict(one.figures) for one in measured}
    if options.card:
        _write_figures(bundle, report)
    if options.report:
        threshold = None if scorer is None else scorer.calibration.threshold(FAR_TARGETS["balanced"])
        facts = _facts(options, bundle) | ({"enrolled with": account.text()} if account else {})
        page = report_folder.write(Path(options.report), measured, facts, threshold)
        print(f"report: {page}", file=sys.stderr)
    told = {"enrolment": account.to_json()} if account else {}
    full = {one.scored.name: one.to_json() | told for one in measured}
    if options.json == "-":
        print(json.dumps(full, indent=1))
        return
    if options.json:
        write(Path(options.json), json.dumps(full, indent=1) + "\n")
    print(evaluation.table(report, markdown=options.markdown))
    if options.conditions:
        by_list = {one.scored.name: one.conditions for one in measured}
        print("\n" + conditions.table(by_list, markdown=options.markdown))
    notes = [f"Enrolled with {account.text()}."] if account else []
    if scorer is not None:
        held = {one.scored.name: one.held for one in measured}
        notes += [evaluation.fixed_note(scorer), fixed.summary(held, [one.scored for one in measured])]
    if notes:
        print(("\n" if options.markdown or options.conditions else "") + "\n".join(notes))


def _recordings(speech: Path) -> tuple[Recording, ...]:
    """The manifest of the speech, or nothing where it has none that can be read: figures do not depend on it."""
    from training.corpus import MANIFEST, read_manifest

    if not (speech / MANIFEST).is_file():
        return ()
    try:
        return read_manifest(speech)
    except UsageError as error:
        print(f"earmark: no gender, language and emotion: {error.sentence()}", file=sys.stderr)
        return ()


def _facts(options: argparse.Namespace, bundle: Bundle) -> dict[str, str]:
    """What stands at the head of a page: what was measured, how, when and where."""
    from training.report.evaluation import machine_text

    return {
        "bundle": f"{bundle.name} {bundle.card['version']}",
        "encoder": bundle.encoder,
        "command": options.command_line,
        "measured": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "machine": f"{machine_text()}, {bundle.runtime}",
    }


def _write_figures(bundle: Bundle, report: dict[str, dict[str, float | int]]) -> None:
    """Put a report into the card of the bundle that was measured, with date and machine."""
    from edge.bench.machine import describe

    machine = describe()
    figures = {
        "command": f"earmark evaluate --bundle {bundle.name} --speech DIR LIST...",
        "measured": time.strftime("%Y-%m-%d", time.gmtime()),
        "machine": f"{machine['cores']} {machine['architecture']} cores, {machine['processor']}, {bundle.runtime}",
        "unit": "percent, but mindcf, cllr and min_cllr; see docs/evaluation.md",
        "lists": {
            name: {key: round(value, 4) if isinstance(value, float) else value for key, value in row.items()}
            for name, row in report.items()
        },
    }
    _update_card(_card(bundle.path), {"figures": figures})


def _calibrate(options: argparse.Namespace) -> None:
    from training import calibration, corpus, material, pairs
    from training.embeddings import Embedder
    from training.trials import Audio

    speech = folder(options.speech)
    bundle = _open(options)
    if (options.json or options.markdown) and not options.cross_validate:
        raise UsageError("--json and --markdown show a comparison of forms", "Add --cross-validate, or leave them out.")
    card_path = None if options.cross_validate else _card(bundle.path)  # refuse before the work, not after it
    plan = pairs.Plan(moods=pairs.MOODS, seed=options.seed)
    takes = pairs.draw(corpus.read_manifest(speech), plan)
    embedder = Embedder(bundle, Audio(speech), cache=_cache(options), runtime=bundle.runtime)
    with Progress("embedding") as progress:
        sides = [(take.side, take.gain_db) for take in takes]
        heard = embedder.hear_takes(sides, progress, [take.mood for take in takes])
    parts = (takes, heard, pairs.pair(takes, seed=options.seed), bundle.cohort)
    if options.cross_validate:
        _cross_validate(material.unseen(*parts), options)
        return
    fitted, provenance = calibration.calibrate(material.assemble(*parts), unseen=material.unseen(*parts))
    provenance |= {"made": time.strftime("%Y-%m-%d", time.gmtime()), "encoder": bundle.encoder, "seed": plan.seed}
    assert card_path is not None
    _update_card(card_path, {"calibration": fitted.to_json() | {"provenance": provenance}})
    print(calibration.describe(fitted, provenance))


def _cross_validate(unseen: dict[str, Any], options: argparse.Namespace) -> None:
    from training import crossvalidate

    if not unseen:
        raise UsageError(
            "The speech has a single kind of recording", "Leaving one kind out needs two: sentences and words, say."
        )
    with Progress("comparing forms") as progress:
        found = crossvalidate.compare(unseen, told=progress)
    if options.json:
        text = json.dumps(crossvalidate.to_json(found), indent=1)
        if options.json == "-":
            print(text)
            return
        write(Path(options.json), text + "\n")
    print(crossvalidate.table(found, markdown=options.markdown))


def _open(options: argparse.Namespace) -> Bundle:
    from edge.bundle import open_bundle

    return open_bundle(options.bundle, prefer=options.runtime)


def folder(name: str) -> Path:
    """Return the folder of the speech. Raises ``UsageError`` where there is none."""
    path = Path(name)
    if not path.is_dir():
        raise UsageError(f"{path} is not a folder", "Point --speech at the folder that holds the speech.")
    return path


def _cache(options: argparse.Namespace) -> Any:
    from training.embeddings import EmbeddingCache

    return EmbeddingCache(Path(options.cache)) if options.cache else None


def _card(folder: Path) -> Path:
    path = folder / "card.json"
    if not path.is_file():
        raise BundleError(f"{folder} is no folder of a bundle", "Unpack it: a card is only written in a folder.")
    return path


def _update_card(path: Path, changes: dict[str, Any]) -> None:
    text = path.read_text(encoding="utf-8")
    # The card's own indentation, so that a difference shows what changed and nothing else.
    indent = 2 if text.startswith('{\n  "') else 1
    write(path, json.dumps(json.loads(text) | changes, indent=indent, ensure_ascii=False) + "\n")


def write(path: Path, text: str) -> None:
    """Replace a file in one step, so that a crash leaves the old one. Raises ``StorageError``."""
    from training.report.evaluation import save

    save(path, text.encode())


class Progress:
    """Tells how far a long step is: a line that is rewritten on a terminal, a line now and then elsewhere."""

    def __init__(self, what: str) -> None:
        """Remember what is being done, in a few words."""
        self._what = what
        self._live = sys.stderr.isatty()
        self._told = time.monotonic()

    def __enter__(self) -> Callable[[int, int], None]:
        return self._tell

    def _tell(self, done: int, total: int) -> None:
        text = f"{self._what} {done}/{total}"
        if self._live:
            print(f"\r{text}\x1b[K", end="", file=sys.stderr, flush=True)
        elif time.monotonic() - self._told > 10:
            print(text, file=sys.stderr, flush=True)
            self._told = time.monotonic()

    def __exit__(self, *_: object) -> None:
        if self._live:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def _evaluate_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="earmark evaluate",
        description="Measure on trial lists how well a bundle tells people apart, with the code of the device.",
        epilog=EVALUATE_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _common(parser)
    parser.add_argument("--enrol-bundle", metavar="NAME", help="bundle that enrols, of the same embedding space")
    parser.add_argument(
        "--enrol-views", type=int, default=0, metavar="N", help="average each enrolment utterance with N degraded views"
    )
    parser.add_argument("--enrol-seed", type=int, default=1, metavar="SEED", help="of those views (%(default)s)")
    parser.add_argument("--json", metavar="OUT", help="write the figures to this file as JSON (- for standard output)")
    parser.add_argument("--card", action="store_true", help="write the figures into the bundle's own card as well")
    parser.add_argument("--markdown", action="store_true", help="print the table as Markdown")
    parser.add_argument(
        "--conditions", action="store_true", help="show the errors by length, noise, gender, language and emotion too"
    )
    parser.add_argument("--report", metavar="DIR", help="write DET curves, score histograms and an HTML page here")
    parser.add_argument("lists", nargs="+", metavar="LIST", help="trial list (.tsv)")
    return parser


def _calibrate_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="earmark calibrate-bundle",
        description="Fit a bundle's likelihood ratios and thresholds on training speech and write them into its card.",
        epilog=CALIBRATE_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _common(parser)
    parser.add_argument("--seed", type=int, default=1, help="of the draw of clips and folds (%(default)s)")
    parser.add_argument(
        "--cross-validate",
        action="store_true",
        help="compare forms of calibration, each on the kinds of recording it was not fitted on, and change nothing",
    )
    parser.add_argument("--json", metavar="OUT", help="with --cross-validate: write all figures here (- to print them)")
    parser.add_argument("--markdown", action="store_true", help="with --cross-validate: print the table as Markdown")
    return parser


def _common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--bundle", required=True, help="name of an installed bundle, or the path of one")
    parser.add_argument("--speech", required=True, metavar="DIR", help="folder of the speech that paths refer to")
    parser.add_argument(
        "--runtime", choices=("auto", "litert", "tflite"), default="auto", help="interpreter (%(default)s)"
    )
    parser.add_argument("--cache", metavar="DIR", help="keep embeddings here, so that the next run is quick")
