"""What is kept of one recording for the page.

Takes blocks and decisions. Gives ``Row``s and a ``Waveform``. Must hold: what stands in a row is what the event says.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from edge.events import UtteranceEvent
from edge.records import SAMPLE_RATE, AudioBlock, Result
from edge.report.waveform import Waveform


@dataclass(frozen=True, slots=True)
class Row:
    """One utterance: ``start`` and ``end`` in seconds, the event that was made of it, and what the truth says of it:
    ``right``, ``wrong``, ``missed``, ``false_name``, ``refused``, ``noise``, ``noise_named``, or "" where it says none.
    """

    start: float
    end: float
    event: UtteranceEvent
    verdict: str = ""


@dataclass(slots=True)
class Sheet:
    """One recording: its ``name``, its outline and its utterances. ``notes``: what was odd about it."""

    name: str
    waveform: Waveform = field(default_factory=Waveform)
    rows: list[Row] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def block(self, block: AudioBlock) -> None:
        """The next sound."""
        self.waveform.push(block.samples)

    def add(self, result: Result, event: UtteranceEvent, verdict: str = "") -> None:
        """The next utterance."""
        utterance = result.utterance
        self.rows.append(Row(utterance.start / SAMPLE_RATE, utterance.end / SAMPLE_RATE, event, verdict))
