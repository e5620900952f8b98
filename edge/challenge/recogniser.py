"""The digit recogniser of a language: a folder with ``digits.json`` and an int8 network.

Takes a language's name or a folder. Gives a ``Recogniser``: samples -> log-probabilities of the words per step, and
verdicts about strings. Must hold: what it answers depends on the samples alone; words take the same steps wherever in
the audio they are.
"""

from __future__ import annotations

import math
from functools import lru_cache
from pathlib import Path
from typing import Final

import numpy as np

from edge.challenge import card as cards
from edge.challenge import strings
from edge.challenge.frames import FLOOR, levelled
from edge.challenge.outcome import ChallengeOutcome, Reason
from edge.challenge.strings import Digits, Float64
from edge.errors import BundleError, UsageError
from edge.features import FrontEnd
from edge.records import SAMPLE_RATE, Float32
from edge.runtime import Network
from edge.settings import bundle_dirs

PACKAGED: Final = Path(__file__).resolve().parent / "models"
MOST_AUDIO_SECONDS: Final = 30.0
"""Of longer audio the end is judged: nobody says six digits for so long."""
_SURE_BLANK: Final = math.log(0.99)
_MARGIN_STEPS: Final = 8
_NEARLY: Final = 2.0
"""So many nepers below the threshold, digits were not heard for sure, but may well have been said."""
_WORD_SECONDS: Final = 0.3
"""A word is told near its middle or end; it reaches about this far to either side."""


class Recogniser:
    """One opened recogniser; threads may share it."""

    def __init__(self, folder: Path) -> None:
        """Open ``folder``. Raises ``BundleError``, ``RuntimeMissingError``."""
        self.card, model = cards.read(folder)
        self._front_end = FrontEnd(self.card.features)
        self.network = Network(model)
        bands, words = self.card.features.coefficients, len(self.card.words)
        steps = self.card.window_frames // self.card.stride
        sizes = math.prod(self.network.input_shape), math.prod(self.network.output_shape)
        if sizes != (self.card.window_frames * bands, steps * (words + 1)):
            raise BundleError(f"{folder}: the network does not fit its card", "Train it again: earmark train digits.")

    @property
    def words(self) -> tuple[str, ...]:
        """How digit 0, 1, ... is said."""
        return self.card.words

    @property
    def step_seconds(self) -> float:
        """Length of a step."""
        return self.card.stride * self.card.features.hop_ms / 1000

    def log_probabilities(self, samples: Float32) -> Float64:
        """Per step of 30 ms the log-probability of each word and, last, of none: float64 ``(steps, words + 1)``.

        ``samples``: float32 ``(n,)`` mono 16 kHz. Raises ``UsageError`` for another form.
        """
        card = self.card
        frames = levelled(self._front_end.features(samples))
        count = -(-len(frames) // card.stride)
        hop = card.window_frames - 2 * card.context_frames
        windows = max(1, -(-len(frames) // hop))
        padded = np.full((windows * hop + 2 * card.context_frames, frames.shape[1]), FLOOR, np.float32)
        padded[card.context_frames : card.context_frames + len(frames)] = frames
        edge, inner = card.context_frames // card.stride, hop // card.stride
        parts = []
        for start in range(0, windows * hop, hop):
            told = self.network(padded[start : start + card.window_frames].reshape(self.network.input_shape))
            parts.append(told.reshape(-1, len(card.words) + 1)[edge : edge + inner])
        logits = np.concatenate(parts)[:count].astype(np.float64)
        return np.asarray(logits - np.logaddexp.reduce(logits, axis=1, keepdims=True), np.float64)

    def hear(self, samples: Float32) -> Digits:
        """The digits that are said in ``samples``, whatever they are."""
        return strings.best(self.log_probabilities(samples)).digits

    def judge(self, samples: Float32, digits: Digits) -> ChallengeOutcome:
        """Whether ``digits``, in order and nothing else of the kind, are said in ``samples`` float32 ``(n,)``.

        Other words before, between and after are not heard as digits, and don't matter. Raises ``UsageError`` for no
        digits, and for samples of another form.
        """
        if not digits or not all(0 <= digit < len(self.words) for digit in digits):
            raise UsageError(f"{digits} is no string of digits", "Ask for digits that the recogniser knows.")
        kept = samples[-int(MOST_AUDIO_SECONDS * SAMPLE_RATE) :]
        if not len(kept):
            return ChallengeOutcome(False, (), 0.0, "nothing_heard")
        skipped = (len(samples) - len(kept)) / SAMPLE_RATE
        logs = self.log_probabilities(kept)
        heard = strings.best(logs)
        odds = strings.log_odds(spoken_part(logs), digits)
        above = odds - self.card.accept_log_odds
        said = above >= 0
        probability = float(1.0 / (1.0 + np.exp(np.clip(-above, -50.0, 50.0))))
        if not heard.digits:
            return ChallengeOutcome(False, (), min(probability, 0.5), "nothing_heard")
        reason: Reason = "said" if said else "unsure" if heard.digits == digits or above > -_NEARLY else "other_digits"
        start = skipped + max(0.0, heard.first * self.step_seconds - _WORD_SECONDS)
        end = min(len(samples) / SAMPLE_RATE, skipped + (heard.last + 1) * self.step_seconds + _WORD_SECONDS)
        return ChallengeOutcome(said, heard.digits, probability, reason, round(start, 3), round(end, 3))


def spoken_part(logs: Float64) -> Float64:
    """Without the stretches before and after all words, which every string explains alike."""
    busy = np.flatnonzero(logs[:, -1] < _SURE_BLANK)
    if not len(busy):
        return logs[:1]
    return logs[max(0, int(busy[0]) - _MARGIN_STEPS) : int(busy[-1]) + 1 + _MARGIN_STEPS]


def languages() -> dict[str, Path]:
    """Language -> folder of every recogniser that is installed: the package's, and ``digits-LANGUAGE`` beside bundles.

    The first folder that has a language wins, the package's own comes last.
    """
    found: dict[str, Path] = {}
    for directory in bundle_dirs():
        for path in sorted(directory.glob(f"digits-*/{cards.CARD_NAME}")):
            found.setdefault(path.parent.name.removeprefix("digits-"), path.parent)
    for path in sorted(PACKAGED.glob(f"*/{cards.CARD_NAME}")):
        found.setdefault(path.parent.name, path.parent)
    return dict(sorted(found.items()))


def open_recogniser(language: str = "en", folder: Path | None = None) -> Recogniser:
    """Open the recogniser of ``language``, or the one in ``folder``; opened once per process.

    Raises ``UsageError`` for a language that has none, ``BundleError`` for one that is damaged.
    """
    if folder is None:
        known = languages()
        if language not in known:
            there = ", ".join(known) or "none"
            raise UsageError(
                f"There is no digit recogniser for the language {language!r}; there is {there}",
                "Train one: earmark train digits --words FILE --speech DIR --out OUT (docs/digits.md).",
            )
        folder = known[language]
    return _opened(folder.resolve())


@lru_cache(maxsize=4)
def _opened(folder: Path) -> Recogniser:
    return Recogniser(folder)
