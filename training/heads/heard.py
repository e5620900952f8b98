"""What the network says about recordings, for label heads.

Takes an opened bundle, rows of a corpus and how to degrade copies. Gives ``Heard``: the statistics that a head on the
device would see (``Bundle.statistics``). Must hold: silence around the speech is left away, as the segmenter does; what
was computed is kept on disk and reused; a file that cannot be read is named and left out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from edge.bundle import Bundle
from edge.errors import AudioFileError, AudioRejectedError
from edge.records import SAMPLE_RATE, Float32
from training.augment import Augmenter, AugmentRecipe, Materials
from training.augment.seeding import generator
from training.corpus import Recording
from training.data.clips import read_clip

Progress = Callable[[int, int], None]

_FRAME: Final = SAMPLE_RATE // 100
_BELOW_PEAK_DB: Final = 35.0
_MARGIN_FRAMES: Final = 30


@dataclass(frozen=True, slots=True, eq=False)
class Heard:
    """One recording or a copy of it. ``pooled`` float32 (k, w), ``weights`` (k,): of its windows."""

    row: Recording
    copy: str
    pooled: Float32
    weights: Float32

    @property
    def person(self) -> str:
        """Set and speaker; where nobody knows who it is, everybody is somebody else."""
        return f"{self.row.set} {self.row.speaker or self.row.path}"


def trimmed(samples: Float32) -> Float32:
    """Without the ends that are 35 dB below the loudest hundredth of a second, but for 0.3 s each, as much
    as the segmenter leaves.
    """
    count = len(samples) // _FRAME
    if not count:
        return samples
    power = np.square(samples[: count * _FRAME].reshape(count, _FRAME), dtype=np.float64).mean(axis=1)
    smooth = np.convolve(power, np.ones(3) / 3, "same")
    loud = np.flatnonzero(smooth >= smooth.max() * 10 ** (-_BELOW_PEAK_DB / 10))
    first, last = max(0, loud[0] - _MARGIN_FRAMES), loud[-1] + 1 + _MARGIN_FRAMES
    return samples[first * _FRAME : last * _FRAME]


class Hearing:
    """Hears recordings through ``bundle`` and keeps what it heard in ``folder``. ``speech``: folder of the rows."""

    def __init__(self, bundle: Bundle, speech: Path, folder: Path, materials: Materials, seconds: float) -> None:
        self._bundle, self._speech, self._materials = bundle, speech, materials
        self._most = round(seconds * SAMPLE_RATE)
        trunk = bundle.trunk
        name = hashlib.sha256(repr((trunk.encoder, trunk.features, trunk.window_frames, seconds)).encode())
        self._folder = folder / name.hexdigest()[:16]

    def hear(
        self, rows: Sequence[Recording], copy: str, change: AugmentRecipe | None, seed: int, progress: Progress
    ) -> tuple[list[Heard], list[str]]:
        """What could be heard, in the order of ``rows``, and a sentence for each that could not.

        ``change``: how the copy is degraded; None hears the recording itself.
        """
        augmenter = None if change is None else Augmenter(self._materials, change)
        found: list[Heard] = []
        left: list[str] = []
        for done, row in enumerate(rows, 1):
            try:
                pooled, weights = self._statistics(row, copy, augmenter, seed)
                found.append(Heard(row, copy, pooled, weights))
            except (AudioFileError, AudioRejectedError) as error:
                left.append(f"{row.path}: {error.cause}")
            progress(done, len(rows))
        return found, left

    def _statistics(self, row: Recording, copy: str, augmenter: Augmenter | None, seed: int) -> tuple[Float32, Float32]:
        changes = "" if augmenter is None else repr((seed, sorted(augmenter.recipe.to_json().items())))
        key = hashlib.sha256(f"{row.path}\0{row.seconds}\0{copy}\0{changes}".encode()).hexdigest()
        path = self._folder / key[:2] / f"{key}.npz"
        if not path.exists():
            samples = trimmed(read_clip(self._speech / row.path))[: self._most]
            if augmenter is not None:
                samples = augmenter.degrade(samples, generator(seed, f"{row.path}#{copy}"))
            seen = self._bundle.statistics(samples)
            _keep(path, seen.pooled, seen.weights)
        with np.load(path) as kept:
            return kept["pooled"].astype(np.float32), kept["weights"]


def _keep(path: Path, pooled: Float32, weights: Float32) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp.npz")
    np.savez(temporary, pooled=pooled, weights=weights)
    temporary.replace(path)


def windows(heard: Sequence[Heard]) -> tuple[Float32, npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """All windows (n, w), whose recording each is of, and weights that give each recording the same."""
    owner = np.repeat(np.arange(len(heard)), [len(one.pooled) for one in heard])
    shares = [one.weights / max(float(one.weights.sum()), 1e-9) for one in heard]
    return np.concatenate([one.pooled for one in heard]), owner, np.concatenate(shares).astype(np.float64) + 1e-6
