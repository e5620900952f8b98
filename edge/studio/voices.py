"""The household's voices beside each other: a map in two dimensions and a table of likeness.

Takes enrolled people and utterances. Gives ``Spot``s and cosines. Must hold: distances on the map are what principal
components keep of the real ones, and how much that is is said; vectors of different spaces never meet.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from edge.records import Float32, Person
from edge.scoring import voiceprint

Kind = Literal["voiceprint", "clip", "tried"]

KINDS: Final[dict[Kind, str]] = {
    "voiceprint": "voiceprint", "clip": "enrolled clip", "tried": "tried in this visit",
}  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Voice:
    """Something with an embedding. ``name``: of the person, or of the clip that was tried."""

    name: str
    kind: Kind
    vector: Float32


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a voice stands on the map."""

    name: str
    kind: Kind
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Map:
    """``kept``: share of the variance along each axis."""

    spots: tuple[Spot, ...]
    kept: tuple[float, float]


def voices_of(people: Sequence[Person]) -> list[Voice]:
    """Voiceprint and clips of everybody."""
    found = []
    for person in people:
        found.append(Voice(person.name, "voiceprint", voiceprint(person).vector))
        found += [Voice(person.name, "clip", exemplar.vector) for exemplar in person.exemplars]
    return found


def flat(voices: Sequence[Voice]) -> Map:
    """Principal components of the vectors, by singular values. At least two voices."""
    vectors = np.stack([voice.vector for voice in voices]).astype(np.float64)
    centred = vectors - vectors.mean(axis=0)
    _, scales, directions = np.linalg.svd(centred, full_matrices=False)
    # The sign of a direction is arbitrary; fixed here, so that the map is not mirrored from one look to the next.
    axes = directions[:2]
    largest = np.take_along_axis(axes, np.abs(axes).argmax(axis=1)[:, None], axis=1)
    places = np.zeros((len(voices), 2))
    places[:, : len(axes)] = centred @ (axes * np.where(largest < 0, -1.0, 1.0)).T
    power = np.concatenate((scales**2, [0.0, 0.0]))
    total = float(power.sum()) or 1.0
    spots = tuple(
        Spot(voice.name, voice.kind, float(x), float(y)) for voice, (x, y) in zip(voices, places, strict=True)
    )
    return Map(spots, (float(power[0]) / total, float(power[1]) / total))


def likeness(rows: Sequence[Voice], columns: Sequence[Voice]) -> npt.NDArray[np.float64]:
    """Cosines, float64 ``(rows, columns)``."""
    return np.asarray(
        np.stack([row.vector for row in rows]) @ np.stack([column.vector for column in columns]).T, np.float64
    )
