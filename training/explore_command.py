"""``earmark explore``: see and hear what training works with.

Takes arguments, gives an exit code. Must hold: each part (``--augment`` so far) is a row of ``_PARTS`` and is imported
only when it is asked for; the result's place goes to standard output, progress to standard error.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from edge.errors import EXIT_OK, EarmarkError, ExtraMissingError, StorageError, UsageError

if TYPE_CHECKING:
    from training.augment import AugmentRecipe, Materials
    from training.corpus import Recording

EXAMPLES: Final = """examples:
  earmark explore --augment clip.wav
  earmark explore --augment ~/speech --count 20 --seed 7 --out listen
  earmark explore --augment clip.wav --speech ~/speech --recipe recipe.json

A folder with a manifest.tsv also gives the noises, rooms and voices that are mixed in; for other clips name one with
--speech. docs/augmentation.md describes each change.
"""


def explore(argv: Sequence[str] | None = None) -> int:
    """Run ``earmark explore`` with the arguments after its name; gives the exit code."""
    options = _parser().parse_args(argv)
    try:
        for part in _PARTS:
            if getattr(options, part.name) is not None:
                part.run(options)
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
    if options.count < 1:
        raise UsageError(f"--count {options.count} makes no example", "Ask for at least one.")
    recordings = _rows(source)
    recipe, clips = _recipe(options.recipe), clips_of(source, recordings, options.count, options.seed)
    augmenter = Augmenter(_materials(options, source, recordings), recipe)
    out = Path(options.out or f"augmented-{source.resolve().stem}")
    made = []
    folder = source.parent if source.is_file() else source
    for example in examples(clips, folder, augmenter, options.count, options.seed):
        made.append(example)
        print(f"{example.number}/{options.count} {example.clip.name}", file=sys.stderr)
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


@dataclass(frozen=True, slots=True)
class _Part:
    """One thing to explore: an option ``--NAME VALUE`` and what it does."""

    name: str
    value: str
    words: str
    run: Callable[[argparse.Namespace], None]


_PARTS: Final = (
    _Part("augment", "CLIP_OR_FOLDER", "make examples of augmented speech and a page to hear and see them", _augment),
)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="earmark explore",
        description="See and hear what training works with.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parts = parser.add_mutually_exclusive_group(required=True)
    for part in _PARTS:
        parts.add_argument(f"--{part.name}", metavar=part.value, help=part.words)
    parser.add_argument("--out", metavar="DIR", help="folder for the results (a new one here, named after the source)")
    parser.add_argument("--seed", type=int, default=1, help="of everything random (%(default)s)")
    parser.add_argument("--count", type=int, default=10, metavar="N", help="how many examples (%(default)s)")
    parser.add_argument(
        "--speech", metavar="DIR", help="corpus with a manifest.tsv that gives noises, rooms and voices"
    )
    parser.add_argument("--recipe", metavar="FILE", help="augmentation recipe: JSON with the values to change")
    parser.add_argument("--json", action="store_true", help="print what was made as JSON")
    return parser
