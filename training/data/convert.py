"""Reads a recording of any rate, channel count and codec as 16 kHz mono, piece by piece.

Takes a path; gives float32 pieces. Must hold: memory is bounded by a second of audio; a file that is damaged or cut
short is refused with its reason, for half a recording under a whole recording's label teaches something false. What
libsndfile does not read (M4A, as in VoxCeleb 2) goes through ``ffmpeg`` where that is installed.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np

from edge.audio.files import FileSource
from edge.audio.sniff import HEAD_BYTES, sniff
from edge.errors import AudioFileError
from edge.records import SAMPLE_RATE, Float32

_PIECE_BYTES: Final = 4 * SAMPLE_RATE
_PATIENCE_SECONDS: Final = 10.0

FFMPEG: Final = "ffmpeg"


def needs_ffmpeg(path: Path) -> bool:
    """Whether libsndfile can't read files of this kind, as far as the first bytes say."""
    try:
        with path.open("rb") as file:
            kind = sniff(file.read(HEAD_BYTES))
    except OSError:
        return False
    return kind is not None and not kind.readable


def pieces(path: Path) -> Iterator[Float32]:
    """Yield float32 ``(n,)`` at 16 kHz, mono. Raises ``AudioFileError`` with the reason, also after some pieces."""
    if needs_ffmpeg(path):
        yield from _through_ffmpeg(path)
        return
    source = FileSource(path, block_ms=1000)
    try:
        for block in source.blocks():
            yield block.samples
    finally:
        source.close()
    if source.notes:
        raise AudioFileError(f"damaged: {source.notes[0]}")


def read_any(path: Path) -> Float32:
    """The whole recording. Raises ``AudioFileError``."""
    found = list(pieces(path))
    return np.concatenate(found) if found else np.zeros(0, np.float32)


def _through_ffmpeg(path: Path) -> Iterator[Float32]:
    program = shutil.which(FFMPEG)
    if not program:
        raise AudioFileError("unreadable without ffmpeg", "Install it: apt-get install ffmpeg.")
    # The path is absolute, so that no name is taken for an option or a protocol.
    command = [program, "-nostdin", "-v", "error", "-threads", "1", "-xerror", "-i", f"file:{path.absolute()}"]
    command += ["-map", "0:a:0", "-ac", "1", "-ar", str(SAMPLE_RATE), "-f", "f32le", "-"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            if process.stdout is None or process.stderr is None:
                raise AudioFileError("unreadable: ffmpeg gave no pipe")
            while data := process.stdout.read(_PIECE_BYTES):
                yield np.frombuffer(data[: len(data) // 4 * 4], "<f4").astype(np.float32)
            said = process.stderr.read().decode(errors="replace").strip().splitlines()
            if process.wait(_PATIENCE_SECONDS):
                raise AudioFileError(f"unreadable ({said[-1] if said else 'ffmpeg failed'})")
        finally:
            process.kill()
