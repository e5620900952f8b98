"""The frames that training strings are made of: every take as it is, and in changed voices and places.

Takes takes, materials for rooms and an augmentation recipe. Gives ``Material``: log energies as float16, each with
what is said and by whom. Must hold: a copy belongs to the speaker of its take; the same takes, recipe and seed give
the same frames. Kept in a file, since it is the dear part.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from edge.audio import read_samples
from edge.challenge.frames import SPEC
from edge.features import FrontEnd
from edge.records import SAMPLE_RATE, Float32
from training.augment import Augmenter, AugmentRecipe, Materials, generator
from training.digits.takes import Take, samples_of

Float16 = npt.NDArray[np.float16]
Say = Callable[[str], None]

_TAIL: Final = SAMPLE_RATE // 5
"""Silence after a take, into which a room may ring."""
_NOISE_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True, eq=False)
class Material:
    """``frames``: log energies of copy i, float16 ``(n, bands)``. ``take``: index into ``takes`` of copy i, and
    ``plain``: whether it is unchanged. ``noises``: log energies of noises.
    """

    takes: tuple[Take, ...]
    frames: list[Float16]
    take: npt.NDArray[np.int64]
    plain: npt.NDArray[np.bool_]
    noises: list[Float16]


def make(
    takes: Sequence[Take],
    noises: Sequence[Path],
    *,
    copies: int,
    materials: Materials,
    recipe: AugmentRecipe,
    seed: int,
    kept: Path,
    say: Say,
) -> Material:
    """Frames of each take, and of ``copies`` changed copies of those that say something, from ``kept`` if it fits."""
    key = _key(takes, copies, recipe, seed)
    if kept.exists():
        with np.load(kept) as stored:
            if str(stored["key"]) == key:
                return _read(takes, stored)
    augmenter, front_end = Augmenter(materials, recipe), FrontEnd(SPEC)
    frames: list[Float16] = []
    owners: list[int] = []
    plain: list[bool] = []
    for index, take in enumerate(takes):
        samples = np.concatenate((samples_of(take), np.zeros(_TAIL, np.float32)))
        for copy in range(1 + (copies if take.digits else 0)):
            frames.append(front_end.features(_copy(samples, take, copy, augmenter, seed)).astype(np.float16))
            owners.append(index)
            plain.append(copy == 0)
        if index % 500 == 499:
            say(f"{index + 1} of {len(takes)} takes heard")
    heard = [front_end.features(read_samples(path, _NOISE_SECONDS)).astype(np.float16) for path in noises]
    made = Material(tuple(takes), frames, np.array(owners), np.array(plain), heard)
    kept.parent.mkdir(parents=True, exist_ok=True)
    _write(kept, key, made)
    return made


def _copy(samples: Float32, take: Take, copy: int, augmenter: Augmenter, seed: int) -> Float32:
    if copy == 0:
        return samples
    rng = generator(seed, f"{take.path.name} {copy}")
    return augmenter.degrade(augmenter.voice(samples, rng), rng)


def _key(takes: Sequence[Take], copies: int, recipe: AugmentRecipe, seed: int) -> str:
    said = [(take.path.name, take.digits, take.speaker) for take in takes]
    return hashlib.sha256(repr((said, copies, recipe.to_json(), seed, SPEC)).encode()).hexdigest()


def _write(path: Path, key: str, made: Material) -> None:
    everything = made.frames + made.noises
    temporary = path.with_suffix(".tmp.npz")
    np.savez(
        temporary,
        key=np.array(key),
        frames=np.concatenate(everything),
        lengths=np.array([len(one) for one in everything]),
        take=made.take,
        plain=made.plain,
    )
    temporary.rename(path)


def _read(takes: Sequence[Take], stored: np.lib.npyio.NpzFile) -> Material:
    parts = np.split(stored["frames"], np.cumsum(stored["lengths"])[:-1])
    count = len(stored["take"])
    return Material(tuple(takes), parts[:count], stored["take"], stored["plain"], parts[count:])
