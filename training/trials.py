"""Trial lists: who is compared with whom, and the audio that each side stands for.

Takes: tab-separated lists with the columns ``target enrol_speaker enrol test_speaker test noise`` and the folder of the
speech. Gives: ``TrialList`` and, through ``Audio``, float32 mono 16 kHz samples.

Syntax of a side: utterances separated by ``;`` (embedded one by one and averaged after length normalisation), each
made of clips joined by ``|``; a clip is ``path`` or ``path@start+seconds``. Noise is ``path@start:snr_db``; it applies
to the test side, is taken from ``start``, repeated to the length of the utterance and scaled so that the power ratio
over the whole utterance is ``snr_db``.

Must hold: the samples are the same, to the bit, as those of any other program that follows this description: positions
are truncated to whole samples, arithmetic is float32.
"""

from __future__ import annotations

import csv
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from edge.errors import AudioFileError, UsageError
from edge.records import SAMPLE_RATE, Float32

COLUMNS: Final = ("target", "enrol_speaker", "enrol", "test_speaker", "test", "noise")


@dataclass(frozen=True, slots=True)
class Clip:
    """A stretch of a file. ``seconds`` None: from ``start_seconds`` to the end."""

    path: str
    start_seconds: float = 0.0
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Noise:
    """Background for a side: where it is taken from, and the speech-to-noise power ratio."""

    path: str
    start_seconds: float
    snr_db: float


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a trial. ``utterances``: each a tuple of clips that are joined without a gap."""

    utterances: tuple[tuple[Clip, ...], ...]
    noise: Noise | None = None


@dataclass(frozen=True, slots=True)
class Trial:
    """Is the voice of ``test`` that of ``enrol``? ``target``: it is."""

    target: bool
    enrol_speaker: str
    enrol: Side
    test_speaker: str
    test: Side


@dataclass(frozen=True, slots=True)
class TrialList:
    """A named list. ``name``: the file's name without its ending."""

    name: str
    trials: tuple[Trial, ...]


def read_list(path: Path) -> TrialList:
    """Read a list. Raises ``UsageError`` naming the file and line where it cannot be understood."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file, delimiter="\t"))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"The trial list {path} cannot be read ({error})", "Check the path.") from error
    if not rows:
        raise UsageError(f"The trial list {path} has no trials", "It needs a header line and one line per trial.")
    missing = [name for name in COLUMNS if name not in rows[0]]
    if missing:
        raise UsageError(
            f"The trial list {path} has no column {missing[0]}", f"The first line must name {', '.join(COLUMNS)}."
        )
    trials = []
    sides: dict[tuple[str, str], Side] = {}
    for number, row in enumerate(rows, start=2):
        try:
            trials.append(_trial(row, sides))
        except ValueError as error:
            raise UsageError(f"Line {number} of {path} is not a trial: {error}", "Correct or remove it.") from error
    return TrialList(path.stem, tuple(trials))


def _trial(row: dict[str, str | None], sides: dict[tuple[str, str], Side]) -> Trial:
    values = {name: row[name] or "" for name in COLUMNS}
    if values["target"] not in ("0", "1"):
        raise ValueError(f"target is {values['target']!r}, not 0 or 1")
    return Trial(
        target=values["target"] == "1",
        enrol_speaker=values["enrol_speaker"],
        enrol=_shared(sides, values["enrol"], ""),
        test_speaker=values["test_speaker"],
        test=_shared(sides, values["test"], values["noise"]),
    )


def _shared(sides: dict[tuple[str, str], Side], text: str, noise: str) -> Side:
    # The same side occurs in hundreds of trials; parsing it once keeps lists small and equality checks quick.
    key = (text, noise)
    if key not in sides:
        sides[key] = parse_side(text, noise)
    return sides[key]


def parse_side(text: str, noise: str = "") -> Side:
    """Parse a side and its noise (empty: none). Raises ``ValueError`` saying what is wrong."""
    utterances = tuple(tuple(parse_clip(clip) for clip in part.split("|")) for part in text.split(";"))
    return Side(utterances, parse_noise(noise) if noise else None)


def parse_clip(text: str) -> Clip:
    """Parse ``path`` or ``path@start+seconds``. Raises ``ValueError``."""
    path, at, span = text.partition("@")
    if not path:
        raise ValueError("a clip has no path")
    if not at:
        return Clip(path)
    start, plus, seconds = span.partition("+")
    if not plus:
        raise ValueError(f"{text!r} should read path@start+seconds")
    clip = Clip(path, _number(start, text), _number(seconds, text))
    if clip.start_seconds < 0 or not clip.seconds or clip.seconds < 0:
        raise ValueError(f"{text!r} names an impossible stretch")
    return clip


def parse_noise(text: str) -> Noise:
    """Parse ``path@start:snr_db``. Raises ``ValueError``."""
    where, colon, snr_db = text.rpartition(":")
    path, at, start = where.partition("@")
    if not (colon and at and path):
        raise ValueError(f"{text!r} should read path@start:snr_db")
    return Noise(path, _number(start, text), _number(snr_db, text))


def _number(text: str, whole: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise ValueError(f"{text!r} in {whole!r} is not a number") from None
    if not np.isfinite(value):
        raise ValueError(f"{text!r} in {whole!r} is not finite")
    return value


class Audio:
    """Reads clips below one folder and keeps the files used last in memory."""

    def __init__(self, root: Path, keep_files: int = 512) -> None:
        """Remember ``root``; nothing is opened yet."""
        self.root = root
        self._keep = keep_files
        self._files: OrderedDict[str, Float32] = OrderedDict()

    def file(self, path: str) -> Float32:
        """Return a whole file as float32 ``(n,)``. Raises ``AudioFileError`` unless it is 16 kHz mono."""
        if path in self._files:
            self._files.move_to_end(path)
            return self._files[path]
        import soundfile

        try:
            samples, rate = soundfile.read(self.root / path, dtype="float32")
        except (OSError, RuntimeError) as error:
            raise AudioFileError(
                f"{self.root / path} cannot be read ({error})", "Point --speech at the folder that the lists refer to."
            ) from error
        if rate != SAMPLE_RATE or samples.ndim != 1:
            channels = samples.shape[1] if samples.ndim > 1 else 1
            raise AudioFileError(
                f"{path} has {rate} Hz and {channels} channels", "Trial lists need 16 kHz mono: convert it first."
            )
        self._files[path] = samples
        if len(self._files) > self._keep:
            self._files.popitem(last=False)
        return self._files[path]

    def clip(self, clip: Clip) -> Float32:
        """Return the samples of a clip. Raises ``AudioFileError`` where the file ends before it begins."""
        samples = self.file(clip.path)
        if clip.seconds is not None:
            first = int(clip.start_seconds * SAMPLE_RATE)
            samples = samples[first : int((clip.start_seconds + clip.seconds) * SAMPLE_RATE)]
        if not len(samples):
            raise AudioFileError(f"{clip.path} ends before {clip.start_seconds} s", "Check the list's positions.")
        return samples

    def utterances(self, side: Side, change: Callable[[Float32], Float32] | None = None) -> list[Float32]:
        """Return each utterance of a side, float32 ``(n,)``, with the side's noise mixed in.

        ``change``: what happens to the voice before the noise is there.
        """
        found = []
        for clips in side.utterances:
            samples = np.concatenate([self.clip(clip) for clip in clips])
            samples = samples if change is None else change(samples)
            found.append(samples if side.noise is None else self.mix(samples, side.noise))
        return found

    def mix(self, samples: Float32, noise: Noise) -> Float32:
        """Return ``samples`` with background at ``noise.snr_db`` (power over the whole utterance)."""
        background = self.file(noise.path)[int(noise.start_seconds * SAMPLE_RATE) :]
        if not len(background):
            raise AudioFileError(f"{noise.path} ends before {noise.start_seconds} s", "Check the list's positions.")
        return mix(samples, background, noise.snr_db)


def mix(samples: Float32, background: Float32, snr_db: float) -> Float32:
    """Return float32 ``(n,)``: ``samples`` plus ``background``, repeated to length ``n`` and scaled to ``snr_db``."""
    background = np.tile(background, int(np.ceil(len(samples) / len(background))))[: len(samples)]
    gain = np.sqrt(np.mean(samples**2) / (np.mean(background**2) + 1e-12)) * 10 ** (-snr_db / 20)
    mixed: Float32 = (samples + gain * background).astype(np.float32)
    return mixed
