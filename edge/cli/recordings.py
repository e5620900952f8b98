"""Recordings and microphones as the commands use them: find them, run them through a pipeline, explain silence.

Takes what stands on the command line; gives sources, results, and for a source without any result the reason. Must
hold: one odd file never stops the others; "nothing was heard" always comes with why.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

from edge.audio import FileSource, audio_files, open_source
from edge.auth.hearing import Hearing
from edge.auth.words import REMEDIES, SENTENCES
from edge.errors import AudioFileError, AudioRejectedError, EarmarkError
from edge.pipeline import Pipeline
from edge.records import SAMPLE_RATE, AudioBlock, AudioSource, Result
from edge.settings import Settings

__all__ = [
    "STDIN",
    "Hearing",
    "add_microphone",
    "expand",
    "listen",
    "notes_of",
    "open_microphone",
    "open_recording",
    "rejection",
]

STDIN: Final = "-"


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
    on_block: Callable[[AudioBlock], None] = lambda block: None,
) -> Iterator[Result]:
    """The results of a source, as they come, at most ``limit_seconds`` of audio; the source is closed at the end.

    ``on_seconds`` is told how much audio each block brought, ``on_block`` gets it. Raises what the source raises. The
    pipeline is ready for another source afterwards.
    """
    hearing = hearing if hearing is not None else Hearing()
    try:
        for block in source.blocks():
            hearing.take(block)
            on_block(block)
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
