"""Clips that a page can play: small, and in a form that every browser takes.

Takes float32 mono samples at 16 kHz; gives bytes and their kind. Must hold: a clip costs a page at most some 40 kB
where the sound library can write MP3 (libsndfile 1.1 and later), else it is a WAV file.
"""

from __future__ import annotations

import io

import numpy as np

from edge.records import SAMPLE_RATE, Float32
from training.augment.examples import wav_bytes
from training.augment.levels import to_rms, under_full_scale

_HEARD_RMS = 0.07
"""Quiet clips are turned up for the ear, about -23 dBFS; the pictures show them as they are."""


def playable(samples: Float32) -> tuple[bytes, str]:
    """Return the sound as the bytes of a file, and its MIME type."""
    import soundfile

    loud = under_full_scale(to_rms(samples, _HEARD_RMS))
    if "MP3" not in soundfile.available_formats():
        return wav_bytes(loud), "audio/wav"
    out = io.BytesIO()
    soundfile.write(out, np.clip(loud, -1, 1), SAMPLE_RATE, format="MP3", subtype="MPEG_LAYER_III")
    return out.getvalue(), "audio/mpeg"
