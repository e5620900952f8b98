"""What an attacker's equipment does to a recording: rooms, loudspeakers, telephones, changed pitch.

Takes float32 mono at 16 kHz and a random generator; gives the same kind. Must hold: numpy only, so that a Pi can run
it; the level stays that of the input; the same generator gives the same sound. These are simulations: what they say
about real loudspeakers and rooms is a hint and no measurement.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from edge.records import SAMPLE_RATE, Float32

_SOUND_METRES_PER_SECOND: Final = 343.0
_FRAME: Final = 1024
_HOP: Final = 256

Float64 = npt.NDArray[np.float64]


def at_level_of(samples: Float32, model: Float32) -> Float32:
    """``samples`` with the RMS of ``model``, turned down where that would leave full scale."""
    wanted = float(np.sqrt(np.mean(np.square(model, dtype=np.float64)))) if len(model) else 0.0
    is_now = float(np.sqrt(np.mean(np.square(samples, dtype=np.float64)))) if len(samples) else 0.0
    gain = wanted / is_now if is_now > 0 else 1.0
    peak = float(np.max(np.abs(samples), initial=0.0)) * gain
    return np.asarray(samples * (gain / max(1.0, peak / 0.98)), np.float32)


def room(samples: Float32, rng: np.random.Generator, *, rt60_seconds: float, distance_metres: float) -> Float32:
    """A voice or loudspeaker ``distance_metres`` from the microphone, in a room of that reverberation time.

    The direct sound, six early echoes and an exponentially decaying noise tail whose energy relative to the direct
    sound follows from a diffuse field (H. Kuttruff, "Room Acoustics": the two are equal at 0.057 sqrt(V / T) metres;
    here V = 50 cubic metres). High frequencies decay faster.
    """
    length = round(SAMPLE_RATE * min(1.2, rt60_seconds))
    time = np.arange(length) / SAMPLE_RATE
    tail = rng.normal(size=length) * 10 ** (-3 * time / rt60_seconds)
    dull = np.convolve(rng.normal(size=length), [0.25, 0.5, 0.25], "same") * 10 ** (-3 * time / rt60_seconds)
    share = np.clip(time / rt60_seconds * 2, 0, 1)
    tail = (1 - share) * tail + share * dull
    begin = round(0.004 * SAMPLE_RATE)
    tail[:begin] = 0
    critical = 0.057 * float(np.sqrt(50.0 / rt60_seconds))
    tail *= distance_metres / critical / float(np.sqrt(np.sum(tail**2)) + 1e-12)
    for _ in range(6):
        path = float(rng.uniform(1.0, 5.0))
        at = round(SAMPLE_RATE * path / _SOUND_METRES_PER_SECOND)
        if at < length:
            tail[at] += float(rng.choice([-1.0, 1.0])) * 0.7 * distance_metres / (distance_metres + path)
    tail[0] = 1.0
    return at_level_of(_convolved(samples, tail)[: len(samples)], samples)


def loudspeaker(samples: Float32, rng: np.random.Generator, *, small: bool) -> Float32:
    """A phone's loudspeaker (``small``) or one on a table: what it radiates, its resonances and its distortion."""
    low, high = (350.0, 6500.0) if small else (90.0, 7600.0)
    shaped = band(samples, low, high, slope_db_per_octave=18.0 if small else 12.0)
    hertz = _hertz(len(shaped))
    gains_db = np.zeros(len(hertz))
    for _ in range(4):
        centre, height = float(rng.uniform(low, high)), float(rng.uniform(-5, 5))
        gains_db += height * np.exp(-0.5 * (np.log2((hertz + 1) / centre) / 0.25) ** 2)
    shaped = _filtered(shaped, 10 ** (gains_db / 20))
    drive = 2.5 if small else 1.0
    loudest = float(np.max(np.abs(shaped), initial=0.0)) + 1e-12
    bent = np.tanh(drive * shaped / loudest + 0.05) - np.tanh(0.05)
    return at_level_of(np.asarray(bent, np.float32), samples)


def band(samples: Float32, low_hz: float, high_hz: float, *, slope_db_per_octave: float = 48.0) -> Float32:
    """Frequencies between the two pass; outside they fall by the slope, 60 dB at most."""
    hertz = np.maximum(_hertz(len(samples)), 1.0)
    below = np.maximum(0.0, np.log2(low_hz / hertz)) if low_hz > 0 else np.zeros(len(hertz))
    above = np.maximum(0.0, np.log2(hertz / high_hz))
    return _filtered(samples, 10 ** (-np.minimum(60.0, slope_db_per_octave * (below + above)) / 20))


def telephone(samples: Float32) -> Float32:
    """300 to 3400 Hz at 8 kHz in the 8 bits of mu-law (ITU-T G.711)."""
    narrow = band(samples, 300.0, 3400.0, slope_db_per_octave=60.0)
    peak = float(np.max(np.abs(narrow), initial=0.0)) + 1e-12
    scaled = narrow / peak
    coded = np.round(np.sign(scaled) * np.log1p(255 * np.abs(scaled)) / np.log(256) * 127) / 127
    decoded = np.sign(coded) * (256 ** np.abs(coded) - 1) / 255
    return at_level_of(band(np.asarray(decoded, np.float32), 200.0, 3600.0, slope_db_per_octave=60.0), samples)


def noise(samples: Float32, rng: np.random.Generator, *, snr_db: float) -> Float32:
    """Steady noise of a room (pink below 1 kHz) under the recording."""
    hertz = np.maximum(_hertz(len(samples)), 20.0)
    hiss = _filtered(np.asarray(rng.normal(size=len(samples)), np.float32), 1 / np.sqrt(np.minimum(hertz, 1000.0)))
    power = float(np.mean(np.square(samples, dtype=np.float64)))
    own = float(np.mean(np.square(hiss, dtype=np.float64))) + 1e-20
    return np.asarray(samples + hiss * np.float32(np.sqrt(power / own / 10 ** (snr_db / 10))), np.float32)


def pitch(samples: Float32, semitones: float) -> Float32:
    """The voice higher or lower at the same speed, its formants along with it (as a simple voice changer does).

    A phase vocoder stretches (J. Flanagan and R. Golden, "Phase vocoder", Bell System Technical Journal 45, 1966), then
    the result is read at another rate.
    """
    ratio = 2 ** (semitones / 12)
    stretched = _stretched(samples, ratio)
    at = np.arange(0, len(stretched) - 1, ratio)
    if ratio > 1:  # nothing above the new Nyquist frequency may fold back
        stretched = band(stretched, 0.0, 0.95 * SAMPLE_RATE / 2 / ratio, slope_db_per_octave=96.0)
    return at_level_of(np.interp(at, np.arange(len(stretched)), stretched).astype(np.float32), samples)


def faster(samples: Float32, ratio: float) -> Float32:
    """A tape that runs ``ratio`` times as fast: pitch and speed together."""
    at = np.arange(0, len(samples) - 1, ratio)
    return np.interp(at, np.arange(len(samples)), samples).astype(np.float32)


def _stretched(samples: Float32, ratio: float) -> Float32:
    padded = np.pad(np.asarray(samples, np.float64), _FRAME)
    window = np.hanning(_FRAME + 1)[:-1]
    frames = np.lib.stride_tricks.sliding_window_view(padded, _FRAME)
    starts = np.arange(0, len(padded) - _FRAME - _HOP, _HOP / ratio).astype(np.int64)
    here = np.fft.rfft(frames[starts] * window, axis=1)
    later = np.fft.rfft(frames[starts + _HOP] * window, axis=1)
    turn = np.angle(later) - np.angle(here)
    phases = np.angle(here[:1]) + np.concatenate([np.zeros((1, here.shape[1])), np.cumsum(turn[:-1], axis=0)])
    pieces = np.fft.irfft(np.abs(here) * np.exp(1j * phases), _FRAME, axis=1) * window
    out = np.zeros(len(starts) * _HOP + _FRAME)
    for number, piece in enumerate(pieces):
        out[number * _HOP : number * _HOP + _FRAME] += piece
    wanted = round(len(samples) * ratio)
    lead = round(_FRAME * ratio)
    return np.asarray(out[lead : lead + wanted] / 1.5, np.float32)


def _convolved(samples: Float32, response: Float64) -> Float32:
    size = 1 << (len(samples) + len(response) - 1).bit_length()
    spectrum = np.fft.rfft(samples, size) * np.fft.rfft(response, size)
    return np.asarray(np.fft.irfft(spectrum, size)[: len(samples) + len(response) - 1], np.float32)


def _size(length: int) -> int:
    return 1 << max(10, (length + 1024).bit_length())


def _hertz(length: int) -> Float64:
    return np.asarray(np.fft.rfftfreq(_size(length), 1 / SAMPLE_RATE), np.float64)


def _filtered(samples: Float32, gain: Float64) -> Float32:
    size = _size(len(samples))
    return np.asarray(np.fft.irfft(np.fft.rfft(samples, size) * gain, size)[: len(samples)], np.float32)
