"""Enrolment at the microphone: prompts, a level to speak by, and a stop when there is enough.

Takes a microphone's utterances as they end; gives them to the ``Learning``. Must hold: nothing is stored here, so that
Ctrl-C leaves nothing behind; a microphone that hears nothing is mentioned while the person still waits.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from edge.cli.console import Console
from edge.cli.enroll_report import Report
from edge.cli.recordings import Hearing, listen, open_microphone
from edge.cli.session import Session
from edge.enrolment import Enrolment
from edge.learning import DEAF_SECONDS, SENTENCES, Learning
from edge.pipeline import Pipeline

DIGITS: Final = ("3 8 1 5 0 7", "9 2 6 4 8 3", "0 5 7 1 9 6", "4 2 8 6 3 0", "7 1 9 2 5 4")
"""Each digit three times, after other ones each time."""

_METER: Final = (-60.0, -10.0, 20)
"""Quietest and loudest level shown, in dBFS, and the width in characters."""


def record(
    console: Console,
    session: Session,
    learning: Learning,
    report: Report,
    *,
    device: str,
    limit_seconds: float,
    digits: bool = False,
) -> None:
    """Listen until there is enough, or for ``limit_seconds``; every utterance goes to ``report``.

    ``digits``: ask for ``DIGITS`` first, and don't end before they are said.

    Raises ``MicrophoneError``. Ctrl-C ends it by ``KeyboardInterrupt``.
    """
    enrolment = learning.enrolment
    source = open_microphone(device, session.settings)
    pipeline = session.pipeline()
    hearing = Hearing()
    watch = _Watch(console, pipeline, hearing, session.settings.segment.floor_dbfs)
    console.note("Read the sentences aloud, each after it is shown, in your normal voice. Ctrl-C stores nothing.")
    prompts = (*(f"{row}   (digit by digit, without a pause)" for row in DIGITS if digits), *SENTENCES)
    _prompt(console, enrolment, prompts)
    try:
        for result in listen(pipeline, source, hearing, limit_seconds=limit_seconds, on_seconds=watch.tick):
            clip = learning.offer(result, source=f"utterance {len(report.clips) + 1}", microphone=source.name)
            report.clip(clip)
            if enrolment.progress().done and (not digits or _accepted(enrolment) >= len(DIGITS)):
                return
            _prompt(console, enrolment, prompts)
    finally:
        source.close()
        console.clear_live()


def _accepted(enrolment: Enrolment) -> int:
    return sum(clip.accepted for clip in enrolment.reports)


def _prompt(console: Console, enrolment: Enrolment, prompts: Sequence[str]) -> None:
    """Show what to say: the same again where it was not good enough."""
    progress = enrolment.progress()
    sentence = prompts[_accepted(enrolment) % len(prompts)]
    console.note(f"\n{progress.percent:3d} %  Say: {console.style(sentence, 'bold', error=True)}")


class _Watch:
    """Shows the level while the person speaks, and says once that nothing arrives."""

    def __init__(self, console: Console, pipeline: Pipeline, hearing: Hearing, floor_dbfs: float) -> None:
        self._console = console
        self._pipeline = pipeline
        self._hearing = hearing
        self._floor_dbfs = floor_dbfs
        self._warned = False

    def tick(self, _seconds: float) -> None:
        """Another block came."""
        self._console.live(_meter(self._pipeline.level_dbfs, self._pipeline.speaking))
        hearing = self._hearing
        if not self._warned and hearing.seconds > DEAF_SECONDS and max(hearing.levels_dbfs) < self._floor_dbfs:
            self._warned = True
            self._console.note("Nothing is heard: check that the microphone is on; `earmark devices` lists them.")


def _meter(level_dbfs: float, speaking: bool) -> str:
    low, high, width = _METER
    filled = round(width * min(1.0, max(0.0, (level_dbfs - low) / (high - low))))
    hint = "  too loud" if level_dbfs > high else ""
    return f"[{'#' * filled}{'.' * (width - filled)}] {'speaking' if speaking else 'listening'}{hint}"
