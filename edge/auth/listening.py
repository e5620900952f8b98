"""What is heard in one attempt, and when it is enough: the same for a command and for the daemon.

Takes blocks and a pipeline with a claim; gives ``Heard``. Must hold: it ends at the first utterance that matches, with
digits only after a pause in which nobody goes on; it never takes more sound than the limit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np

from edge.auth.hearing import Hearing
from edge.pipeline import Pipeline
from edge.records import SAMPLE_RATE, AudioBlock, Float32, Result

PAUSE_SECONDS: Final = 1.0
"""After an utterance, digits are taken to be complete when nobody has gone on for this long."""


@dataclass(frozen=True, slots=True, eq=False)
class Heard:
    """``samples``: float32 ``(n,)`` mono 16 kHz, all that was heard."""

    results: tuple[Result, ...]
    samples: Float32
    hearing: Hearing


def hear(
    blocks: Iterable[AudioBlock],
    pipeline: Pipeline,
    *,
    limit_seconds: float,
    digits: bool = False,
    on_seconds: Callable[[float], None] = lambda seconds: None,
) -> Heard:
    """Listen until it is enough, the sound ends or ``limit_seconds`` of it have come.

    ``digits``: a challenge is to be said, possibly with pauses between the digits. ``on_seconds`` is told how much each
    block brought. Raises what ``blocks`` raises; the pipeline is not to be used again.
    """
    hearing = Hearing()
    results: list[Result] = []
    kept: list[Float32] = []
    end_of_speech: float | None = None
    for block in blocks:
        hearing.take(block)
        kept.append(block.samples)
        on_seconds(len(block.samples) / SAMPLE_RATE)
        for result in pipeline.push(block):
            results.append(result)
            if result.decision.outcome != "rejected":
                end_of_speech = hearing.seconds
        if pipeline.speaking:
            end_of_speech = None if end_of_speech is None else hearing.seconds
        if hearing.seconds >= limit_seconds or _enough(results, digits, hearing.seconds, end_of_speech):
            break
    if digits or not _matched(results):
        results += pipeline.finish()
    hearing.utterances = len(results)
    return Heard(tuple(results), np.concatenate(kept) if kept else np.zeros(0, np.float32), hearing)


def _matched(results: list[Result]) -> bool:
    return any(result.decision.outcome == "identified" for result in results)


def _enough(results: list[Result], digits: bool, now: float, end_of_speech: float | None) -> bool:
    if not digits:
        return _matched(results)
    return end_of_speech is not None and now - end_of_speech >= PAUSE_SECONDS
