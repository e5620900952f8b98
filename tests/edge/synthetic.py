"""Sounds made from nothing: something like speech, and what a household hears besides. All float32 mono at 16 kHz."""

from __future__ import annotations

import numpy as np

from edge.records import SAMPLE_RATE, Float32


def speech_like(seconds: float, seed: int = 0) -> Float32:
    """Harmonics of a gliding pitch under moving formants, syllables, hiss and short pauses; 16-bit, peak -4 dBFS."""
    rng = np.random.default_rng(seed)
    count = int(seconds * SAMPLE_RATE)
    time = np.arange(count) / SAMPLE_RATE
    pitch = 120 * (1 + rng.random()) * (1 + 0.15 * np.sin(2 * np.pi * 0.7 * time + rng.random()))
    phase = 2 * np.pi * np.cumsum(pitch) / SAMPLE_RATE
    voice = np.zeros(count)
    formants = [
        500 + 250 * np.sin(2 * np.pi * 1.9 * time),
        1500 + 500 * np.sin(2 * np.pi * 1.3 * time),
        2600 + 0 * time,
    ]
    for harmonic in range(1, 40):
        gain = sum(np.exp(-(((harmonic * pitch - formant) / 180) ** 2)) for formant in formants) + 0.02 / harmonic
        voice += gain * np.sin(harmonic * phase) * (harmonic * pitch < 7600)
    syllables = np.clip(np.sin(2 * np.pi * 3.1 * time + rng.random()) + 0.4, 0, None)
    hiss = rng.standard_normal(count) * np.clip(np.sin(2 * np.pi * 2.3 * time), 0, None)
    loud = voice * syllables + 0.15 * hiss + 0.0005 * rng.standard_normal(count)
    return (np.round(loud / np.abs(loud).max() * 20000) / 32768).astype(np.float32)


def at_level(samples: Float32, dbfs: float) -> Float32:
    """The same sound with this RMS."""
    return samples * np.float32(10 ** (dbfs / 20) / np.sqrt(np.mean(samples.astype(np.float64) ** 2)))


def silence(seconds: float) -> Float32:
    """Digital silence."""
    return np.zeros(round(seconds * SAMPLE_RATE), np.float32)


def white(seconds: float, dbfs: float, seed: int = 0) -> Float32:
    """White noise."""
    rng = np.random.default_rng(seed)
    return at_level(rng.standard_normal(round(seconds * SAMPLE_RATE)).astype(np.float32), dbfs)


def fan(seconds: float, dbfs: float, seed: int = 0) -> Float32:
    """Noise that falls by 6 dB per octave above 100 Hz, with a blade tone that wavers a little."""
    rng = np.random.default_rng(seed)
    count = round(seconds * SAMPLE_RATE)
    spectrum = np.fft.rfft(rng.standard_normal(count))
    spectrum /= np.maximum(np.fft.rfftfreq(count, 1 / SAMPLE_RATE), 100)
    noise = np.fft.irfft(spectrum, count)
    blades = np.sin(2 * np.pi * 96 * np.arange(count) / SAMPLE_RATE)
    return at_level((noise / noise.std() + 0.3 * blades).astype(np.float32), dbfs)


def hum(seconds: float, dbfs: float, mains_hz: float = 50.0) -> Float32:
    """Mains and thirty harmonics of it."""
    time = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    waves = [np.sin(2 * np.pi * mains_hz * number * time + number**2) / number for number in range(1, 31)]
    return at_level(np.sum(waves, axis=0).astype(np.float32), dbfs)


def beeps(seconds: float, dbfs: float) -> Float32:
    """A kitchen timer: pure tones of 100 ms, five a second."""
    time = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    return at_level((np.sin(2 * np.pi * 1000 * time) * (time % 0.2 < 0.1)).astype(np.float32), dbfs)


def chords(seconds: float, dbfs: float) -> Float32:
    """Organ chords of half a second: three notes with six harmonics each."""
    count = round(seconds * SAMPLE_RATE)
    time = np.arange(count) / SAMPLE_RATE
    sound = np.zeros(count)
    roots = (220.0, 196.0, 262.0, 175.0)
    for number in range(int(seconds * 2) + 1):
        part = slice(number * 8000, (number + 1) * 8000)
        for ratio in (1, 1.25, 1.5):
            for harmonic in range(1, 7):
                wave = np.sin(2 * np.pi * roots[number % 4] * ratio * harmonic * time[part])
                sound[part] += wave / harmonic
    return at_level(sound.astype(np.float32), dbfs)


def knocks(seconds: float, peak_dbfs: float, per_second: float = 3.0) -> Float32:
    """A fist on wood: two resonances that ring for 30 ms."""
    time = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    since = time % (1 / per_second)
    ring = np.exp(-since / 0.03) * (np.sin(2 * np.pi * 180 * since) + 0.5 * np.sin(2 * np.pi * 410 * since))
    return (ring * 10 ** (peak_dbfs / 20)).astype(np.float32)


def clicks(seconds: float, per_second: float = 2.0) -> Float32:
    """Single samples at full scale."""
    sound = silence(seconds)
    sound[:: round(SAMPLE_RATE / per_second)] = 1.0
    return sound
