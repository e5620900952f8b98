"""The random-digit challenge: were the digits that were just drawn said, in order, in this audio?

Takes a language and later the samples of one attempt. Gives digits to show, and an outcome. Must hold: a challenge is
drawn by ``secrets``, answers once, and only for 15 seconds; what a text says is told apart from who says it, which is
another room's business; nothing heavier than numpy is imported before a recogniser is opened.
"""

from __future__ import annotations

from edge.challenge.draw import MOST_DIGITS, MOST_SECONDS, Challenge
from edge.challenge.outcome import ChallengeOutcome, Reason
from edge.challenge.recogniser import Recogniser, languages, open_recogniser

__all__ = [
    "MOST_DIGITS",
    "MOST_SECONDS",
    "Challenge",
    "ChallengeOutcome",
    "Reason",
    "Recogniser",
    "languages",
    "open_recogniser",
]
