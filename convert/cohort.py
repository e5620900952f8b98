"""Embeddings of training speakers, for score normalisation and for the margin of a lone enrolled person.

Takes an ``Encoder`` and the labelled recordings of the ``train`` split. Gives float32 (n, dim), one unit-norm row for
each speaker. Must hold: computed through the int8 file; no ``dev`` speaker; the same corpus gives the same rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from convert.clips import read_speech
from convert.encoder import Encoder
from convert.graph import Float32
from edge.bundle.heads import unit
from training.corpus import Recording, by_speaker

MOST_CLIPS: Final = 8
"""Clips per speaker: more change a mean embedding little."""

LIMITS: Final = {"speechcommands": 400}
"""Sets of which only the speakers with the most clips are taken."""


def choose(recordings: Sequence[Recording]) -> list[tuple[Recording, ...]]:
    """The clips of each cohort speaker, spread evenly over what there is of him or her."""
    groups = by_speaker(r for r in recordings if r.split == "train" and r.seconds >= 0.5)
    chosen = []
    for name in sorted({group for group, _ in groups}):
        mine = sorted((key for key in groups if key[0] == name), key=lambda key: (-len(groups[key]), key))
        for key in mine[: LIMITS.get(name)]:
            clips = groups[key]
            chosen.append(clips[:: max(1, len(clips) // MOST_CLIPS)][:MOST_CLIPS])
    return chosen


def cohort(
    encoder: Encoder,
    folder: Path,
    recordings: Sequence[Recording],
    progress: Callable[[int, int], None] | None = None,
) -> Float32:
    """One row per speaker: the normalised mean of the clips' embeddings."""
    speakers = choose(recordings)
    rows = []
    for done, clips in enumerate(speakers, 1):
        rows.append(unit(np.mean([encoder.embed(read_speech(folder / clip.path)) for clip in clips], axis=0)))
        if progress:
            progress(done, len(speakers))
    return np.stack(rows).astype(np.float32)
