"""Cuts a stream of audio into utterances.

Takes ``AudioBlock``s in order; gives ``Utterance``s as they end. Must hold: the same utterances, bit for bit, however
the stream is cut into blocks; whatever ``open_samples`` has shown is a prefix of the utterance that follows; memory is
bounded; noise, hum, beeps and knocks are not utterances.

The stream is judged in frames of 20 ms counted from its first sample (or from the first after lost samples). A stretch
(``stretch.py``) opens when a voice's pitch is heard, is certain once it has enough speech, and ends after the
hang-over.
"""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from edge.records import SAMPLE_RATE, AudioBlock, Float32, Utterance
from edge.segment.background import Background
from edge.segment.frames import BANDS, HOP, WIDTH, Float64, Frame, FrameAnalyser
from edge.segment.history import History
from edge.segment.stretch import MAX_LATE, REACH, Runs, Stretch

if TYPE_CHECKING:
    from edge.settings import Segment

EndedBy = Literal["silence", "limit", "end_of_stream"]

_GROUP: Final = 5
"""Frames (100 ms) between updates of the background."""
_GROUP_OFFSET: Final = 1
"""The first group is a frame short: blocks of 100 ms then complete one group each."""
_MIDDLE: Final = (WIDTH - HOP) // 2
"""A frame speaks for the hop in its middle: from here, ``HOP`` samples."""
_TAIL_MS: Final = 200
"""Kept after the last speech frame, for sounds that fade."""
_CUT_SECONDS: Final = 1.0
"""An utterance that does not end is cut at the quietest place within the last second before the limit."""
_PATIENCE: Final = 100
"""Frames (2 s) after which a stretch that is still uncertain is judged anew from here."""
_FULL_SCALE: Final = 0.999
_MIN_DBFS: Final = -120.0
_MAX_SNR_DB: Final = 60.0
_EMPTY: Final[Float32] = np.zeros(0, np.float32)


class Segmenter:
    """Blocks in, utterances out. ``settings``: the section ``segment``. Not for several threads at once."""

    def __init__(self, settings: Segment) -> None:
        self._min_snr_db = settings.min_snr_db
        self._floor_dbfs = settings.floor_dbfs
        self._min_power = 10 ** (settings.floor_dbfs / 10)
        self._hangover = max(1, round(settings.hangover_ms / 20))
        self._tail = round(min(_TAIL_MS, settings.hangover_ms) * SAMPLE_RATE / 1000)
        self._limit = round(settings.max_utterance_seconds * SAMPLE_RATE)
        self._preroll = min(round(settings.preroll_ms * SAMPLE_RATE / 1000), self._limit // 4)
        # More speech than half the limit could never be gathered once an utterance is cut.
        self._min_speech = math.ceil(min(settings.min_speech_ms, 500 * settings.max_utterance_seconds) / 20)
        self.reset()

    def reset(self) -> None:
        """Forget everything, the background too: the next block begins another stream."""
        self._background = Background(BANDS + 1, self._floor_dbfs - 15)
        self._power = 0.0
        self._begin(None)

    def _begin(self, clock: int | None) -> None:
        """Start judging at ``clock`` (None: wherever the next block says); the background stays."""
        self._origin = clock
        self._history = History(clock or 0)
        self._analyser = FrameAnalyser(self._min_snr_db, self._min_power)
        self._number = 0  # of the next frame
        self._group: list[Float64] = []
        self._lookback: deque[Frame] = deque(maxlen=REACH + MAX_LATE)
        self._runs = Runs()
        self._stretch: Stretch | None = None
        self._clipped: deque[tuple[int, int, int]] = deque()  # (start, end, samples clipped at the source)
        self._free = clock or 0  # samples before this belong to an utterance already given
        self._shown: Float32 = _EMPTY
        self._shown_length = 0

    @property
    def speaking(self) -> bool:
        """Whether an utterance is open: certain to be given, and not yet ended."""
        return self._stretch is not None and self._stretch.confirmed

    @property
    def closing_samples(self) -> int:
        """How many samples after ``Utterance.end`` silence has ended it: the hang-over, less what is kept of it."""
        return self._hangover * HOP - self._tail

    @property
    def level_dbfs(self) -> float:
        """Level of the latest frame (20 ms), without what lies below 100 Hz."""
        return _decibels(self._power)

    @property
    def noise_dbfs(self) -> float:
        """Level of the background as tracked, without what lies below 100 Hz."""
        return _decibels(self._background.power)

    @property
    def open_start(self) -> int:
        """Clock of the first sample of the open utterance; of the next sample to come where none is open."""
        if self._stretch is not None and self._stretch.confirmed:
            return self._start(self._stretch)
        return self._history.end

    def open_samples(self) -> Float32:
        """Samples certain to belong to the open utterance, float32 ``(n,)``, read-only; empty where nobody speaks. What
        was given is valid until the utterance is: the next one is shown in the same place, which keeps memory flat.

        Each call gives at least what the one before gave, until the utterance ends; it is a prefix of its ``samples``.
        """
        stretch = self._stretch
        if stretch is None or not stretch.confirmed:
            return _EMPTY
        start = self._start(stretch)
        # The place of a cut is only known when the limit is reached.
        certain = min(self._end_of_speech(stretch), start + self._limit - round(_CUT_SECONDS * SAMPLE_RATE))
        if not len(self._shown):
            self._shown = np.empty(self._limit, np.float32)
        if certain - start > self._shown_length:
            self._shown[self._shown_length : certain - start] = self._history.view(start + self._shown_length, certain)
            self._shown_length = certain - start
        shown = self._shown[: self._shown_length]
        shown.flags.writeable = False
        return shown

    def push(self, block: AudioBlock) -> list[Utterance]:
        """Take the next block; give the utterances that ended in it. Samples lost before it end the open one."""
        utterances: list[Utterance] = []
        if self._origin is None:
            self._begin(block.start)
        elif block.start != self._history.end:
            utterances += self._break_off()
            self._begin(block.start)
        if block.clipped:
            self._clipped.append((block.start, block.start + len(block.samples), block.clipped))
        step = _GROUP * HOP
        for position in range(0, len(block.samples), step):
            self._history.append(block.samples[position : position + step])
            self._judge(utterances)
        return utterances

    def finish(self) -> list[Utterance]:
        """The stream ends: give the utterance still open, if it is one. The background is kept for the next stream."""
        utterances = self._break_off()
        self._begin(None)
        return utterances

    def _break_off(self) -> list[Utterance]:
        """The utterance still open, ended where the stream ends or after its last speech."""
        stretch = self._stretch
        if stretch is None or not stretch.confirmed:
            return []
        return [self._utterance(stretch, self._end_of_speech(stretch), "end_of_stream")]

    def _judge(self, utterances: list[Utterance]) -> None:
        """Analyse the frames that are complete, at most up to the end of a group at once."""
        assert self._origin is not None
        while True:
            first = self._origin + self._number * HOP
            ready = (self._history.end - first - WIDTH) // HOP + 1
            count = min(ready, _GROUP - (self._number + _GROUP_OFFSET) % _GROUP)
            if count <= 0:
                return
            samples = self._history.view(first, first + (count - 1) * HOP + WIDTH)
            frames, bands = self._analyser.analyse(samples, self._background.levels_db[:BANDS])
            for frame in frames:
                self._take(frame, utterances)
            self._group.extend(bands)
            if (self._number + _GROUP_OFFSET) % _GROUP == 0:
                self._background.update(np.add.reduce(self._group) / len(self._group))
                self._group.clear()
            self._forget()

    def _forget(self) -> None:
        """Let go of whatever can't be part of an utterance any more."""
        self._history.forget_before(self._needed_from())
        while self._clipped and self._clipped[0][1] <= self._history.start:
            self._clipped.popleft()

    def _take(self, frame: Frame, utterances: list[Utterance]) -> None:
        """Judge one frame."""
        number = self._number
        self._number += 1
        self._power = frame.power
        self._lookback.append(frame)
        run = self._runs.take(frame)
        stretch = self._stretch
        if stretch is not None:
            stretch.add(frame)
        elif run:
            background = self._background.power if self._background.settled else None
            stretch = self._stretch = Stretch(number + 1 - len(self._lookback), list(self._lookback), background)
        else:
            return
        if run:
            stretch.mark_run(run)
        if not stretch.confirmed:
            stretch.confirmed = stretch.enough(self._min_speech)
        self._close(stretch, number, utterances)

    def _close(self, stretch: Stretch, number: int, utterances: list[Utterance]) -> None:
        """End the stretch at frame ``number`` where silence, patience or the limit says so."""
        if number - stretch.last_speech >= self._hangover:
            if stretch.confirmed:
                utterances.append(self._utterance(stretch, self._end_of_speech(stretch), "silence"))
            self._stretch = None
        elif not stretch.confirmed and number - stretch.first_speech >= _PATIENCE:
            self._stretch = None
        elif stretch.confirmed and self._clock(number + 1) >= self._start(stretch) + self._limit:
            utterances.append(self._cut(stretch))

    def _clock(self, frame: int) -> int:
        """Clock of the first sample that ``frame`` speaks for."""
        return (self._origin or 0) + frame * HOP + _MIDDLE

    def _frames_until(self, clock: int) -> int:
        """Number of the first frame that speaks for samples after ``clock``, as far as whole hops go."""
        return (clock - (self._origin or 0) - _MIDDLE) // HOP

    def _start(self, stretch: Stretch) -> int:
        """Clock where the utterance begins, were the stretch one."""
        return max(self._free, self._history.start, self._clock(stretch.first_speech) - self._preroll)

    def _end_of_speech(self, stretch: Stretch) -> int:
        """Clock where the utterance ends if no more speech comes."""
        end = self._clock(stretch.last_speech + 1) + self._tail
        return min(end, self._history.end, self._start(stretch) + self._limit)

    def _needed_from(self) -> int:
        """Clock of the earliest sample that may still be asked for."""
        if self._stretch is not None:
            return self._start(self._stretch)
        return max(self._free, self._clock(self._number - REACH - MAX_LATE) - self._preroll)

    def _cut(self, stretch: Stretch) -> Utterance:
        """Cut at the quietest place of the last second; what follows is a stretch of its own."""
        span = round(_CUT_SECONDS * SAMPLE_RATE)
        last = self._frames_until(self._start(stretch) + self._limit)
        where = stretch.quietest(last - span // HOP + 1, last)
        end = self._clock(where) + HOP // 2
        utterance = self._utterance(stretch, end, "limit")
        self._stretch = stretch.rest_from(where)
        return utterance

    def _utterance(self, stretch: Stretch, end: int, ended_by: EndedBy) -> Utterance:
        start = self._start(stretch)
        samples = self._history.view(start, end).copy()
        frames_end = self._frames_until(end)
        count, power = stretch.speech_before(frames_end)
        noise = stretch.background if stretch.background is not None else stretch.quiet_before(frames_end)
        self._free = end
        self._shown_length = 0
        return Utterance(
            samples=samples,
            start=start,
            end=end,
            speech_seconds=count * HOP / SAMPLE_RATE,
            snr_db=min(_MAX_SNR_DB, _decibels(max(power - noise, 1e-12) / max(noise, 1e-12))),
            level_dbfs=_decibels(power),
            peak_dbfs=_decibels(float(max(samples.max(), -samples.min())) ** 2),
            clipped_fraction=self._clipped_fraction(samples, start, end),
            ended_by=ended_by,
        )

    def _clipped_fraction(self, samples: Float32, start: int, end: int) -> float:
        """Share of samples at full scale: as seen here or, where resampling rounded them off, as the source said."""
        seen = int(np.count_nonzero(samples >= _FULL_SCALE) + np.count_nonzero(samples <= -_FULL_SCALE)) / len(samples)
        if seen or not self._clipped:
            return seen
        told = sum(
            clipped * max(0, min(end, last) - max(start, first)) / (last - first)
            for first, last, clipped in self._clipped
        )
        return told / (end - start)


def _decibels(power: float) -> float:
    return 10 * math.log10(power) if power > 10 ** (_MIN_DBFS / 10) else _MIN_DBFS
