"""Recordings and microphones as the commands use them: find them, run them through a pipeline, explain silence.

Takes what stands on the command line; gives sources, results, and for a source without any result the reason. Must
hold: one odd file never stops the others; "nothing was heard" always comes with why.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np

from edge.audio import FileSource, audio_files, open_source
from edge.auth.words import REMEDIES, SENTENCES
from edge.errors import AudioFileError, AudioRejectedError, EarmarkError
from edge.pipeline import Pipeline
from edge.records import SAMPLE_RATE, AudioBlock, AudioSource, QualityReason, Result
from edge.settings import Settings

STDIN: Final = "-"
_CLIPPED_SHARE: Final = 0.1
_STEADY_DB: Final = 6.0
"""A source whose loud and quiet moments differ by less than this holds no speech that stands out."""


@dataclass(slots=True)
class Hearing:
    """What came from one source. ``levels_dbfs``: of each block."""

    samples: int = 0
    clipped: int = 0
    levels_dbfs: list[float] = field(default_factory=list)
    utterances: int = 0

    @property
    def seconds(self) -> float:
        """Audio that came."""
        return self.samples / SAMPLE_RATE

    def take(self, block: AudioBlock) -> None:
        """Note a block."""
        self.samples += len(block.samples)
        self.clipped += block.clipped
        if len(block.samples):
            power = float(np.mean(np.square(block.samples, dtype=np.float64)))
            self.levels_dbfs.append(10 * math.log10(power) if power > 1e-12 else -120.0)

    def why_nothing(self, settings: Settings) -> QualityReason:
        """Why no utterance was found."""
        loudest = max(self.levels_dbfs, default=-120.0)
        if loudest < settings.segment.floor_dbfs:
            return "silent"
        if self.clipped > _CLIPPED_SHARE * max(1, self.samples):
            return "clipped"
        if self.seconds < settings.decide.min_speech_seconds:
            return "too_short"
        quietest = float(np.percentile(self.levels_dbfs, 10))
        if loudest - quietest < _STEADY_DB and loudest > settings.segment.floor_dbfs + _STEADY_DB:
            return "too_noisy"
        return "not_speech"


def rejection(reason: str, where: str = "") -> AudioRejectedError:
    """The error for audio that allows no decision, as a sentence with a remedy."""
    sentence = SENTENCES.get(reason, f"the audio cannot be used ({reason})")
    return AudioRejectedError(
        reason, f"{where}: {sentence}" if where else f"No decision: {sentence}", REMEDIES.get(reason, "")
    )


def expand(texts: Sequence[str]) -> tuple[list[str], list[AudioFileError]]:
    """Files in the order given, folders replaced by the audio files in them; and what could not be used in folders."""
    found: list[str] = []
    problems: list[AudioFileError] = []
    for text in texts:
        if text != STDIN and Path(text).is_dir():
            listing = audio_files(text)
            problems += listing.problems
            found += [str(path) for path in listing.files]
            if not listing.files and not listing.problems:
                problems.append(AudioFileError(f"{text} holds no audio file"))
        else:
            found.append(text)
    return found, problems


def open_recording(text: str, settings: Settings, *, realtime: bool = False) -> AudioSource:
    """A file, or ``-`` for the standard input (WAV, or 16-bit samples at 16 kHz, mono)."""
    if text == STDIN:
        return open_source(STDIN, settings.audio)
    return FileSource(text, settings.audio.block_ms, realtime=realtime)


def open_microphone(device: str, settings: Settings) -> AudioSource:
    """The microphone that ``device`` means; empty takes the one of the settings."""
    configured = settings.audio.source if settings.audio.source.startswith("mic") else "mic"
    return open_source(f"mic:{device}" if device else configured, settings.audio)


def notes_of(source: AudioSource) -> list[str]:
    """What was wrong with a file without making it useless; complete when it has been read."""
    notes: list[str] = getattr(source, "notes", [])
    return notes


def listen(
    pipeline: Pipeline,
    source: AudioSource,
    hearing: Hearing | None = None,
    *,
    limit_seconds: float = math.inf,
    on_seconds: Callable[[float], None] = lambda seconds: None,
) -> Iterator[Result]:
    """The results of a source, as they come, at most ``limit_seconds`` of audio; the source is closed at the end.

    ``on_seconds`` is told how much audio each block brought. Raises what the source raises. The pipeline is ready for
    another source afterwards.
    """
    hearing = hearing if hearing is not None else Hearing()
    try:
        for block in source.blocks():
            hearing.take(block)
            on_seconds(len(block.samples) / SAMPLE_RATE)
            for result in pipeline.push(block):
                hearing.utterances += 1
                yield result
            if hearing.seconds >= limit_seconds:
                break
        for result in pipeline.finish():
            hearing.utterances += 1
            yield result
    except EarmarkError:
        pipeline.finish()
        raise
    finally:
        source.close()


def add_microphone(parser: argparse.ArgumentParser) -> None:
    """``--mic [DEVICE]``."""
    parser.add_argument(
        "--mic", nargs="?", const="", metavar="DEVICE", help="listen to a microphone: number or part of its name"
    )
