"""Changes a voice: pitch, formants and tempo, each for itself, steady or moving.

Takes float32 mono 16 kHz samples and ratios, gives samples whose length follows the tempo. Must hold: the fundamental
moves by ``pitch``, the formants by ``formant``, the length by 1 / ``tempo``, and each of them alone leaves the others.

How: WSOLA stretches time by pitch / tempo without touching the pitch (W. Verhelst and M. Roelands, "An overlap-add
technique based on waveform similarity", ICASSP 1993); reading the result faster by ``pitch`` moves pitch and formants
together; last, each frame's spectral envelope, smoothed through the cepstrum (A. Röbel and X. Rodet, "Efficient
spectral envelope estimation", DAFx 2005, without its iterations), is stretched to where the formants belong.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import fft

from edge.records import SAMPLE_RATE, Float32
from training.augment.envelope import warp_envelope
from training.augment.levels import rms, to_rms, under_full_scale

Float64 = npt.NDArray[np.float64]

_STEP: Final = 160
"""Grid on which ratios that move are sampled: 10 ms."""
_HOP: Final = 240
"""Half a WSOLA frame: 15 ms, so that a frame holds two periods of a low voice."""
_SEARCH: Final = 120
"""How far WSOLA may shift a frame, to either side: 7.5 ms, together a period of a 67 Hz voice."""
_COARSE: Final = 4
"""WSOLA searches in every fourth sample first and refines around the best."""
_OVERSAMPLING: Final = 3
"""Between these samples a cubic errs by less than -50 dB for frequencies below 4 kHz."""
_PAD: Final = 512


@dataclass(frozen=True, slots=True)
class Prosody:
    """A melody to lay over a voice: slow random waves.

    ``rates_hz``, ``phases``: one per wave. ``semitones``, ``loudness_db``, ``tempo``: RMS of the excursion in pitch,
    in level, and in the logarithm of the tempo.
    """

    rates_hz: tuple[float, ...]
    phases: tuple[float, ...]
    semitones: float
    loudness_db: float
    tempo: float

    @classmethod
    def drawn(cls, semitones: float, loudness_db: float, rng: np.random.Generator) -> Prosody:
        """Draw three waves between 0.4 and 3 Hz, the rate of phrases to that of syllables."""
        rates = tuple(float(rate) for rate in rng.uniform(0.4, 3.0, 3))
        phases = tuple(float(phase) for phase in rng.uniform(0.0, 2 * np.pi, 3))
        return cls(rates, phases, semitones, loudness_db, float(rng.uniform(0.0, 0.12)))

    def wave(self, seconds: Float64, turn: float) -> Float64:
        """Sum of the waves, RMS 1; ``turn`` shifts the phases, so that level and tempo don't follow the pitch."""
        total = sum(
            np.sin(2 * np.pi * rate * seconds + phase * (1 + turn))
            for rate, phase in zip(self.rates_hz, self.phases, strict=True)
        )
        return np.asarray(total * np.sqrt(2.0 / len(self.rates_hz)), np.float64)


def change(
    samples: Float32,
    *,
    speed: float = 1.0,
    pitch: float = 1.0,
    formant: float = 1.0,
    tempo: float = 1.0,
    prosody: Prosody | None = None,
) -> Float32:
    """Change a voice; ``speed`` multiplies the other three, as playing a tape faster does.

    Returns float32 ``(about n / (tempo * speed),)`` with the RMS of the input, turned down where it would leave full
    scale. Ratios between 0.5 and 2.
    """
    if not len(samples):
        return samples
    pitch, formant, tempo = pitch * speed, formant * speed, tempo * speed
    if prosody is None:
        moved = _steady(samples, pitch, tempo)
        pitches = np.array([pitch])
    else:
        moved, pitches = _moving(samples, pitch, tempo, prosody)
    if np.max(np.abs(pitches / formant - 1.0)) > 1e-4:
        moved = warp_envelope(moved, pitches / formant, np.minimum(1.0, pitches))
    return under_full_scale(to_rms(moved, rms(samples)))


def _steady(samples: Float32, pitch: float, tempo: float) -> Float32:
    length = max(1, round(len(samples) / tempo))
    stretched = samples
    if abs(pitch / tempo - 1.0) > 1e-6:
        stretched = _wsola(samples, np.arange(0.0, length * pitch + _HOP, _HOP) * tempo / pitch)
    if abs(pitch - 1.0) < 1e-6:
        return stretched[:length]
    return _read_at(stretched, np.arange(length) * pitch, pitch)


def _moving(samples: Float32, pitch: float, tempo: float, prosody: Prosody) -> tuple[Float32, Float64]:
    grid = np.arange(int(len(samples) / tempo * 1.6) // _STEP + 2)
    seconds = grid * (_STEP / SAMPLE_RATE)
    pitches = pitch * 2.0 ** (np.clip(prosody.wave(seconds, 0.0), -2, 2) * prosody.semitones / 12)
    tempos = tempo * np.exp(np.clip(prosody.wave(seconds, 1.0), -2, 2) * prosody.tempo)
    read = np.concatenate(([0.0], np.cumsum(tempos * _STEP)[:-1]))  # place in the input for each grid point
    stretched_at = np.concatenate(([0.0], np.cumsum(pitches * _STEP)[:-1]))  # place in the stretched signal
    output = grid * float(_STEP)
    length = max(1, round(float(np.interp(len(samples), read, output))))
    end = float(np.interp(length, output, stretched_at))
    frames = np.interp(np.arange(0.0, end + _HOP, _HOP), stretched_at, read)
    stretched = _wsola(samples, frames)
    moved = _read_at(stretched, np.interp(np.arange(length), output, stretched_at), float(pitches.max()))
    loudness = 10.0 ** (np.clip(prosody.wave(seconds, 2.0), -2, 2) * prosody.loudness_db / 20)
    moved *= np.interp(np.arange(length), output, loudness).astype(np.float32)
    return moved, pitches[: length // _STEP + 1]


def _wsola(samples: Float32, wanted: Float64) -> Float32:
    """Frames from about ``wanted`` (input samples), each ``_HOP`` later in the output, overlapped and added."""
    frame = 2 * _HOP
    padded = np.concatenate((np.zeros(_PAD, np.float32), samples, np.zeros(2 * _PAD, np.float32)))
    coarse = padded[: len(padded) // _COARSE * _COARSE].reshape(-1, _COARSE).mean(axis=1)
    last = len(padded) - frame - _SEARCH - 2 * _COARSE
    width, reach = frame // _COARSE, _SEARCH // _COARSE
    energy = np.concatenate(([0.0], np.cumsum(coarse.astype(np.float64) ** 2)))
    evened = (1.0 / np.sqrt(energy[width:] - energy[:-width] + 1e-6)).astype(np.float32)
    starts = np.clip(np.rint(wanted).astype(np.int64) + _PAD - _HOP, _SEARCH + _COARSE, last).tolist()
    window = np.hanning(frame + 1)[:frame].astype(np.float32)
    result = np.zeros((len(starts) + 1) * _HOP, np.float32)
    position = starts[0]
    result[:frame] += padded[position : position + frame] * window
    for index, start in enumerate(starts[1:], 1):
        follow = min(position + _HOP, last)
        if abs(follow - start) <= 1:
            position = follow  # nothing to search: the frame that follows by itself is the wanted one
        else:
            at, template = start // _COARSE, coarse[follow // _COARSE : follow // _COARSE + width]
            likeness = np.correlate(coarse[at - reach : at + reach + width], template, "valid")
            best = (at - reach + int((likeness * evened[at - reach : at + reach + 1]).argmax())) * _COARSE
            best = min(max(best, _COARSE), last)
            near = padded[best - _COARSE : best + _COARSE + frame]
            fine = np.correlate(near, padded[follow : follow + frame], "valid")
            position = min(best - _COARSE + int(fine.argmax()), last)
        result[index * _HOP : index * _HOP + frame] += padded[position : position + frame] * window
    return result[_HOP:]


def _read_at(samples: Float32, positions: Float64, fastest: float) -> Float32:
    """Samples at fractional ``positions``, band-limited first where reading faster would fold frequencies back."""
    size = fft.next_fast_len(len(samples) + _PAD, real=True)
    spectrum = fft.rfft(samples, size)
    if fastest > 1.0:
        edge = len(spectrum) / fastest
        bins = np.arange(len(spectrum), dtype=np.float32)
        ramp = np.clip((edge - bins) / (0.06 * edge), 0.0, 1.0)
        spectrum *= ramp.astype(np.float32)
    fine = fft.irfft(spectrum, size * _OVERSAMPLING) * np.float32(_OVERSAMPLING)
    at = np.clip(positions * _OVERSAMPLING, 1.0, len(fine) - 3.0)
    whole = at.astype(np.int64)
    part = (at - whole).astype(np.float32)
    before, here, after, beyond = (fine[whole + k] for k in (-1, 0, 1, 2))
    # Lagrange's cubic through four neighbours, in Horner's form.
    first = after - before / 3 - here / 2 - beyond / 6
    second = (before + after) / 2 - here
    third = (beyond - before) / 6 + (here - after) / 2
    result: Float32 = ((third * part + second) * part + first) * part + here
    return result
