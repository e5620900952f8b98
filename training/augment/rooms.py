"""Simulated rooms: how a voice arrives at a microphone some way off.

Takes a room (size, places, reverberation time), gives its response. Must hold: the sound that comes directly lies at
``Response.lead`` samples and has amplitude 1, so that a reverberated voice stays in line with the dry one; the
energy at 1 kHz falls by 60 dB in the time asked for.

How: image sources for the first 60 ms (J. B. Allen and D. A. Berkley, "Image method for efficiently simulating
small-room acoustics", JASA 65, 1979), each placed a little off its lattice against sweeping echoes (E. De Sena et al.,
"On the modeling of rectangular geometries in room acoustic simulations", TASLP 2015); then noise that decays, since
that many echoes are a diffuse field (E. Lehmann and A. Johansson, TASLP 2010). Absorption follows from the time by
Eyring's formula; walls and air swallow more of the high frequencies.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, exp, log, pi, sqrt
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import fft

from edge.records import SAMPLE_RATE, Float32

SOUND_METRES_PER_SECOND: Final = 343.0
LEAD: Final = 24
"""Samples before the direct sound: room for the flank of its fractional delay."""

_EARLY_SECONDS: Final = 0.06
_FADE_SECONDS: Final = 0.012
"""The images hand over to the diffuse tail within this time."""
_TAPS: Final = 24
_LONGEST_SECONDS: Final = 1.2
_BAND_EDGES_HZ: Final = (0.0, 250.0, 500.0, 1000.0, 2000.0, 4000.0, 8000.0)
"""Centres of the bands whose tails decay for themselves."""
_DAMPING_PER_OCTAVE: Final = 0.13
"""How much more a wall swallows, in decibels relative to 1 kHz, per octave above it (less below)."""
_AIR_DB_PER_METRE_8KHZ: Final = 0.09
"""About that of air at 20 degrees and 60 % humidity (ISO 9613-1); grows with the square of frequency."""


@dataclass(frozen=True, slots=True)
class Room:
    """A box in metres, where talker and microphone are in it, and its reverberation time at 1 kHz.

    ``facing_db``: how much more (or less) of the voice goes towards the microphone than elsewhere: a head is some 3 dB
    louder in front than on average and 5 dB softer behind.
    """

    size: tuple[float, float, float]
    talker: tuple[float, float, float]
    microphone: tuple[float, float, float]
    rt60_seconds: float
    facing_db: float = 0.0

    @property
    def distance(self) -> float:
        """From talker to microphone, in metres."""
        return float(np.linalg.norm(np.subtract(self.talker, self.microphone)))

    @property
    def words(self) -> str:
        """What a person reads."""
        width, depth, height = self.size
        return (
            f"room of {width:.1f} x {depth:.1f} x {height:.1f} m, reverberation {self.rt60_seconds:.2f} s, "
            f"microphone {self.distance:.1f} m away"
        )


@dataclass(frozen=True, slots=True)
class Response:
    """``samples``: float32 ``(n,)`` at 16 kHz; the direct sound is at index ``lead``."""

    samples: Float32
    lead: int
    words: str

    def apply(self, dry: Float32) -> Float32:
        """The dry signal as heard there: same length, in line with it."""
        size = fft.next_fast_len(len(dry) + len(self.samples), real=True)
        wet: Float32 = fft.irfft(fft.rfft(dry, size) * fft.rfft(self.samples, size), size)
        return wet[self.lead : self.lead + len(dry)]


def draw_room(rt60: tuple[float, float], distance: tuple[float, float], rng: np.random.Generator) -> Room:
    """Draw a room of a home, from a bathroom to a large living room."""
    size = tuple(float(rng.uniform(low, high)) for low, high in ((2.0, 8.0), (1.8, 6.0), (2.3, 3.2)))
    volume, surface = _volume_surface(size)
    # Below this a room would need walls that swallow more than nine tenths: an open field, not a room.
    shortest = 24 * log(10) * volume / (SOUND_METRES_PER_SECOND * surface * -log(0.1))
    seconds = max(shortest, exp(float(rng.uniform(log(rt60[0]), log(rt60[1])))))
    microphone = (*_somewhere(size, 0.2, rng), float(rng.uniform(0.6, 1.8)))
    wanted = exp(float(rng.uniform(log(distance[0]), log(distance[1]))))
    best = microphone
    miss = np.inf
    for _ in range(30):
        talker = (*_somewhere(size, 0.3, rng), float(rng.uniform(1.0, 1.8)))
        towards = np.subtract(talker, microphone)
        length = float(np.linalg.norm(towards))
        place = np.add(microphone, towards * min(1.0, wanted / max(length, 1e-6)))
        if abs(min(length, wanted) - wanted) < miss:
            miss, best = abs(min(length, wanted) - wanted), (float(place[0]), float(place[1]), float(place[2]))
    return Room(
        (size[0], size[1], size[2]),
        best,
        microphone,
        seconds,
        float(rng.choice([3.0, rng.uniform(-5.0, 3.0)])),
    )


def simulate(room: Room, rng: np.random.Generator) -> Response:
    """Compute the response of a room; ``rng`` makes the tail and moves the images a little."""
    volume, surface = _volume_surface(room.size)
    seconds = room.rt60_seconds
    swallowed = 1 - exp(-24 * log(10) * volume / (SOUND_METRES_PER_SECOND * surface * seconds))
    wall_db = max(0.05, -10 * np.log10(1 - min(swallowed, 0.95)))
    length = LEAD + ceil(min(_LONGEST_SECONDS, max(seconds, _EARLY_SECONDS)) * SAMPLE_RATE)
    early_end = min(_EARLY_SECONDS, seconds)
    early = _images(room, wall_db, early_end, length, rng)
    late = _tail(room, wall_db, length, rng)
    at = (np.arange(length) - LEAD) / SAMPLE_RATE
    fade = np.clip((at - (early_end - _FADE_SECONDS)) / _FADE_SECONDS, 0.0, 1.0)
    whole = early * np.cos(fade * pi / 2) + late * np.sin(fade * pi / 2)
    return Response(whole.astype(np.float32), LEAD, room.words)


def _images(
    room: Room, wall_db: float, until_seconds: float, length: int, rng: np.random.Generator
) -> npt.NDArray[np.float64]:
    reach = room.distance + until_seconds * SOUND_METRES_PER_SECOND
    counts = [ceil(reach / (2 * side)) for side in room.size]
    axes = []
    for side, talker, microphone, count in zip(room.size, room.talker, room.microphone, counts, strict=True):
        shifts = np.arange(-count, count + 1)
        # Allen and Berkley's lattice: 2nL + talker and 2nL - talker, with |2n| and |2n - 1| reflections.
        place = np.concatenate((2 * shifts * side + talker, 2 * shifts * side - talker)) - microphone
        axes.append((place, np.concatenate((np.abs(2 * shifts), np.abs(2 * shifts - 1)))))
    grids = np.meshgrid(*(place for place, _ in axes), indexing="ij", sparse=True)
    reflections = sum(np.meshgrid(*(order for _, order in axes), indexing="ij", sparse=True))
    distances = np.sqrt(sum(grid**2 for grid in grids)).ravel()
    orders = np.asarray(reflections).ravel()
    near = distances < reach
    distances, orders = distances[near], orders[near]
    distances = np.where(orders > 0, np.maximum(distances + rng.uniform(-0.05, 0.05, len(distances)), 0.02), distances)
    delays = np.maximum((distances - room.distance) / SOUND_METRES_PER_SECOND * SAMPLE_RATE, -LEAD / 2) + LEAD
    strengths = room.distance / distances * np.where(orders == 0, 1.0, 10 ** (-room.facing_db / 20))
    whole = np.floor(delays).astype(np.int64)
    steps = np.arange(1 - _TAPS // 2, _TAPS // 2 + 1)
    offsets = steps - (delays - whole)[:, None]
    taps = np.sinc(offsets) * (0.5 + 0.5 * np.cos(np.pi * np.clip(offsets / (_TAPS / 2), -1, 1)))
    width = length + _TAPS
    most = int(orders.max())
    index = (orders * width + whole)[:, None] + steps
    rows = np.bincount(
        np.clip(index, 0, None).ravel(), (taps * strengths[:, None]).ravel(), minlength=(most + 1) * width
    )[: (most + 1) * width].reshape(most + 1, width)
    cut = ceil(until_seconds * SAMPLE_RATE + 2 * LEAD + _TAPS)
    size = fft.next_fast_len(2 * cut, real=True)
    spectra = fft.rfft(rows[:, :cut], size, axis=1)
    loss = wall_db * _relative_loss(np.arange(size // 2 + 1) * (SAMPLE_RATE / size))
    gains = 10.0 ** (-np.outer(np.arange(most + 1), loss) / 20)
    result = np.zeros(length)
    filtered = fft.irfft((spectra * gains).sum(axis=0), size)[:cut]
    result[: min(cut, length)] = filtered[:length]
    return result


def _tail(room: Room, wall_db: float, length: int, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """Decaying noise with the energy that the lattice of images would have had.

    Images arrive at c / (4 pi V) times 4 pi r^2 per metre and each carries 1 / (4 pi r)^2: relative to the direct
    sound at distance d that is 4 pi d^2 c / V per second, falling by the walls' loss per free path 4 V / S.
    """
    volume, surface = _volume_surface(room.size)
    seconds = np.maximum((np.arange(length) - LEAD) / SAMPLE_RATE, 0.0)
    per_sample = 4 * pi * room.distance**2 * SOUND_METRES_PER_SECOND / volume / SAMPLE_RATE
    decay_db_per_second = wall_db * SOUND_METRES_PER_SECOND * surface / (4 * volume)
    size = fft.next_fast_len(length, real=True)
    spectrum = fft.rfft(rng.standard_normal(size))
    hertz = np.arange(size // 2 + 1) * (SAMPLE_RATE / size)
    air = _AIR_DB_PER_METRE_8KHZ * SOUND_METRES_PER_SECOND
    place = np.interp(hertz, _BAND_EDGES_HZ, np.arange(len(_BAND_EDGES_HZ)))
    total = np.zeros(length)
    for band, centre in enumerate(_BAND_EDGES_HZ):
        # Neighbouring bands share the energy between their centres, so that white noise would stay white.
        share = np.sqrt(np.clip(1 - np.abs(place - band), 0, 1))
        noise = fft.irfft(spectrum * share, size)[:length]
        loss = decay_db_per_second * float(_relative_loss(np.array([centre]))[0]) + air * (centre / 8000) ** 2
        total += noise * 10.0 ** (-loss * (seconds + room.distance / SOUND_METRES_PER_SECOND) / 20)
    return np.asarray(total * (sqrt(per_sample) * 10 ** (-room.facing_db / 20)), np.float64)


def _relative_loss(hertz: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    octaves = np.log2(np.maximum(hertz, 62.5) / 1000)
    return np.asarray(np.clip(1 + _DAMPING_PER_OCTAVE * octaves, 0.6, 1.6), np.float64)


def _somewhere(size: tuple[float, ...], margin: float, rng: np.random.Generator) -> tuple[float, float]:
    width, depth, _ = size
    return float(rng.uniform(margin, width - margin)), float(rng.uniform(margin, depth - margin))


def _volume_surface(size: tuple[float, ...]) -> tuple[float, float]:
    width, depth, height = size
    return width * depth * height, 2 * (width * depth + width * height + depth * height)
