"""``earmark explore DIR``: the report about a folder of speech, and ``--apply``: what became of its suspects.

Takes parsed arguments; gives files and a few lines. Must hold: nothing is written before the arguments are understood
and pictures can be drawn; the result goes to standard output, progress and advice to standard error.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from edge.cli.console import Console, count
from edge.cli.progress import Progress
from edge.errors import EarmarkError, UsageError

if TYPE_CHECKING:
    from edge.bundle import Bundle
    from training.embeddings import Embedder
    from training.explore.findings import Findings
    from training.explore.suspects import Kind

CLIPS: Final = 400
"""How many clips are listened to unless --count says otherwise: half a minute to a minute of one core."""
_LABELS: Final = ("gender", "emotion", "speaker")
_BUNDLES: Final = ("compact", "accurate", "baseline")
"""What embeds the clips where nobody says: the quickest that tells people apart comes first."""


def register(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that only the report has."""
    add = parser.add_argument
    add(
        "--label",
        action="append",
        choices=("gender", "emotion", "speaker"),
        help="check this label only, on clips that have it; may be repeated",
    )
    add("--set", action="append", default=[], metavar="NAME", dest="sets", help="only this set; may be repeated")
    add("--split", action="append", default=[], metavar="NAME", dest="splits", help="only this split; may be repeated")
    add(
        "--examples",
        type=int,
        default=6,
        metavar="N",
        help="clips shown with waveform, spectrogram and MFCC (%(default)s)",
    )
    add(
        "--bundle",
        metavar="NAME",
        help=f"what embeds the clips, or none (the first installed of {', '.join(_BUNDLES)})",
    )
    add("--cache", metavar="DIR", help="keep embeddings there: the next report over the same clips is quicker")
    add("--apply", metavar="TSV", help="a sheet of suspects that was filled in: write a corrected manifest.tsv")
    add("--quiet", action="store_true", help="results and errors only")


def report(options: argparse.Namespace) -> None:
    """Write the report. Raises ``EarmarkError``."""
    from training.explore.findings import to_json
    from training.explore.report import SECTIONS, SHEET, Report
    from training.report import canvas
    from training.report.evaluation import prepare, save

    limit = CLIPS if options.count is None else options.count
    if limit < 0 or options.examples < 0:
        raise UsageError("--count and --examples must not be negative", "--count 0 listens to every clip.")
    canvas.require()
    console = Console(json_output=options.json, quiet=options.quiet, no_colour=True)
    folder = Path(options.folder).expanduser()
    out = Path(options.out or f"explored-{folder.resolve().name}")
    found = _find(options, folder, limit, console)
    prepare(out)
    with Progress(console, "drawing", len(SECTIONS)) as bar:
        made = Report(out, found, lambda section: bar.advance(1, section))
        page = made.write(options.examples)
    figures = to_json(found) | {"page": str(page), "sheet": str(out / SHEET), "pictures": made.pictures}
    import json

    save(out / "report.json", (json.dumps(figures, ensure_ascii=False, indent=1) + "\n").encode())
    if options.json:
        console.emit(figures)
        return
    for line in _lines(found):
        console.say(line)
    console.say(f"Look and listen: {page}")
    if found.suspects:
        console.say(f"Labels to decide on: {out / SHEET}")


def apply(options: argparse.Namespace) -> None:
    """Write the corrected manifest. Raises ``EarmarkError``."""
    from training.corpus import MANIFEST
    from training.explore import sheet
    from training.report.evaluation import prepare, save

    console = Console(json_output=options.json, quiet=options.quiet, no_colour=True)
    folder, source = Path(options.folder).expanduser(), Path(options.apply)
    text, done = sheet.apply(source, folder)
    out = Path(options.out or source.parent)
    if (out / MANIFEST).resolve() == (folder / MANIFEST).resolve():
        raise UsageError("The manifest that is being corrected would be lost", "Choose another folder with --out.")
    prepare(out)
    save(out / MANIFEST, text.encode())
    if options.json:
        console.emit(done | {"manifest": str(out / MANIFEST)})
        return
    console.say(
        f"{count(done['changed'], 'label')} changed, {count(done['dropped'], 'clip')} dropped: {out / MANIFEST}"
    )
    console.note(f"It takes effect once it stands in {folder}; keep the old one.")


def _find(options: argparse.Namespace, folder: Path, limit: int, console: Console) -> Findings:
    from training.explore.findings import Findings
    from training.explore.hear import listen
    from training.explore.rows import contents, draw
    from training.explore.suspects import KINDS, name_of, review

    there = contents(folder, options.sets, options.splits)
    labels: Sequence[Kind] = tuple(dict.fromkeys(options.label or KINDS))
    rows = there.rows
    if options.label:  # listening to clips that have no such label would be no use
        rows = tuple(row for row in rows if any(name_of(row, label) for label in labels)) or rows
    drawn = draw(rows, limit, options.seed)
    if not drawn:
        raise UsageError("There is no speech in what was chosen, only noise", "Choose other sets or splits.")
    bundle = _bundle(options.bundle, console)
    embedder = _embedder(bundle, folder, options.cache) if bundle else None
    with Progress(console, "listening", len(drawn)) as bar:
        heard = listen(folder, drawn, embedder, lambda path: bar.advance(1, path))
    with Progress(console, "judging labels", len(labels)) as bar:
        reviews = []
        for label in labels:
            reviews.append(review(heard, label, options.seed))
            bar.advance(1, label)
    return Findings(folder, there, heard, tuple(reviews), bundle.name if bundle else "", options.seed)


def _bundle(name: str | None, console: Console) -> Bundle | None:
    from edge.bundle import installed_bundles, open_bundle

    if name == "none":
        return None
    if name:
        return open_bundle(name)
    there = installed_bundles()
    for one in (*_BUNDLES, *there):
        if one in there:
            try:
                return open_bundle(one)
            except EarmarkError as error:  # nobody asked for this one: a report without a map is better than none
                console.note(f"{error.sentence()}")
    console.note("No bundle can be opened: there is no map of voices, and speaker labels are not judged.")
    return None


def _embedder(bundle: Bundle, folder: Path, cache: str | None) -> Embedder:
    from training.embeddings import Embedder, EmbeddingCache
    from training.trials import Audio

    kept = EmbeddingCache(Path(cache)) if cache else None
    return Embedder(bundle, Audio(folder), cache=kept, runtime=bundle.runtime)


def _lines(found: Findings) -> list[str]:
    from training.explore.findings import facts

    shown: dict[str, Any] = facts(found)
    lines = [f"{shown['recordings']}, speakers: {shown['speakers']}; listened to {len(found.heard.rows)}"]
    for one in found.problems:
        lines.append(f"cannot be used: {one.path or '-'}: {one.reason}")
    for review in found.reviews:
        if review.reason:
            lines.append(f"{review.label}: not judged, {review.reason}")
        else:
            agree = f"{100 * review.agreement:.0f} % agree"
            lines.append(f"{review.label}: {review.judged} labels judged, {agree}, {len(review.suspects)} look wrong")
    return lines
