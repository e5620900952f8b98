"""Samples to one vector: features, windows, network, pooling, mean of the windows.

Takes: float32 samples in any portions. Gives: ``Embedding``.
Must hold: windows are embedded as soon as they are full; the portions do not matter, since features, windows and
weights depend only on the samples. The steps are those of docs/architecture.md, "How an utterance becomes one vector".
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from edge.bundle.heads import Head, pool, unit
from edge.bundle.labels import Labels
from edge.errors import AudioRejectedError, BundleError, UsageError
from edge.features import FrontEnd, normalise
from edge.records import SAMPLE_RATE, Embedding, Float32, LabelAnswer, LabelKind

MIN_SECONDS: Final = 0.5
"""Less audio than this is never embedded."""

MIN_TAIL_FRAMES: Final = 50
"""What is left over after the full windows gets a window of its own if it is at least this long."""

_LOUDEST: Final = 64.0
"""Full scale is 1.0; anything far above it is 16-bit numbers in the clothes of float32."""


@dataclass(slots=True)
class Timings:
    """CPU milliseconds spent in this thread, added up over calls."""

    frontend_ms: float = 0.0
    encoder_ms: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Machinery:
    """What a stream needs of a bundle. ``frames_of``: float32 (window_frames, coefficients), normalised -> one or more
    outputs float32 (frames, channels): the first makes embeddings, the last is what label heads look at. ``fixed``:
    whether it takes exactly ``window_frames`` frames.
    """

    encoder: str
    front_end: FrontEnd
    frames_of: Callable[[Float32], tuple[Float32, ...]]
    fixed: bool
    window_frames: int
    head: Head
    labels: Mapping[LabelKind, Labels]
    space: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Statistics:
    """What label heads look at. ``pooled``: float32 ``(k, 2 * channels)``, mean and deviation of each window's last
    output. ``weights``: float32 ``(k,)``, frames that no earlier window covered, times the probability that they are
    speech (1 where the bundle has no speech head).
    """

    pooled: Float32
    weights: Float32


class EmbeddingStream:
    """The embedding of an utterance that is still being spoken; made by ``Bundle.stream``. For one thread at a time.

    ``frontend_ms`` and ``encoder_ms`` are the CPU time spent so far.
    """

    def __init__(self, machinery: Machinery, timings: Timings | None = None) -> None:
        self._machinery = machinery
        self._features = machinery.front_end.stream()
        self._timings = timings or Timings()
        self._before = (self._timings.frontend_ms, self._timings.encoder_ms)
        self._frames: list[Float32] = []  # not yet in any window
        self._waiting = 0
        self._last_window: Float32 | None = None
        self._samples = 0
        self._pooled: list[Float32] = []
        self._for_labels: list[Float32] = []
        self._weights: list[float] = []
        self._speech: list[float] = []
        self._finished = False

    @property
    def frontend_ms(self) -> float:
        """CPU milliseconds that this stream has spent on features."""
        return self._timings.frontend_ms - self._before[0]

    @property
    def encoder_ms(self) -> float:
        """CPU milliseconds that this stream has spent on network, pooling and heads."""
        return self._timings.encoder_ms - self._before[1]

    def push(self, samples: Float32) -> None:
        """Take the next samples, float32 ``(n,)`` at 16 kHz, full scale 1.0; embed the windows that became full.

        Raises ``UsageError`` for another shape or type, for values that are not finite, and after ``finish``.
        """
        if self._finished:
            raise UsageError("the stream has been finished", "Make a new one with Bundle.stream().")
        samples = checked(samples)
        started = time.thread_time()
        frames = self._features.push(samples)
        self._timings.frontend_ms += 1000 * (time.thread_time() - started)
        self._samples += len(samples)
        self._take(frames)

    def finish(self) -> Embedding:
        """End the utterance. Raises ``AudioRejectedError`` (``too_short``) for less than half a second of audio."""
        if self._finished:
            raise UsageError("the stream has been finished", "Make a new one with Bundle.stream().")
        self._finished = True
        seconds = self._samples / SAMPLE_RATE
        if seconds < MIN_SECONDS:
            raise AudioRejectedError(
                "too_short", f"{seconds:.2f} s of audio are too short", f"Give at least {MIN_SECONDS} s."
            )
        started = time.thread_time()
        frames = self._features.finish()
        self._timings.frontend_ms += 1000 * (time.thread_time() - started)
        self._take(frames)
        self._take_tail()
        started = time.thread_time()
        result = self._combine(seconds)
        self._timings.encoder_ms += 1000 * (time.thread_time() - started)
        return result

    def statistics(self) -> Statistics:
        """After ``finish``: what label heads look at."""
        spoken = np.asarray(self._speech or [1.0] * len(self._weights), np.float32)
        return Statistics(np.stack(self._for_labels), np.asarray(self._weights, np.float32) * spoken)

    def probabilities(self, kind: LabelKind) -> dict[str, float] | None:
        """After ``finish``: label -> probability by the head ``kind``, or None where the bundle has no such head."""
        head = self._machinery.labels.get(kind)
        if head is None:
            return None
        seen = self.statistics()
        return head.probabilities(seen.pooled, seen.weights.tolist())

    def answer(
        self, kind: LabelKind, *, speech_seconds: float | None = None, snr_db: float | None = None, voices: int = 1
    ) -> LabelAnswer | None:
        """After ``finish``: what the head ``kind`` says, which may be ``unsure``, or None where there is no such head;
        the rest as for ``Labels.answer``.
        """
        found = self.probabilities(kind)
        if found is None:
            return None
        # More speech than sound there cannot be.
        seconds = min(self._samples / SAMPLE_RATE, speech_seconds if speech_seconds is not None else math.inf)
        return self._machinery.labels[kind].answer(found, speech_seconds=seconds, snr_db=snr_db, voices=voices)

    def _take(self, frames: Float32) -> None:
        self._frames.append(frames)
        self._waiting += len(frames)
        length = self._machinery.window_frames
        if self._waiting < length:
            return
        together = np.concatenate(self._frames)
        full = len(together) - len(together) % length
        for start in range(0, full, length):
            self._embed(together[start : start + length], length)
        self._last_window = together[full - length : full].copy()
        self._frames = [together[full:].copy()]
        self._waiting = len(together) - full

    def _take_tail(self) -> None:
        """Cover what no full window covers: by a window that ends with the last frame, or, where there was no full
        window, by one that repeats the utterance.
        """
        if self._last_window is None:
            frames = np.concatenate(self._frames)
            length = self._machinery.window_frames
            window = frames[np.arange(length) % len(frames)] if self._machinery.fixed else frames
            self._embed(window, len(frames))
        elif self._waiting >= MIN_TAIL_FRAMES:
            together = np.concatenate([self._last_window, *self._frames])
            self._embed(together[-self._machinery.window_frames :], self._waiting)

    def _embed(self, window: Float32, new_frames: int) -> None:
        started = time.thread_time()
        ready = normalise(self._machinery.front_end.spec, window)
        outputs = self._machinery.frames_of(ready)
        pooled = pool(outputs[0])
        self._pooled.append(pooled)
        self._for_labels.append(pooled if len(outputs) == 1 else pool(outputs[-1]))
        self._weights.append(float(new_frames))
        self._timings.encoder_ms += 1000 * (time.thread_time() - started)

    def _combine(self, seconds: float) -> Embedding:
        head = self._machinery.head
        windows = np.stack([head.embed(pooled) for pooled in self._pooled])
        weights = np.asarray(self._weights, np.float32)
        vector = unit((windows * weights[:, np.newaxis]).sum(axis=0) / weights.sum())
        if not np.isfinite(vector).all():
            raise BundleError("the bundle's head turns this sound into values that are not finite", "Make it again.")
        speech = None
        if head.speech_kernel is not None:
            self._speech = [_logistic(head.speech_logit(pooled) or 0.0) for pooled in self._pooled]
            speech = float(np.average(self._speech, weights=weights))
        return Embedding(vector, windows, seconds, self._machinery.encoder, speech, self._machinery.space)


def checked(samples: Float32) -> Float32:
    """``samples`` as float32 ``(n,)``. Raises ``UsageError`` for what cannot be audio at full scale 1.0."""
    array = np.asarray(samples)
    if array.ndim != 1:
        raise UsageError(f"the samples have the shape {array.shape}", "Pass mono audio as a one-dimensional array.")
    if not np.issubdtype(array.dtype, np.floating):
        raise UsageError(
            f"the samples are {array.dtype}, not float32 with full scale 1.0", "Divide 16-bit samples by 32768."
        )
    peak = float(np.abs(array).max(initial=0.0))
    if not np.isfinite(peak):  # NaN and infinity both arrive here
        raise UsageError("the samples hold values that are not finite numbers", "Check where the audio comes from.")
    if peak > _LOUDEST:
        raise UsageError(f"the samples reach {peak:.0f}, and full scale is 1.0", "Divide 16-bit samples by 32768.")
    return array.astype(np.float32, copy=False)


def _logistic(logit: float) -> float:
    return float(0.5 * (1 + np.tanh(logit / 2)))
