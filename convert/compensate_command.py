"""``earmark compensate-bundle``.

Takes the command's arguments. Gives an exit code. Must hold: arguments are understood before anything is read; a
bundle that cannot be compensated stays as it was.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from edge.errors import BundleError, UsageError
from training.finish import finish

EXAMPLES: Final = """examples:
  earmark compensate-bundle --bundle mine --space mine-192/1 --speech ~/speech --cache ~/embeddings
  earmark compensate-bundle --bundle compact --like accurate --speech ~/speech

Afterwards: earmark calibrate-bundle. With --like two bundles keep one embedding space: who enrolled with one is
known to the other.
"""


def compensate_bundle(argv: Sequence[str] | None = None) -> int:
    """Run ``earmark compensate-bundle`` with the arguments after its name; gives the exit code."""
    return finish(_compensate, _parser().parse_args(argv))


def _compensate(options: argparse.Namespace) -> None:
    from convert.compensate import compensate
    from edge.bundle.locate import locate
    from training import compensation
    from training.commands import Progress, folder
    from training.corpus import read_manifest
    from training.embeddings import EmbeddingCache

    if options.like and options.space:
        raise UsageError("With --like the space is that bundle's", "Leave --space.")
    if not all(0 < value <= 1 for value in options.shrinkage):
        raise UsageError("A shrinkage is a share of the identity", "Give numbers above 0, up to 1.")
    bundle = locate(options.bundle)
    if not (bundle / "card.json").is_file():
        raise BundleError(f"{bundle} is no folder of a bundle", "Unpack it: a head is only written in a folder.")
    speech = folder(options.speech)
    with Progress("embedding") as progress:
        choice = compensate(
            bundle, speech, read_manifest(speech), like=locate(options.like) if options.like else None,
            space=options.space, shrinkages=options.shrinkage,
            cache=EmbeddingCache(Path(options.cache)) if options.cache else None,
            prefer=options.runtime, progress=progress, say=lambda line: print(line, file=sys.stderr, flush=True),
        )  # fmt: skip
    if options.json:
        print(
            json.dumps({"bundle": str(bundle)} | (compensation.to_json(choice) if choice else {"like": options.like}))
        )
    elif choice:
        print(compensation.describe(choice))
    print(f"{bundle} has a new head and cohort: calibrate it now (earmark calibrate-bundle).", file=sys.stderr)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="earmark compensate-bundle",
        description="Take what differs between recordings of one voice out of a bundle's embeddings: centring and "
        "within-class covariance normalisation, learnt on training speakers.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--bundle", required=True, help="name of an installed bundle, or the path of one; it is changed")
    add("--speech", required=True, metavar="DIR", help="folder of recordings with a manifest.tsv")
    add("--like", metavar="BUNDLE", help="take the compensation of this bundle, instead of learning one")
    add("--space", default="", metavar="NAME", help="name of the new embedding space, such as mine-192/1, to be shared")
    add(
        "--shrinkage", type=float, nargs="+", default=[1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4], metavar="SHARE",
        help="shares of the identity to try; the one with the least error on kinds of recordings left out is taken",
    )  # fmt: skip
    add("--cache", metavar="DIR", help="keep embeddings here, so that the next run is quick")
    add("--runtime", choices=("auto", "litert", "tflite"), default="auto", help="interpreter (%(default)s)")
    add("--json", action="store_true", help="print what was chosen, and why, as JSON")
    return parser
