"""One challenge: digits by ``secrets``, valid once and for 15 seconds.

Takes how many digits and a language. Gives a ``Challenge``, which checks one stretch of audio. Must hold: every string
of its length without equal neighbours is equally likely; the first check, whatever its answer, is the last; after 15
seconds of the monotonic clock no audio passes.
"""

from __future__ import annotations

import secrets
import threading
from pathlib import Path
from typing import Final, Protocol

from edge.challenge.outcome import ChallengeOutcome
from edge.challenge.recogniser import open_recogniser
from edge.clock import SystemClock
from edge.errors import UsageError
from edge.records import Clock, Float32

LEAST_DIGITS: Final = 4
MOST_DIGITS: Final = 6
MOST_SECONDS: Final = 15.0
"""How long a challenge is valid, from the draw to the end of the speech."""


class Judge(Protocol):
    """What a challenge asks about audio; ``Recogniser`` is one."""

    @property
    def words(self) -> tuple[str, ...]:
        """How digit 0, 1, ... is said."""

    def judge(self, samples: Float32, digits: tuple[int, ...]) -> ChallengeOutcome:
        """Whether ``digits``, and nothing but these, are said in ``samples``."""


class Challenge:
    """Digits to be said now. Threads may share it: one of them gets the answer, the others ``used``.

    ``digits``: what to say, in order. ``language``: of the words. ``expires``: seconds of the clock's ``monotonic()``
    after which nothing passes.
    """

    def __init__(self, digits: tuple[int, ...], judge: Judge, language: str, clock: Clock) -> None:
        """For tests; programs use ``draw``."""
        self.digits = digits
        self.language = language
        self.expires = clock.monotonic() + MOST_SECONDS
        self._judge, self._clock = judge, clock
        self._used = threading.Lock()

    @classmethod
    def draw(
        cls,
        digits: int = MOST_DIGITS,
        language: str = "en",
        *,
        judge: Judge | None = None,
        clock: Clock | None = None,
        folder: Path | None = None,
    ) -> Challenge:
        """Draw ``digits`` digits (4 to 6), no two neighbours alike: 590,490 strings of six.

        The recogniser is opened first, so that a challenge never asks for what cannot be checked. ``judge``: instead
        of the recogniser of ``language``. ``folder``: of a recogniser that is not installed. Raises ``UsageError`` for
        another number of digits or a language without recogniser, ``BundleError`` for one that is damaged.
        """
        if not LEAST_DIGITS <= digits <= MOST_DIGITS:
            raise UsageError(f"A challenge has {LEAST_DIGITS} to {MOST_DIGITS} digits, not {digits}", "Ask for 6.")
        judge = judge or open_recogniser(language, folder)
        drawn: list[int] = []
        while len(drawn) < digits:
            digit = secrets.randbelow(len(judge.words))
            if not drawn or digit != drawn[-1]:
                drawn.append(digit)
        return cls(tuple(drawn), judge, language, clock or SystemClock())

    def text(self) -> str:
        """What to show: the digits with a space between each, or the words where a language counts others."""
        words = self._judge.words
        if len(words) == 10:
            return " ".join(str(digit) for digit in self.digits)
        return " ".join(words[digit] for digit in self.digits)

    def spoken(self) -> str:
        """The words, as they are to be said."""
        return ", ".join(self._judge.words[digit] for digit in self.digits)

    def seconds_left(self) -> float:
        """Until it expires; 0 where that has passed."""
        return max(0.0, self.expires - self._clock.monotonic())

    def check(self, samples: Float32) -> ChallengeOutcome:
        """Judge the audio of the attempt, float32 ``(n,)`` mono 16 kHz; uses the challenge up.

        Never raises for what was said or not said. Raises ``UsageError`` for samples of another form.
        """
        if not self._used.acquire(blocking=False):
            return ChallengeOutcome(False, (), 0.0, "used")
        if self._clock.monotonic() > self.expires:
            return ChallengeOutcome(False, (), 0.0, "expired")
        return self._judge.judge(samples, self.digits)
