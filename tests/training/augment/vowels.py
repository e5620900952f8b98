"""Vowels made from nothing, and how to measure their pitch and colour. Float32 mono at 16 kHz."""

from __future__ import annotations

import numpy as np
from scipy.signal import lfilter

from edge.records import SAMPLE_RATE, Float32

FORMANTS = (700.0, 1220.0, 2600.0)


def vowel(f0: float, formants: tuple[float, ...] = FORMANTS, seconds: float = 1.5) -> Float32:
    """Harmonics of ``f0`` through three resonances, peak 0.2."""
    time = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    sound = sum(np.sin(2 * np.pi * f0 * k * time + k * k) / k for k in range(1, int(7800 / f0)))
    for formant, width in zip(formants, (80, 90, 120), strict=True):
        radius = np.exp(-np.pi * width / SAMPLE_RATE)
        poles = [1.0, -2 * radius * np.cos(2 * np.pi * formant / SAMPLE_RATE), radius**2]
        sound = lfilter([sum(poles)], poles, sound)
    return (0.2 * sound / np.abs(sound).max()).astype(np.float32)


def f0_of(sound: Float32, near: float) -> float:
    """The fundamental between 0.75 and 1.35 times ``near``, from the peak of the autocorrelation."""
    middle = sound[3000:-3000]
    power = np.abs(np.fft.rfft(middle * np.hanning(len(middle)), 1 << 17)) ** 2
    likeness = np.fft.irfft(power)
    first, last = int(SAMPLE_RATE / near / 1.35), int(SAMPLE_RATE / near / 0.75)
    lag = first + int(np.argmax(likeness[first:last]))
    before, here, after = likeness[lag - 1 : lag + 2]
    return float(SAMPLE_RATE / (lag + (before - after) / (2 * (before - 2 * here + after))))


def colour_of(sound: Float32, f0: float) -> np.ndarray:
    """Strength in decibels of the harmonics of ``f0`` below 5 kHz, mean 0."""
    middle, size = sound[3000:-3000], 1 << 17
    spectrum = np.abs(np.fft.rfft(middle * np.hanning(len(middle)), size))
    edges = [((k - 0.25) * f0, (k + 0.25) * f0) for k in range(1, int(5000 / f0))]
    peaks = [spectrum[int(a * size / SAMPLE_RATE) : int(b * size / SAMPLE_RATE)].max() for a, b in edges]
    decibels = 20 * np.log10(np.array(peaks))
    return decibels - decibels.mean()


def apart_db(one: Float32, other: Float32, f0: float) -> float:
    """Root mean square difference of the harmonics' strengths."""
    return float(np.sqrt(np.mean((colour_of(one, f0) - colour_of(other, f0)) ** 2)))
