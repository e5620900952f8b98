"""A stretch of sound that may be an utterance: which of its frames are speech, and whether that is enough.

Takes frames in order; gives the verdict and the figures of the utterance. Must hold: a stretch without a moving voice is never
confirmed, however loud or long.

A frame is *voiced* where it stands out and has a pitch; voiced frames only count in runs whose pitch does not jump. A frame is
*speech* where it is in such a run, or stands out within 200 ms of one: consonants live beside vowels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from edge.segment.frames import Frame

MIN_PERIODICITY: Final = 0.30
"""A voiced frame has at least this, ..."""
SURE_PERIODICITY: Final = 0.45
"""... and one of the frames of a run at least this."""
MAX_TONE: Final = 0.97
"""More than this in one spectral line is a whistle or a beep."""
MIN_RUN: Final = 3
"""Voiced frames in a row (60 ms) that make a run; knocks and crackles give one or two."""
MAX_LATE: Final = 10
"""Frames of a run that can still be counted when it becomes one late."""
REACH: Final = 10
"""Frames (200 ms) to either side of a run in which whatever stands out counts as speech."""
_LAG_JUMP: Final = 0.08
"""How far the pitch of a voice moves in 20 ms, as a share; the pitch that noise seems to have jumps about."""
MIN_VOICED: Final = 4
"""Frames in runs (80 ms) that a stretch must have."""
MAX_MEAN_TONE: Final = 0.8
"""Mean share of the strongest line in voiced frames: knocks on wood, crackling and barks ring in one line, voices in many."""
MIN_CHANGE_DB: Final = 2.0
"""Mean change of the strong bands in voiced frames, from frame to frame: hum, chords and engines stay below."""


@dataclass(slots=True)
class Note:
    """A frame and what it was found to be."""

    frame: Frame
    stands_out: bool
    voiced: bool
    in_run: bool = False
    speech: bool = False


class Runs:
    """Finds voiced frames in a row whose pitch does not jump."""

    def __init__(self) -> None:
        self._length = 0
        self._lag = 0
        self._best = 0.0

    def take(self, note: Note) -> int:
        """How many frames, this one the last of them, are now known to be in a run and were not before."""
        frame = note.frame
        if not note.voiced:
            self._length = 0
            return 0
        if self._length and abs(frame.lag - self._lag) > _LAG_JUMP * frame.lag:
            self._length = 0
        was_run = self._is_run()
        if not self._length:
            self._best = 0.0
        self._length += 1
        self._lag = frame.lag
        self._best = max(self._best, frame.periodicity)
        if not self._is_run():
            return 0
        return 1 if was_run else min(self._length, MAX_LATE)

    def _is_run(self) -> bool:
        return self._length >= MIN_RUN and self._best >= SURE_PERIODICITY


class Stretch:
    """Frames from number ``first`` on. ``background``: mean square before it, or None where too little was heard."""

    def __init__(self, first: int, notes: Sequence[Note], background: float | None) -> None:
        self.first = first
        self.background = background
        self.notes = list(notes)
        self._voiced = 0
        self._change = 0.0
        self._tone = 0.0
        self._last_voiced = -1
        self.speech = 0
        self.first_speech = first + len(self.notes)
        self.last_speech = self.first_speech
        self.confirmed = False

    def add(self, note: Note) -> None:
        """Append the next frame; speech that follows a run is marked at once."""
        self.notes.append(note)
        index = len(self.notes) - 1
        if note.stands_out and self._last_voiced >= 0 and index - self._last_voiced <= REACH:
            self._mark(index)

    def mark_run(self, length: int) -> None:
        """The last ``length`` frames are new in a run: they, and what stands out before them, are speech."""
        end = len(self.notes)
        for index in range(max(0, end - length - REACH), end):
            if self.notes[index].stands_out:
                self._mark(index)
        for note in self.notes[-length:]:
            note.in_run = True
            self._voiced += 1
            self._change += note.frame.change_db
            self._tone += note.frame.tone
        self._last_voiced = end - 1

    def _mark(self, index: int) -> None:
        note = self.notes[index]
        if note.speech:
            return
        note.speech = True
        self.speech += 1
        number = self.first + index
        self.first_speech = min(self.first_speech, number)
        self.last_speech = number if self.speech == 1 else max(self.last_speech, number)

    def enough(self, min_frames: int) -> bool:
        """Whether this is certain to be an utterance."""
        return self.speech >= min_frames and self._voiced >= MIN_VOICED and self._change >= MIN_CHANGE_DB * self._voiced

    def rest_from(self, frame: int) -> Stretch:
        """The stretch that is left after a cut at ``frame``: uncertain again, with the figures of its own frames."""
        rest = Stretch(frame, (), self.background)
        for note in self.notes[frame - self.first :]:
            rest._append_judged(note)
        return rest

    def _append_judged(self, note: Note) -> None:
        self.notes.append(note)
        index = len(self.notes) - 1
        if note.in_run:
            self._voiced += 1
            self._change += note.frame.change_db
            self._tone += note.frame.tone
            self._last_voiced = index
        if note.speech:
            note.speech = False
            self._mark(index)

    def quietest(self, first: int, end: int) -> int:
        """Number of the frame in [``first``, ``end``) where it is quietest, over three frames."""
        powers = [note.frame.power for note in self.notes[first - self.first : end - self.first]]
        padded = [powers[0], *powers, powers[-1]]
        sums = [padded[i] + padded[i + 1] + padded[i + 2] for i in range(len(powers))]
        return first + sums.index(min(sums))

    def speech_power(self, end: int) -> tuple[int, float]:
        """How many frames before frame ``end`` are speech, and their mean square."""
        powers = [note.frame.power for note in self.notes[: end - self.first] if note.speech]
        return len(powers), math.fsum(powers) / len(powers) if powers else 0.0

    def quiet_power(self, end: int) -> float:
        """Mean square that a tenth of the frames before ``end`` stay under."""
        powers = sorted(note.frame.power for note in self.notes[: end - self.first])
        return powers[len(powers) // 10]
