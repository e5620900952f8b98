"""The quality gate of enrolment: what is wrong with one clip, by a reason code, and what to do about it.

Takes an utterance with its embedding; gives the first reason against it, or none, and advice. Must hold: every reason
has a hint; nothing is stored.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from typing import Final

import numpy as np

from edge.decision import SPEECH_PROBABILITY
from edge.records import SAMPLE_RATE, Embedding, Float32, QualityReason, Utterance

MIN_CLIP_SECONDS: Final = 1.5
MAX_CLIP_SECONDS: Final = 8.0
"""More speech in one go says little more about a voice than several clips do."""
MIN_SNR_DB: Final = 15.0
WARN_SNR_DB: Final = 20.0
MAX_CLIPPED: Final = 0.001
LEVEL_DBFS: Final = (-40.0, -10.0)
NARROW_BAND_DB: Final = -48.0
"""Energy of 4.2-7.5 kHz over 0.3-3.4 kHz below which a clip went through a telephone or an 8 kHz recorder."""

HINTS: Final[dict[QualityReason, str]] = {
    "too_short": "Say a whole sentence: at least 1.5 seconds of speech.",
    "too_long": "Say one sentence at a time: at most 8 seconds of speech, with a pause after it.",
    "silent": "Nothing was heard; check that the microphone is on.",
    "too_quiet": "Come closer or turn the microphone up.",
    "too_loud": "Step back or turn the microphone down.",
    "too_noisy": "Find a quieter moment: the background is less than 15 dB below the voice.",
    "clipped": "The sound is distorted; step back or turn the microphone down.",
    "not_speech": "That did not sound like speech.",
    "other_voice": "That sounded like another person than the clips before.",
    "two_voices": "Two people seem to speak in it; one person alone, please.",
    "narrow_band": "The recording sounds like a telephone; record with the microphone that Earmark will listen with.",
    "duplicate": "This recording, or a copy of it, was given before; say something new.",
}
"""What a person can do about each reason."""


def quality(
    utterance: Utterance, embedding: Embedding | None, allow: Collection[QualityReason] = ()
) -> QualityReason | None:
    """The first reason that is not in ``allow`` for which a clip is not good enough for enrolment, or None.

    Nothing can be allowed that leaves no embedding, which the pipeline refuses only to what is clipped or too short.
    """
    low, high = LEVEL_DBFS
    checks: tuple[tuple[bool, QualityReason], ...] = (
        (utterance.clipped_fraction > MAX_CLIPPED, "clipped"),
        (utterance.speech_seconds < MIN_CLIP_SECONDS, "too_short"),
        (utterance.speech_seconds > MAX_CLIP_SECONDS, "too_long"),
        (utterance.level_dbfs < low, "too_quiet"),
        (utterance.level_dbfs > high, "too_loud"),
        (utterance.snr_db < MIN_SNR_DB, "too_noisy"),
        (_not_speech(embedding), "not_speech"),
        (band_ratio_db(utterance.samples) < NARROW_BAND_DB, "narrow_band"),
    )
    failed = [reason for found, reason in checks if found]
    if embedding is None:
        return failed[0] if failed else "too_short"
    return next((reason for reason in failed if reason not in allow), None)


def _not_speech(embedding: Embedding | None) -> bool:
    probability = embedding.speech_probability if embedding is not None else None
    return probability is not None and probability < SPEECH_PROBABILITY


def warnings_about(utterance: Utterance) -> tuple[str, ...]:
    """Advice about a clip that is good enough."""
    warnings = []
    if utterance.snr_db < WARN_SNR_DB:
        warnings.append(f"some background noise ({utterance.snr_db:.0f} dB below the voice)")
    if utterance.peak_dbfs > -1.0:
        warnings.append("close to clipping")
    return tuple(warnings)


def band_ratio_db(samples: Float32) -> float:
    """Energy of 4.2-7.5 kHz relative to 0.3-3.4 kHz in decibels."""
    power = np.abs(np.fft.rfft(samples)) ** 2
    hertz = np.fft.rfftfreq(len(samples), 1.0 / SAMPLE_RATE)
    low = float(power[(hertz >= 300) & (hertz <= 3400)].sum())
    high = float(power[(hertz >= 4200) & (hertz <= 7500)].sum())
    return float(10.0 * np.log10((high + 1e-12) / (low + 1e-12)))


def digest_of(samples: Float32) -> str:
    """SHA-256 of the samples at 16 bits: real speech never repeats itself exactly."""
    return hashlib.sha256(np.round(np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes()).hexdigest()
