"""Sends a signal through a codec and back, in memory: what telephones, messengers and cheap devices do to a voice.

Takes float32 mono 16 kHz samples, gives as many, in line with the input. Must hold: a codec's own delay is measured
once and taken away; a codec that this libsndfile lacks is not offered.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import numpy as np
from scipy.signal import correlate, resample_poly

from edge.records import SAMPLE_RATE, Float32

_TELEPHONE: Final = 8_000


@dataclass(frozen=True, slots=True)
class Codec:
    """``container``, ``coding``: libsndfile's names; ``rate`` in hertz; ``compression``: 0 (best) to 1, or None."""

    words: str
    container: str
    coding: str
    rate: int
    compression: float | None = None
    share: float = 1.0

    def round_trip(self, samples: Float32) -> Float32:
        """Encode and decode at 16 kHz; same length, delay removed. Louder than full scale is turned down meanwhile."""
        peak = max(1.0, float(np.max(np.abs(samples), initial=0.0)) * 1.02)
        lag = _lag(self)
        decoded = self._raw(samples / np.float32(peak))[lag:]
        result = np.zeros(len(samples), np.float32)
        kept = min(len(decoded), len(samples))
        result[:kept] = decoded[:kept] * np.float32(peak)
        return result

    def _raw(self, samples: Float32) -> Float32:
        import soundfile

        settings: dict[str, Any] = {} if self.compression is None else {"compression_level": self.compression}
        if self.coding == "MPEG_LAYER_III":
            settings["bitrate_mode"] = "CONSTANT"
        factor = SAMPLE_RATE // self.rate
        narrow = samples if factor == 1 else resample_poly(samples, 1, factor)
        file = io.BytesIO()
        # A quarter of a second of silence at the end lets a codec with delay give its last samples.
        narrow = np.concatenate((narrow, np.zeros(self.rate // 4, np.float32)))
        soundfile.write(file, narrow, self.rate, format=self.container, subtype=self.coding, **settings)
        file.seek(0)
        decoded, _ = soundfile.read(file, dtype="float32")
        wide = decoded if factor == 1 else resample_poly(decoded, factor, 1)
        return np.asarray(wide, np.float32)


_CODECS: Final = (
    Codec("mu-law at 8 kHz (64 kbit/s, landline)", "WAV", "ULAW", 8_000, share=2.0),
    Codec("A-law at 8 kHz (64 kbit/s, landline)", "WAV", "ALAW", 8_000, share=1.0),
    Codec("mu-law at 16 kHz", "WAV", "ULAW", 16_000, share=1.0),
    Codec("GSM 06.10 (13 kbit/s, mobile telephone)", "WAV", "GSM610", 8_000, share=2.0),
    Codec("IMA ADPCM at 16 kHz", "WAV", "IMA_ADPCM", 16_000, share=2.0),
    Codec("IMA ADPCM at 8 kHz", "WAV", "IMA_ADPCM", 8_000, share=1.0),
    Codec("G.721 ADPCM (32 kbit/s, cordless telephone)", "AU", "G721_32", 8_000, share=1.0),
    Codec("Vorbis at 16 kbit/s", "OGG", "VORBIS", 16_000, 0.9, share=2.0),
    Codec("Vorbis at 8 kHz (12 kbit/s)", "OGG", "VORBIS", 8_000, 0.9, share=1.0),
    Codec("MP3 at 24 kbit/s", "MP3", "MPEG_LAYER_III", 16_000, 0.9, share=1.0),
    Codec("MP3 at 8 kHz (16 kbit/s)", "MP3", "MPEG_LAYER_III", 8_000, 0.9, share=1.0),
    Codec("Opus at 6 kbit/s", "OGG", "OPUS", 16_000, 1.0, share=0.5),
    Codec("Opus at 17 kbit/s", "OGG", "OPUS", 16_000, 0.9, share=1.0),
)
"""``share``: how often each is drawn, relative to the others; Opus costs the most time to encode."""


@cache
def codecs() -> tuple[Codec, ...]:
    """The codecs that this machine's libsndfile can write and read."""
    return tuple(codec for codec in _CODECS if _works(codec))


def draw(rng: np.random.Generator) -> Codec:
    """Draw one according to the shares."""
    offered = codecs()
    shares = np.array([codec.share for codec in offered])
    return offered[int(rng.choice(len(offered), p=shares / shares.sum()))]


def _works(codec: Codec) -> bool:
    import soundfile

    if codec.coding not in soundfile.available_subtypes(codec.container):
        return False
    try:
        _lag(codec)
    except (RuntimeError, ValueError, TypeError):  # TypeError: soundfile < 0.13 knows no compression level
        return False
    return True


@cache
def _lag(codec: Codec) -> int:
    """Delay in samples at 16 kHz, from a burst of low-passed noise that is sent through."""
    noise = np.random.default_rng(0).standard_normal(SAMPLE_RATE)
    probe = np.zeros(2 * SAMPLE_RATE, np.float32)
    spectrum = np.fft.rfft(noise)
    spectrum[3000:] = 0.0
    probe[SAMPLE_RATE // 2 : SAMPLE_RATE * 3 // 2] = 0.3 * np.fft.irfft(spectrum, SAMPLE_RATE)
    likeness = correlate(codec._raw(probe), probe, "full", method="fft")
    return max(0, int(np.argmax(likeness)) - len(probe) + 1)
