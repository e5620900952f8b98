"""The words for what an attempt came to.

Takes reasons and figures, gives text. Must hold: a person understands each; none promises more than was measured.
"""

from __future__ import annotations

from typing import Final

SENTENCES: Final[dict[str, str]] = {
    "silent": "nothing was heard",
    "too_short": "there was too little speech",
    "clipped": "the sound is distorted: it was recorded too loud",
    "not_speech": "no speech was heard",
    "too_noisy": "no speech stands out from the noise",
}
"""Why sound allows no decision."""

REMEDIES: Final[dict[str, str]] = {
    "silent": "Check that the microphone is on and not muted; `earmark devices` lists them.",
    "too_short": "Say a whole sentence.",
    "clipped": "Step back or turn the microphone down.",
    "not_speech": "Speak to the microphone, or give a recording of speech.",
    "too_noisy": "Come closer, or find a quieter moment.",
}


def compared(probability: float, threshold: float) -> tuple[str, str]:
    """Both with two digits, or with as many (at most four) as it takes to see which is the greater."""
    for digits in (2, 3, 4):
        shown = f"{probability:.{digits}f}", f"{threshold:.{digits}f}"
        if shown[0] != shown[1]:
            break
    return shown


def duration(seconds: float) -> str:
    """``40 seconds``, ``12 minutes``, ``1 hour``: rounded up, so that waiting as long as it says is enough."""
    whole = max(1, -int(-seconds // 1))
    if whole <= 120:
        return "1 second" if whole == 1 else f"{whole} seconds"
    minutes = -(-whole // 60)
    if minutes <= 120:
        return "1 hour" if minutes == 60 else f"{minutes} minutes"
    return f"{-(-minutes // 60)} hours"
