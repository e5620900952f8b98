"""What the commands of the benches have in common: arguments, what they open, how they report.

Takes parsed arguments. Gives a ``Bench`` with everything opened; prints or writes a report. Must hold: results go to
standard output, progress to standard error; files are written whole or not at all.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edge.bundle import Bundle
    from edge.scoring import Scorer
    from edge.settings import Settings
    from training.corpus import Recording
    from training.embeddings import Embedder
    from training.trials import Audio

Text = Callable[..., str]
"""From a report, and ``markdown=``, to what is printed."""


@dataclass(frozen=True, slots=True)
class Bench:
    """A bundle with what judges its embeddings, the speech, and where results are kept between runs."""

    bundle: Bundle
    scorer: Scorer
    settings: Settings
    speech: Path
    recordings: tuple[Recording, ...]
    audio: Audio
    embedder: Embedder
    cache: Path


@contextmanager
def opened(options: argparse.Namespace) -> Iterator[Bench]:
    """Open what the arguments name; the settings are the defaults of the device.

    Raises ``EarmarkError`` where there is no such bundle or speech.
    """
    from edge.bundle import open_bundle
    from edge.scoring import Calibration, Scorer
    from edge.settings import Settings
    from training.commands import folder
    from training.corpus import read_manifest
    from training.embeddings import Embedder, EmbeddingCache
    from training.trials import Audio

    speech = folder(options.speech)
    bundle = open_bundle(options.bundle)
    recordings, audio = read_manifest(speech), Audio(speech)
    scorer = Scorer(Calibration.from_json(bundle.calibration), bundle.cohort)
    with TemporaryDirectory(prefix="earmark-") as scratch:
        place = Path(options.cache or scratch)
        cache = EmbeddingCache(place)
        try:
            embedder = Embedder(bundle, audio, cache=cache, runtime=bundle.runtime)
            yield Bench(bundle, scorer, Settings(), speech, recordings, audio, embedder, place)
        finally:
            cache.close()


def head(bench: Bench, options: argparse.Namespace) -> dict[str, Any]:
    """What stands at the head of every report: what was measured, when and where."""
    from training.report.evaluation import machine_text

    return {
        "bundle": f"{bench.bundle.name}-{bench.bundle.card['version']}",
        "speech_split": options.split,
        "measured": time.strftime("%Y-%m-%d", time.gmtime()),
        "machine": machine_text(),
    }


def tell(report: dict[str, Any], options: argparse.Namespace, text: Text) -> None:
    """Print the report, and write it where ``--json`` names a file."""
    from training.commands import write

    if options.json and options.json != "-":
        write(Path(options.json), json.dumps(report, indent=1) + "\n")
    print(json.dumps(report, indent=1) if options.json == "-" else text(report, markdown=options.markdown))


def parser(name: str, description: str, examples: str) -> argparse.ArgumentParser:
    """A parser with the arguments that every bench takes. ``name``: the command, as people type it."""
    found = argparse.ArgumentParser(
        prog=name, description=description, epilog=examples, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = found.add_argument
    add("--speech", required=True, metavar="DIR", help="recordings with a manifest.tsv")
    add("--bundle", default="accurate", metavar="NAME", help="the model (%(default)s)")
    add("--split", default="dev", metavar="NAME", help="whose voices are heard (%(default)s)")
    add("--seed", type=int, default=1, metavar="N", help="of the choice of recordings (%(default)s)")
    add("--cache", metavar="DIR", help="keep what was heard here for the next run")
    add("--json", nargs="?", const="-", metavar="FILE", help="the report as JSON, to a file or to standard output")
    add("--markdown", action="store_true", help="print tables in Markdown")
    return found
