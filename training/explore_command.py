"""``earmark explore``: see and hear what training works with.

Takes arguments, gives an exit code. Must hold: each part (a folder's report, ``--apply``, ``--augment``) is imported
only when it is asked for; the result's place goes to standard output, progress to standard error.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from edge.errors import EXIT_OK, EarmarkError, ExtraMissingError, StorageError, UsageError

if TYPE_CHECKING:
    from training.augment import AugmentRecipe, Materials
    from training.corpus import Recording

EXAMPLES: Final = """examples:
  earmark explore ~/speech --out report
  earmark explore ~/speech --set ravdess --label emotion --count 0
  earmark explore ~/speech --count 200 --seed 7 --json --quiet > figures.json
  earmark explore ~/speech --apply report/suspects.tsv --out corrected
  earmark explore --augment clip.wav
  earmark explore --augment ~/speech --count 20 --seed 7 --out listen
  earmark explore --augment clip.wav --speech ~/speech --recipe recipe.json

The report's index.html needs no network and none of the files beside it; docs/exploring.md says how to read it. A
folder without a manifest.tsv is taken as one folder per speaker.
With --augment, a folder that has a manifest.tsv also gives the noises, rooms and voices that are mixed in; for other
clips name one with --speech. docs/augmentation.md describes each change.
"""

_EXAMPLES: Final = 10


def explore(argv: Sequence[str] | None = None) -> int:
    """Run ``earmark explore`` with the arguments after its name; gives the exit code."""
    parser = _parser()
    options = parser.parse_args(argv)
    if (options.folder is None) == (options.augment is None):
        parser.error("name a folder of speech, or something to --augment")
    try:
        _part(options)(options)
    except EarmarkError as error:
        print(f"earmark: {error.sentence()}", file=sys.stderr)
        return error.exit_code
    except ImportError as error:
        missing = ExtraMissingError(
            f"`earmark explore` needs {error.name or error}, which is not installed",
            "Install it with `pip install 'earmark[train]'`.",
        )
        print(f"earmark: {missing.sentence()}", file=sys.stderr)
        return missing.exit_code
    return EXIT_OK


def _augment(options: argparse.Namespace) -> None:
    from training.augment import Augmenter
    from training.augment.examples import clips_of, examples, wav_bytes
    from training.augment.page import page

    source = Path(options.augment)
    if not source.exists():
        raise UsageError(f"{source} does not exist", "Name a clip, or a folder of clips.")
    wanted: int = _EXAMPLES if options.count is None else options.count
    if wanted < 1:
        raise UsageError(f"--count {wanted} makes no example", "Ask for at least one.")
    recordings = _rows(source)
    recipe, clips = _recipe(options.recipe), clips_of(source, recordings, wanted, options.seed)
    augmenter = Augmenter(_materials(options, source, recordings), recipe)
    out = Path(options.out or f"augmented-{source.resolve().stem}")
    made = []
    folder = source.parent if source.is_file() else source
    for example in examples(clips, folder, augmenter, wanted, options.seed):
        made.append(example)
        print(f"{example.number}/{wanted} {example.clip.name}", file=sys.stderr)
    rows = []
    try:
        out.mkdir(parents=True, exist_ok=True)
        for example in made:
            path = out / f"{example.number:02d}-{example.clip.stem}.wav"
            path.write_bytes(wav_bytes(example.after))
            done = [*example.voice, *example.place]
            rows.append({"file": str(path), "clip": str(example.clip), "done": done})
        note = f"{len(made)} examples from {source}, seed {options.seed}."
        index = out / "index.html"
        index.write_text(page(made, augmenter, "What augmentation makes of a voice", note, options.seed), "utf-8")
    except OSError as error:
        raise StorageError(f"{out} cannot be written ({error.strerror})", "Choose another place with --out.") from error
    if options.json:
        print(json.dumps({"page": str(index), "examples": rows}, indent=1))
        return
    for row in rows:
        print(f"{row['file']}: {'; '.join(row['done']) or 'kept as it was'}")
    print(f"Listen and look: {index}")


def _rows(folder: Path) -> Sequence[Recording]:
    from training.corpus import MANIFEST, read_manifest

    return read_manifest(folder) if (folder / MANIFEST).is_file() else ()


def _materials(options: argparse.Namespace, source: Path, recordings: Sequence[Recording]) -> Materials:
    from training.augment import Materials, load_materials
    from training.corpus import read_manifest

    if options.speech:
        return load_materials(Path(options.speech), read_manifest(Path(options.speech)))
    if recordings:
        return load_materials(source, recordings)
    print("No household noise and no other voices to mix in: name a corpus with --speech.", file=sys.stderr)
    return Materials.of()


def _recipe(name: str | None) -> AugmentRecipe:
    from training.augment import AugmentRecipe

    if name is None:
        return AugmentRecipe()
    try:
        values: Any = json.loads(Path(name).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{name} cannot be read as JSON ({error})", "Give a file with the values to change.") from None
    if not isinstance(values, dict):
        raise UsageError(f"{name} holds no recipe", "It needs an object of names and values.")
    return AugmentRecipe.from_json(values)


def _part(options: argparse.Namespace) -> Callable[[argparse.Namespace], None]:
    """What the arguments ask for."""
    if options.augment is not None:
        return _augment
    from training.explore import command

    return command.apply if options.apply else command.report


def _parser() -> argparse.ArgumentParser:
    from training.explore import command

    parser = argparse.ArgumentParser(
        prog="earmark explore",
        description="See and hear what training works with: a folder of speech, or what augmentation makes of it.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", nargs="?", metavar="DIR", help="folder of speech to report on")
    parser.add_argument(
        "--augment",
        metavar="CLIP_OR_FOLDER",
        help="make examples of augmented speech and a page to hear and see them",
    )
    parser.add_argument(
        "--out",
        metavar="DIR",
        help="folder for the results (a new one here named after the source; of --apply: the sheet's)",
    )
    parser.add_argument("--seed", type=int, default=1, help="of everything random (%(default)s)")
    parser.add_argument(
        "--count",
        type=int,
        metavar="N",
        help=f"clips to listen to ({command.CLIPS}; 0: all), or with --augment how many examples ({_EXAMPLES})",
    )
    command.register(parser)
    parser.add_argument(
        "--speech", metavar="DIR", help="corpus with a manifest.tsv that gives noises, rooms and voices"
    )
    parser.add_argument("--recipe", metavar="FILE", help="augmentation recipe: JSON with the values to change")
    parser.add_argument("--json", action="store_true", help="print what was found or made as JSON")
    return parser
