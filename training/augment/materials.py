"""What an augmenter mixes in: noises, speech for babble, measured responses of rooms.

Takes a corpus folder and its manifest's rows, or plain arrays. Gives ``Materials``: clips that are read when they are
needed and kept as 16-bit samples within a bound. Must hold: speech comes from the ``train`` split only; what a clip
sounds like doesn't depend on what was read before; a pickled copy (for a worker) carries no audio read from files.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from edge.audio import read_samples
from edge.records import SAMPLE_RATE, Float32
from training.augment.rooms import Response
from training.augment.seeding import generator
from training.corpus import Recording

MOST_SECONDS: Final = 20.0
"""Of a noise or a talker; longer recordings are cut."""
BABBLE_CLIPS: Final = 600
"""Clips of speech that babble is made of, spread over sets and speakers."""
_QUIET: Final = 30
"""16-bit: below this (-61 dB), a clip's head and tail count as silence."""
_LEAD: Final = 24


class Clips:
    """A list of clips by name. Files are read once they are asked for; the least used go beyond ``most_bytes``."""

    def __init__(self, sources: Iterable[tuple[str, Path | Float32]], most_bytes: int = 96 << 20) -> None:
        """``sources``: a name and a path, or float32 ``(n,)`` samples at 16 kHz."""
        self._sources = [
            (name, _to_16_bit(source) if isinstance(source, np.ndarray) else source) for name, source in sources
        ]
        self._most_bytes = most_bytes
        self._kept: OrderedDict[int, npt.NDArray[np.int16]] = OrderedDict()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._sources)

    def name(self, index: int) -> str:
        """What the clip is called."""
        return self._sources[index][0]

    def samples(self, index: int) -> Float32:
        """The whole clip without silence at its ends, float32 ``(n,)``. Raises ``AudioFileError``."""
        return self._whole(index).astype(np.float32) * np.float32(1 / 32768)

    def piece(self, index: int, length: int, rng: np.random.Generator) -> Float32:
        """``length`` samples from a random place, the clip repeated where it is shorter."""
        whole = self._whole(index)
        if not len(whole):
            return np.zeros(length, np.float32)
        start = int(rng.integers(0, max(1, len(whole) - length + 1)))
        part = whole[start : start + length]
        if len(part) < length:
            part = np.resize(np.roll(part, int(rng.integers(0, len(part)))), length)
        return part.astype(np.float32) * np.float32(1 / 32768)

    def _whole(self, index: int) -> npt.NDArray[np.int16]:
        _, source = self._sources[index]
        if isinstance(source, np.ndarray):
            return source
        if index in self._kept:
            self._kept.move_to_end(index)
            return self._kept[index]
        samples = _trimmed(_to_16_bit(read_samples(source, MOST_SECONDS)))
        self._kept[index] = samples
        self._bytes += samples.nbytes
        while self._bytes > self._most_bytes and len(self._kept) > 1:
            self._bytes -= self._kept.popitem(last=False)[1].nbytes
        return samples

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_kept": OrderedDict(), "_bytes": 0}


@dataclass(frozen=True, slots=True)
class Materials:
    """``noises``, ``speech``: clips. ``responses``: measured rooms. Any of them may be empty."""

    noises: Clips
    speech: Clips
    responses: tuple[Response, ...] = ()

    @classmethod
    def of(
        cls, noises: Sequence[Float32] = (), speech: Sequence[Float32] = (), responses: Sequence[Float32] = ()
    ) -> Materials:
        """From samples, float32 ``(n,)`` at 16 kHz each."""
        return cls(
            Clips((f"noise {number}", samples) for number, samples in enumerate(noises, 1)),
            Clips((f"speech {number}", samples) for number, samples in enumerate(speech, 1)),
            tuple(_measured(samples, f"measured room {number}") for number, samples in enumerate(responses, 1)),
        )


def load_materials(folder: Path, recordings: Iterable[Recording]) -> Materials:
    """Find what the corpus has: splits ``noise`` and ``rir``, and up to 600 clips of ``train`` for babble.

    ``recordings``: rows of ``folder``'s manifest. Only the responses are read at once. Raises ``AudioFileError``.
    """
    rows = list(recordings)
    return Materials(
        Clips((row.path, folder / row.path) for row in rows if row.split == "noise"),
        Clips((row.path, folder / row.path) for row in _spread([row for row in rows if row.split == "train"])),
        tuple(
            _measured(read_samples(folder / row.path), f"measured room {Path(row.path).stem}")
            for row in rows
            if row.split == "rir"
        ),
    )


def _spread(rows: Sequence[Recording]) -> list[Recording]:
    """Up to ``BABBLE_CLIPS``, in turn from each set, so that a large set doesn't drown the others."""
    by_set: dict[str, list[Recording]] = {}
    for row in rows:
        if row.seconds >= 1.0:
            by_set.setdefault(row.set, []).append(row)
    shuffled = [
        [group[int(index)] for index in generator(0, f"babble {name}").permutation(len(group))]
        for name, group in by_set.items()
    ]
    chosen: list[Recording] = []
    turn = 0
    while len(chosen) < BABBLE_CLIPS and any(turn < len(group) for group in shuffled):
        chosen += [group[turn] for group in shuffled if turn < len(group)]
        turn += 1
    return chosen[:BABBLE_CLIPS]


def _measured(samples: Float32, words: str) -> Response:
    """Cut a response so that its highest peak, the direct sound, comes first and has amplitude 1."""
    if not len(samples) or not np.any(samples):
        return Response(np.eye(1, 2 * _LEAD, _LEAD, dtype=np.float32)[0], _LEAD, words)
    peak = int(np.argmax(np.abs(samples)))
    padded = np.concatenate((np.zeros(_LEAD, np.float32), samples))[peak : peak + int(1.2 * SAMPLE_RATE)]
    return Response((padded / padded[_LEAD]).astype(np.float32), _LEAD, words)


def _to_16_bit(samples: Float32) -> npt.NDArray[np.int16]:
    return np.asarray(np.clip(np.rint(samples * 32768), -32768, 32767), np.int16)


def _trimmed(samples: npt.NDArray[np.int16]) -> npt.NDArray[np.int16]:
    loud = np.flatnonzero(np.abs(samples.astype(np.int32)) > _QUIET)
    return samples[loud[0] : loud[-1] + 1].copy() if len(loud) else samples[:0]
