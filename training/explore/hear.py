"""Listens to the clips that were drawn: each is read once, and everything that needs its sound is taken then.

Takes rows and a folder; gives arrays with one row per clip that could be used, and the problems of the others. Must
hold: a bad file costs itself alone and is listed; at most ``MOST_SECONDS`` of a clip are read; the sound itself is not
kept.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from edge.audio import FileSource
from edge.errors import AudioFileError, AudioRejectedError
from edge.features import FrontEnd
from edge.records import SAMPLE_RATE, Float32
from training.corpus import Recording
from training.explore.measures import MFCC_SPEC, measure, mfcc_db
from training.explore.rows import Problem

if TYPE_CHECKING:
    from training.embeddings import Embedder

Float64 = npt.NDArray[np.float64]

MOST_SECONDS: Final = 8.0
"""Of a clip; what is later is not looked at."""
EMBEDDED_SECONDS: Final = 4.0
"""Of a clip that goes through the network, which is what costs most here."""
LEAST_SECONDS: Final = 0.1


@dataclass(frozen=True, slots=True, eq=False)
class Heard:
    """The clips that could be used, in the order of the draw.

    ``rows``: with the length in seconds where only the file knew it. ``measures``: float64 ``(n, len(MEASURES))``.
    ``mfcc``: float64 ``(n, 40)``, mean and standard deviation over time of 20 coefficients, in dB. ``vectors``: float32
    ``(n, dim)``, unit norm, or ``(n, 0)`` without a bundle. ``problems``: the clips that could not be used.
    ``remarks``: what was wrong with clips that were used all the same.
    """

    rows: tuple[Recording, ...]
    measures: Float64
    mfcc: Float64
    vectors: Float32
    problems: tuple[Problem, ...]
    remarks: tuple[Problem, ...]


def listen(
    folder: Path, rows: Sequence[Recording], embedder: Embedder | None, progress: Callable[[str], None]
) -> Heard:
    """Listen to ``rows``; ``progress`` is told each path when it is done. Never raises for a file."""
    front_end = FrontEnd(MFCC_SPEC)
    used: list[Recording] = []
    measures, cepstra, vectors = [], [], []
    problems, remarks = [], []
    for row in rows:
        try:
            samples, seconds, notes = read(folder / row.path)
            vector = embedder.embed(samples[: round(EMBEDDED_SECONDS * SAMPLE_RATE)]).vector if embedder else _NONE
        except (AudioFileError, AudioRejectedError) as error:
            problems.append(Problem(row.path, error.cause.removeprefix(f"{folder / row.path} ")))
        else:
            mfcc = mfcc_db(front_end, samples).astype(np.float64)
            used.append(row if row.seconds else _with_seconds(row, seconds))
            measures.append(measure(samples, row.seconds or seconds))
            cepstra.append(np.concatenate([mfcc.mean(axis=0), mfcc.std(axis=0)]))
            vectors.append(vector)
            remarks += [Problem(row.path, note.removeprefix(f"{folder / row.path} ")) for note in notes]
        progress(row.path)
    if not used:
        first = f" ({problems[0].path}: {problems[0].reason})" if problems else ""
        raise AudioFileError(f"None of the {len(rows)} clips that were drawn can be used{first}")
    return Heard(tuple(used), np.stack(measures), np.stack(cepstra), np.stack(vectors), tuple(problems), tuple(remarks))


def read(path: Path) -> tuple[Float32, float, list[str]]:
    """Return the beginning of a clip, float32 ``(n,)``, the seconds of the whole file (as far as it was read where its
    head does not say), and what was wrong with it. Raises ``AudioFileError``.
    """
    limit = round(MOST_SECONDS * SAMPLE_RATE)
    source = FileSource(path, block_ms=1000)
    pieces: list[Float32] = []
    for block in source.blocks():
        pieces.append(block.samples)
        if block.start + len(block.samples) >= limit:
            break
    source.close()
    samples = np.concatenate(pieces)
    seconds = len(samples) / SAMPLE_RATE
    if len(samples) > limit:
        samples, seconds = samples[:limit], max(seconds, _whole_seconds(path))
    if seconds < LEAST_SECONDS:
        raise AudioFileError(f"{path} is too short: {seconds:.2f} s of at least {LEAST_SECONDS}")
    if float(np.abs(samples).max()) < _SILENT:
        raise AudioFileError(f"{path} is silent")
    return samples, seconds, source.notes


_NONE: Final[Float32] = np.zeros(0, np.float32)
_SILENT: Final = 1e-4
"""-80 dBFS: below that there is nothing to measure."""


def _whole_seconds(path: Path) -> float:
    from training.data.clips import read_head

    try:
        return read_head(path).seconds
    except AudioFileError:
        return 0.0


def _with_seconds(row: Recording, seconds: float) -> Recording:
    from dataclasses import replace

    return replace(row, seconds=round(seconds, 3))
