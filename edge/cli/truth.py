"""What was really said in a recording, to compare with what was decided.

Takes a JSON file: ``{"segments": [{"start", "end", "who"}]}`` in seconds for one recording, or ``{"clips": [{"file",
"who"}]}`` for several; gives a ``Score``. Must hold: whoever is not enrolled is a stranger; ``noise`` and ``silence``
are nobody.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from edge.errors import UsageError
from edge.records import SAMPLE_RATE, Result

NOBODY: Final = frozenset({"noise", "silence"})

Verdict = Literal["", "right", "wrong", "missed", "false_name", "refused", "noise", "noise_named"]
"""What one utterance counted as, "" for one that did not count."""


@dataclass(frozen=True, slots=True)
class Segment:
    """Who is heard from ``start`` to ``end``, in seconds."""

    start: float
    end: float
    who: str

    def overlap(self, start: float, end: float) -> float:
        """Seconds in common."""
        return max(0.0, min(self.end, end) - max(self.start, start))


@dataclass(slots=True)
class Score:
    """Counts of utterances. ``right``/``wrong``/``missed``: of people enrolled. ``false_names``/``refused``: of
    strangers. ``noise``: sounds taken for speech, and ``noise_named`` those among them that got a name.
    ``unheard``: stretches of speech in which no utterance was found.
    """

    right: int = 0
    wrong: int = 0
    missed: int = 0
    false_names: int = 0
    refused: int = 0
    noise: int = 0
    noise_named: int = 0
    unheard: int = 0

    def sentence(self) -> str:
        """For a person."""
        known, strangers = self.right + self.wrong + self.missed, self.false_names + self.refused
        return (
            f"{self.right} of {known} utterances of people enrolled got the right name, {self.wrong} a wrong one; "
            f"{self.false_names} of {strangers} of strangers got a name; {self.noise} noises were taken for speech, "
            f"{self.noise_named} got a name; {self.unheard} stretches of speech were not heard."
        )


@dataclass(slots=True)
class Truth:
    """``segments``: of one recording; ``clips``: file name -> who."""

    segments: tuple[Segment, ...] = ()
    clips: Mapping[str, str] = field(default_factory=dict)
    score: Score = field(default_factory=Score)
    _heard: set[int] = field(default_factory=set)

    @classmethod
    def load(cls, path: Path) -> Truth:
        """Read the file. Raises ``UsageError`` where it is not of this form."""
        try:
            raw: dict[str, Any] = json.loads(path.read_text("utf-8"))
            segments = tuple(
                Segment(float(s["start"]), float(s["end"]), str(s["who"])) for s in raw.get("segments", ())
            )
            clips = {str(c["file"]): str(c["who"]) for c in raw.get("clips", ())}
        except OSError as error:
            raise UsageError(f"The truth file {path} cannot be read: {error.strerror}", "Name a JSON file.") from None
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError) as error:
            raise UsageError(
                f"The truth file {path} is not of the right form ({type(error).__name__}: {error})",
                'It holds {"segments": [{"start": 0.0, "end": 2.5, "who": "Ada"}]} or {"clips": [{"file", "who"}]}.',
            ) from None
        if not segments and not clips:
            raise UsageError(f"The truth file {path} holds neither segments nor clips", "See docs/cli.md.")
        return cls(segments, clips)

    def judge(self, file_name: str, result: Result, enrolled: Collection[str]) -> Verdict:
        """Count one utterance of the file ``file_name``; "" for those of files that the truth does not name."""
        start, end = result.utterance.start / SAMPLE_RATE, result.utterance.end / SAMPLE_RATE
        who = self.clips.get(file_name)
        if who is None and self.segments:
            overlaps = [segment.overlap(start, end) for segment in self.segments]
            longest = max(range(len(overlaps)), key=overlaps.__getitem__)
            who = self.segments[longest].who if overlaps[longest] > 0 else "silence"
            self._heard |= {i for i, seconds in enumerate(overlaps) if seconds > 0}
        if who is None:
            return ""
        decision, score = result.decision, self.score
        name = decision.best.name if decision.outcome == "identified" and decision.best else None
        if who in NOBODY:
            score.noise += decision.reason != "not_speech"
            score.noise_named += name is not None
            return "noise_named" if name is not None else "noise" if decision.reason != "not_speech" else ""
        if who in enrolled:
            score.right += name == who
            score.wrong += name not in {None, who}
            score.missed += name is None
            return "missed" if name is None else "right" if name == who else "wrong"
        score.false_names += name is not None
        score.refused += name is None
        return "refused" if name is None else "false_name"

    def finish(self) -> Score:
        """The counts, with the stretches of speech that nobody heard."""
        spoken = {i for i, segment in enumerate(self.segments) if segment.who not in NOBODY}
        self.score.unheard = len(spoken - self._heard)
        return self.score
