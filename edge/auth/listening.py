"""What is heard in one attempt, and when it is enough: the same for a command and for the daemon.

Takes blocks and a pipeline with a claim; gives ``Heard``. Must hold: it ends with the first utterance that matches;
with digits it ends with an utterance long enough for all of them, or when nobody goes on; it never takes more sound
than the limit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Final

from edge.auth.hearing import Hearing
from edge.pipeline import Pipeline
from edge.records import SAMPLE_RATE, AudioBlock, Result
from edge.settings import Settings

PAUSE_SECONDS: Final = 1.0
"""Digits are taken to be complete when nobody has gone on for this long after an utterance."""
DIGIT_SECONDS: Final = 0.3
"""Speech per digit, from which on they are taken to be complete at once. Who says them faster waits for the pause; who
says half of them does not come near."""

_SEGMENT_DIGITS: Final = {"hangover_ms": 1000, "min_speech_ms": 150, "preroll_ms": 500}
"""How speech is cut where digits are said one by one: a word of a third of a second is speech, and a pause between two
of them is no end. Otherwise the first digits would be thrown away as noises."""


@dataclass(frozen=True, slots=True, eq=False)
class Heard:
    """``hearing``: also of what became no result."""

    results: tuple[Result, ...]
    hearing: Hearing


def for_digits(settings: Settings) -> Settings:
    """The settings for a pipeline that is to hear digits."""
    return replace(settings, segment=replace(settings.segment, **_SEGMENT_DIGITS))


def hear(
    blocks: Iterable[AudioBlock],
    pipeline: Pipeline,
    *,
    limit_seconds: float,
    digits: int = 0,
    on_seconds: Callable[[float], None] = lambda seconds: None,
) -> Heard:
    """Listen until it is enough, the sound ends or ``limit_seconds`` of it have come.

    ``digits``: how many are to be said, possibly with pauses between them; 0 for any speech. ``on_seconds`` is told how
    much each block brought. Raises what ``blocks`` raises; the pipeline is not to be used again.
    """
    hearing = Hearing()
    results: list[Result] = []
    said_until: float | None = None
    for block in blocks:
        hearing.take(block)
        on_seconds(len(block.samples) / SAMPLE_RATE)
        fresh = pipeline.push(block)
        results += fresh
        if any(result.decision.outcome != "rejected" for result in fresh) or (said_until and pipeline.speaking):
            said_until = hearing.seconds
        enough = _said(results, digits, hearing.seconds, said_until) if digits else _matched(results)
        if enough or hearing.seconds >= limit_seconds:
            break
    if digits or not _matched(results):
        results += pipeline.finish()
    hearing.utterances = len(results)
    return Heard(tuple(results), hearing)


def _matched(results: list[Result]) -> bool:
    return any(result.decision.outcome == "identified" for result in results)


def _said(results: list[Result], digits: int, now: float, said_until: float | None) -> bool:
    if said_until is None:
        return False
    speech = sum(result.utterance.speech_seconds for result in results if result.decision.outcome != "rejected")
    return speech >= DIGIT_SECONDS * digits or now - said_until >= PAUSE_SECONDS
