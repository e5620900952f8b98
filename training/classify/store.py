"""Features on disk: computed once, looked at by people, used again by every model that wants the same.

Takes examples, an ``Input`` and the folder of recordings. Gives the examples that could be heard, and their features
float32 ``(examples, ...)``. Must hold: a folder's name is a hash of all that its numbers depend on; a folder counts
only when it is complete; what is read back is what was computed; a recording that can't be read is named and set aside.

A table is ``features.csv``; pictures are PNG files, one folder per speaker; everything else is ``features.npy`` beside
``segments.csv``.
"""

from __future__ import annotations

import csv
import hashlib
import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

import numpy as np

from edge.errors import AudioFileError, StorageError
from edge.records import Float32
from training.classify import inputs
from training.classify.changes import Changes
from training.classify.examples import Example, audio
from training.classify.picture import read_png, write_png
from training.classify.recipe import Input, Share

Say = Callable[[str], None]

_VERSION: Final = 1
"""Raise it when ``inputs`` computes something else."""
_SEGMENT: Final = ("path", "start", "seconds", "speaker", "gender", "emotion", "change")
_TOLD_EVERY: Final = 500
_ODD: Final = re.compile(r"[^\w.-]+")


class Features:
    """The features of some examples in ``root``, a folder for many of them."""

    def __init__(self, root: Path, examples: Sequence[Example], what: Input, share: Share, seed: int) -> None:
        key = {"version": _VERSION, "input": asdict(what), "share": asdict(share), "seed": seed}
        text = json.dumps([key, [asdict(one) for one in examples]], sort_keys=True)
        self.folder = root / f"{what.kind}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"
        self._examples, self._what, self._share, self._seed, self._key = examples, what, share, seed, key

    @property
    def complete(self) -> bool:
        """Whether they need not be computed again."""
        return (self.folder / "complete.json").exists()

    def load(self, speech: Path, read: Callable[[Path], Float32], say: Say) -> tuple[tuple[Example, ...], Float32]:
        """Examples and features, computed first where they aren't there. Raises ``StorageError``."""
        try:
            if not self.complete:
                self._compute(speech, read, say)
            return tuple(self._heard()), self._read()
        except OSError as error:
            raise StorageError(
                f"{self.folder} cannot be used ({error.strerror})", "Name another place with --cache."
            ) from error

    def _compute(self, speech: Path, read: Callable[[Path], Float32], say: Say) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        say(f"features: {len(self._examples)} segments as {self._what.kind} in {self.folder}")
        aside: dict[str, str] = {}
        heard = audio(self._examples, speech, _or_aside(speech, read, aside, say), Changes(self._share, self._seed))
        if self._what.kind in inputs.PICTURES:
            self._pictures(heard, say)
        else:
            rows = [(one, inputs.compute(self._what, samples)) for one, samples in self._told(heard, say)]
            if self._what.kind in inputs.TABLES:
                self._table(rows)
            else:
                np.save(self.folder / "features.npy", np.stack([row for _, row in rows]))
        if self._what.kind not in inputs.TABLES:
            segments = (_segment(one) for one in self._examples if one.path not in aside)
            self._write(self.folder / "segments.csv", _SEGMENT, segments)
        text = json.dumps(self._key | {"set_aside": aside}, indent=2) + "\n"
        (self.folder / "complete.json").write_text(text, encoding="utf-8")

    def _heard(self) -> list[Example]:
        """The examples without those that were set aside."""
        aside = json.loads((self.folder / "complete.json").read_text(encoding="utf-8"))["set_aside"]
        return [one for one in self._examples if one.path not in aside]

    def _told(self, heard: Iterable[tuple[Example, Float32]], say: Say) -> Iterable[tuple[Example, Float32]]:
        for done, pair in enumerate(heard, 1):
            if done % _TOLD_EVERY == 0:
                say(f"  {done} of {len(self._examples)}")
            yield pair

    def _pictures(self, heard: Iterable[tuple[Example, Float32]], say: Say) -> None:
        for example, samples in self._told(heard, say):
            pixels = inputs.compute(self._what, samples).astype(np.uint8)
            write_png(self.folder / _png_name(example), pixels)

    def _table(self, rows: Iterable[tuple[Example, Float32]]) -> None:
        head = (*_SEGMENT, *inputs.columns(self._what.kind))
        # Nine digits are enough for every float32 to come back as it was.
        cells = ((*_segment(one), *(f"{x:.9g}" for x in row)) for one, row in rows)
        self._write(self.folder / "features.csv", head, cells)

    def _write(self, path: Path, head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(head)
            writer.writerows(rows)

    def _read(self) -> Float32:
        if self._what.kind in inputs.PICTURES:
            found = np.stack([read_png(self.folder / _png_name(one)) for one in self._heard()])
            return found.astype(np.float32)
        if self._what.kind in inputs.TABLES:
            with (self.folder / "features.csv").open(newline="", encoding="utf-8") as file:
                rows = list(csv.reader(file))[1:]
            return np.array([row[len(_SEGMENT) :] for row in rows], np.float32)
        return np.asarray(np.load(self.folder / "features.npy"), np.float32)


def _or_aside(
    speech: Path, read: Callable[[Path], Float32], aside: dict[str, str], say: Say
) -> Callable[[Path], Float32 | None]:
    """A reader that notes what can't be read instead of stopping; ``aside``: path in the manifest -> why."""

    def reader(path: Path) -> Float32 | None:
        try:
            return read(path)
        except AudioFileError as error:
            aside[str(path.relative_to(speech))] = error.cause
            say(f"set aside: {error.sentence()}")
            return None

    return reader


def _segment(one: Example) -> tuple[str, ...]:
    return (one.path, f"{one.start:g}", f"{one.seconds:g}", one.speaker, one.gender, one.emotion, one.change)


def _png_name(one: Example) -> str:
    """A folder per speaker; two files of the same name in different folders must not meet."""
    speaker, name = (_ODD.sub("_", text) for text in (one.speaker, str(Path(one.path).with_suffix(""))))
    return f"{speaker}/{name}-{one.start:g}s{'-' if one.change else ''}{one.change}.png"
