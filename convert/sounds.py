"""Made-up sounds that are no speech: music, hums, fans, hiss, clicks, alarms.

Takes a seeded random generator and a length. Gives float32 samples at 16 kHz, full scale 1.0. Must hold: nothing in
them is recorded; the same seed gives the same sound.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from convert.graph import Float32
from edge.records import SAMPLE_RATE

Signal = npt.NDArray[np.float64]
Rng = np.random.Generator


def _time(count: int) -> Signal:
    return np.arange(count) / SAMPLE_RATE


def _note(rng: Rng, count: int, pitch_hz: float) -> Signal:
    """A plucked or blown tone: a few harmonics, an attack, a decay, sometimes a vibrato."""
    time = _time(count)
    vibrato = rng.choice([0.0, 0.0, 0.004]) * np.sin(2 * np.pi * rng.uniform(4, 7) * time)
    phase = 2 * np.pi * pitch_hz * (time + vibrato / 5)
    slope, decay = rng.uniform(0.8, 2.5), rng.choice([0.5, 2.0, 6.0])
    harmonics = [k for k in range(1, int(rng.integers(2, 12))) if k * pitch_hz < SAMPLE_RATE / 2]
    tone = sum((np.sin(k * phase + rng.uniform(0, 6)) / k**slope for k in harmonics), np.zeros(count))
    return np.asarray(tone * np.minimum(1.0, time / rng.uniform(0.003, 0.06)) * np.exp(-decay * time))


def music(rng: Rng, count: int) -> Signal:
    """Chords and a melody over them, perhaps with drums."""
    result, root, beat = np.zeros(count), rng.uniform(80, 300), int(SAMPLE_RATE * rng.uniform(0.15, 0.6))
    scale = np.array([0, 2, 4, 5, 7, 9, 11, 12])
    chords, melody, drums = rng.random() < 0.8, rng.random() < 0.8, rng.random() < 0.4
    for step, start in enumerate(range(0, count, beat)):
        length = min(count - start, beat * int(rng.integers(1, 3)))
        part = np.zeros(length)
        if chords and step % 2 == 0:
            base = root * 2 ** (rng.choice([0, 5, 7, 9]) / 12)
            part += 0.4 * sum((_note(rng, length, base * 2 ** (k / 12)) for k in (0, 4, 7)), np.zeros(length))
        if melody or not chords:
            part += _note(rng, length, root * 2 ** (1 + rng.choice(scale) / 12))
        if drums:
            part += rng.uniform(0.5, 2) * rng.standard_normal(length) * np.exp(-_time(length) * rng.uniform(20, 80))
        result[start : start + length] += part
    return result


def coloured(rng: Rng, count: int) -> Signal:
    """Noise whose spectrum falls by 0 to 12 dB an octave, with up to two resonances: hiss, wind, a fan's rush."""
    frequency = np.fft.rfftfreq(count, 1 / SAMPLE_RATE)
    shape = np.maximum(frequency, 20.0) ** -rng.uniform(0.0, 2.0)
    for _ in range(int(rng.integers(0, 3))):
        centre, width = rng.uniform(100, 5000), rng.uniform(30, 800)
        shape *= 1 + rng.uniform(1, 20) / (1 + ((frequency - centre) / width) ** 2)
    spectrum = shape * (rng.standard_normal(len(frequency)) + 1j * rng.standard_normal(len(frequency)))
    sound = np.fft.irfft(spectrum, count)
    return np.asarray(sound * (1 + rng.uniform(0, 0.8) * np.sin(2 * np.pi * rng.uniform(0.1, 12) * _time(count))))


def hum(rng: Rng, count: int) -> Signal:
    """Mains hum or a motor: harmonics of a low tone over a little noise."""
    base = rng.choice([50.0, 60.0, 100.0, 120.0, rng.uniform(25, 400)])
    drift = 1 + 0.01 * np.cumsum(rng.standard_normal(count)) / count**0.5 * rng.choice([0.0, 1.0])
    phase = 2 * np.pi * np.cumsum(base * drift) / SAMPLE_RATE
    tone = sum((rng.random() / k * np.sin(k * phase) for k in range(1, int(rng.integers(3, 30)))), np.zeros(count))
    noise = coloured(rng, count)
    return np.asarray(tone + rng.uniform(0.0, 0.5) * noise / noise.std())


def clicks(rng: Rng, count: int) -> Signal:
    """Knocks, typing, a dripping tap: short decaying bursts, regular or not."""
    result = rng.uniform(1e-4, 3e-2) * coloured(rng, count)
    regular, gap, place = rng.random() < 0.4, rng.uniform(0.05, 0.7), rng.uniform(0, 0.3)
    while (start := int(place * SAMPLE_RATE)) < count:
        time = _time(min(count - start, int(rng.uniform(0.01, 0.15) * SAMPLE_RATE)))
        ring = np.sin(2 * np.pi * rng.uniform(200, 6000) * time) + rng.standard_normal(len(time))
        result[start : start + len(time)] += rng.uniform(0.3, 1) * ring * np.exp(-time * rng.uniform(30, 300))
        place += gap if regular else rng.exponential(gap) + 0.01
    return result


def alarm(rng: Rng, count: int) -> Signal:
    """Beeps and sirens: tones that switch or sweep."""
    time, rate = _time(count), rng.uniform(0.3, 8)
    swing = np.sin(2 * np.pi * rate * time)
    if rng.random() < 0.5:
        swing = np.sign(swing)
    phase = 2 * np.pi * np.cumsum(rng.uniform(400, 3000) * (1 + rng.uniform(0, 0.4) * swing)) / SAMPLE_RATE
    tone = np.sin(phase) + rng.choice([0.0, 0.3]) * np.sin(3 * phase)
    gate = np.sin(2 * np.pi * rng.uniform(0.5, 5) * time) > rng.choice([-1.0, 0.0])
    return np.asarray(tone * gate + rng.uniform(1e-3, 5e-2) * rng.standard_normal(count))


KINDS: Final[dict[str, Callable[[Any, int], Signal]]] = {
    "music": music, "coloured": coloured, "hum": hum, "clicks": clicks, "alarm": alarm,
}  # fmt: skip


def make(kind: str, rng: Rng, count: int) -> Float32:
    """A sound of ``kind`` (one of ``KINDS``) of ``count`` samples, at a random level between -45 and -15 dBFS."""
    sound = KINDS[kind](rng, count)
    level = 10 ** (rng.uniform(-45, -15) / 20)
    loud = sound * (level / (np.sqrt(np.mean(sound**2)) + 1e-12))
    return np.asarray(np.clip(loud, -1.0, 1.0), np.float32)
