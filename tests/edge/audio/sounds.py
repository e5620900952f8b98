"""Made-up sounds that are known at every moment, so that any sampling of them can be compared with any other."""

from functools import cache

import numpy as np


@cache
def voice(rate: int = 16_000, seconds: float = 1.5, seed: int = 1) -> np.ndarray:
    """Harmonics of a gliding pitch under a syllable rhythm, all below 3.3 kHz: float64 ``(rate * seconds,)``.

    Samples are taken of a function of continuous time: two rates give the same sound, exactly aligned.
    """
    at = np.arange(round(rate * seconds)) / rate
    rng = np.random.default_rng(seed)
    turns = 110 * at + 8 * np.sin(2 * np.pi * 0.9 * at)
    partials = np.arange(1, 22)
    strength = rng.uniform(0.2, 1.0, len(partials)) / partials**0.7
    phase = rng.uniform(0, 2 * np.pi, len(partials))
    tone = (strength[:, None] * np.sin(2 * np.pi * partials[:, None] * turns + phase[:, None])).sum(axis=0)
    rhythm = 0.55 + 0.45 * np.sin(2 * np.pi * 3.3 * at + 1.0)
    fade = np.minimum(1, np.minimum(at, seconds - at) / 0.05)
    sound = 0.09 * tone * rhythm * fade
    sound.setflags(write=False)
    return sound


def likeness(heard: np.ndarray, meant: np.ndarray) -> float:
    """Correlation coefficient of two aligned signals; the longer is cut."""
    count = min(len(heard), len(meant))
    return float(np.corrcoef(heard[:count], meant[:count])[0, 1])


def found_likeness(heard: np.ndarray, meant: np.ndarray) -> float:
    """Correlation coefficient at the best place of ``meant`` within the longer ``heard``."""
    size = 1 << (len(heard) + len(meant)).bit_length()
    products = np.fft.irfft(np.fft.rfft(heard, size) * np.conj(np.fft.rfft(meant, size)), size)
    place = int(products[: len(heard)].argmax())
    return likeness(heard[place:], meant[: len(heard) - place])


def cuts(samples: np.ndarray, seed: int, pieces: int = 12) -> list[np.ndarray]:
    """The same samples in pieces of random lengths, some of them empty."""
    rng = np.random.default_rng(seed)
    return np.split(samples, np.sort(rng.integers(0, len(samples) + 1, pieces)))
