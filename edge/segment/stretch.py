"""A stretch of sound that may be an utterance: which of its frames are speech, and whether that is enough.

Takes frames in order; gives the verdict and the figures of the utterance. Must hold: a stretch without a moving voice
is never confirmed, however loud or long it is.

A frame is voiced where it stands out and has a pitch; voiced frames count where they make a run whose pitch does not
jump. A frame is speech where it is in a run, or stands out within 200 ms of one: consonants live beside vowels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from edge.segment.frames import Frame

MIN_PERIODICITY: Final = 0.30
"""A voiced frame has at least this, ..."""
SURE_PERIODICITY: Final = 0.44
"""... and one of the frames of a run at least this."""
MAX_TONE: Final = 0.97
"""More than this in one spectral line is a whistle or a beep."""
MAX_FALL: Final = 0.4
"""A voice does not lose more than 4 dB in 20 ms and stay a voice; wood that was knocked on does."""
MIN_RUN: Final = 3
"""Voiced frames in a row (60 ms) that make a run; knocks and crackles give one or two."""
LAG_JUMP: Final = 0.1
"""How far a voice's pitch moves in 20 ms at most, as a share; the pitch that noise seems to have jumps about."""
MAX_LATE: Final = 10
"""Frames of a run that can still be counted when it becomes one late."""
REACH: Final = 10
"""Frames (200 ms) to either side of a run in which whatever stands out counts as speech."""

MIN_VOICED: Final = 4
"""Frames in runs (80 ms) that a stretch must have, ..."""
MIN_VOICED_SHARE: Final = 0.22
"""... and their share of the speech frames: speech has more even in noise, barks and blows have less."""
MIN_CHANGE_DB: Final = 1.9
"""Mean change of the strong bands in runs, from frame to frame: hum, chords and engines stay below."""
MAX_MEAN_TONE: Final = 0.8
"""Mean share of the strongest line in runs: wood, crackling and barks ring in one line, voices in many."""


class Runs:
    """Finds voiced frames in a row whose pitch does not jump."""

    def __init__(self) -> None:
        self._length = 0
        self._lag = 0
        self._best = 0.0
        self._power = 0.0

    def take(self, frame: Frame) -> int:
        """How many frames, this one the last of them, are now known to be in a run and were not before."""
        falls = frame.power < MAX_FALL * self._power
        self._power = frame.power
        if frame.periodicity < MIN_PERIODICITY or frame.tone > MAX_TONE or falls:
            self._length = 0
            return 0
        if abs(frame.lag - self._lag) > LAG_JUMP * frame.lag:
            self._length = 0
        if not self._length:
            self._best = 0.0
        was_run = self._is_run()
        self._length += 1
        self._lag = frame.lag
        self._best = max(self._best, frame.periodicity)
        if not self._is_run():
            return 0
        return 1 if was_run else min(self._length, MAX_LATE)

    def _is_run(self) -> bool:
        return self._length >= MIN_RUN and self._best >= SURE_PERIODICITY


class Stretch:
    """Frames from number ``first`` on. ``background``: mean square before it, None where too little was heard."""

    def __init__(self, first: int, frames: Sequence[Frame], background: float | None) -> None:
        self.first = first
        self.background = background
        self._frames = list(frames)
        self._voiced = 0
        self._change = 0.0
        self._tone = 0.0
        self._last_voiced = -1
        self._speech = 0
        self.first_speech = first + len(self._frames)
        """Number of the first speech frame; of the next frame while there is none."""
        self.last_speech = self.first_speech
        """Number of the last speech frame."""
        self.confirmed = False

    def add(self, frame: Frame) -> None:
        """Append the next frame; speech that follows a run is known at once."""
        self._frames.append(frame)
        index = len(self._frames) - 1
        if frame.stands_out and self._last_voiced >= 0 and index - self._last_voiced <= REACH:
            self._mark(index)

    def mark_run(self, count: int) -> None:
        """The last ``count`` frames are new in a run: they, and what stands out before them, are speech."""
        end = len(self._frames)
        for index in range(max(0, end - count - REACH), end):
            if self._frames[index].stands_out:
                self._mark(index)
        for frame in self._frames[-count:]:
            frame.in_run = True
            self._count_voiced(frame)
        self._last_voiced = end - 1

    def enough(self, min_frames: int) -> bool:
        """Whether this is certain to be an utterance."""
        return (
            self._speech >= min_frames
            and self._voiced >= max(MIN_VOICED, MIN_VOICED_SHARE * self._speech)
            and self._change >= MIN_CHANGE_DB * self._voiced
            and self._tone <= MAX_MEAN_TONE * self._voiced
        )

    def rest_from(self, number: int) -> Stretch:
        """The stretch that is left after a cut before frame ``number``: uncertain again, with its own figures."""
        rest = Stretch(number, (), self.background)
        rest._frames = self._frames[number - self.first :]
        for index, frame in enumerate(rest._frames):
            if frame.in_run:
                rest._count_voiced(frame)
                rest._last_voiced = index
            if frame.speech:
                frame.speech = False
                rest._mark(index)
        return rest

    def quietest(self, first: int, end: int) -> int:
        """Number of the frame in [``first``, ``end``) where it is quietest, over three frames."""
        powers = [frame.power for frame in self._frames[first - self.first : end - self.first]]
        around = [powers[0], *powers, powers[-1]]
        sums = [sum(around[index : index + 3]) for index in range(len(powers))]
        return first + sums.index(min(sums))

    def speech_before(self, end: int) -> tuple[int, float]:
        """How many frames before number ``end`` are speech, and their mean square."""
        powers = [frame.power for frame in self._frames[: end - self.first] if frame.speech]
        return len(powers), math.fsum(powers) / len(powers) if powers else 0.0

    def quiet_before(self, end: int) -> float:
        """Mean square of the quietest tenth of the frames before number ``end``."""
        powers = sorted(frame.power for frame in self._frames[: end - self.first])
        quiet = powers[: max(1, len(powers) // 10)]
        return math.fsum(quiet) / len(quiet)

    def _count_voiced(self, frame: Frame) -> None:
        self._voiced += 1
        self._change += frame.change_db
        self._tone += frame.tone

    def _mark(self, index: int) -> None:
        frame = self._frames[index]
        if frame.speech:
            return
        frame.speech = True
        self._speech += 1
        number = self.first + index
        self.last_speech = number if self._speech == 1 else max(self.last_speech, number)
        self.first_speech = min(self.first_speech, number)
