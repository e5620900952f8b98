"""How well the segmenter finds speech and leaves noise alone, on recordings.

    python -m training.segmenter_report --speech DIR [--part tune|report] [--clips 40]
        [--min-speech-ms 400] [--json OUT]

Takes the folder of a speech collection (``manifest.tsv`` with the columns path, split, set; clips 16 kHz mono); gives
tables in Markdown: recall of speech in silence and in noise, seconds of each kind of noise that became utterances,
errors of starts and ends, cost. Must hold: the part ``tune`` (train speech, noise folds 1 and 2) shares no clip with
``report`` (dev speech, the other folds).
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile

from edge.records import SAMPLE_RATE, AudioBlock, Float32, Utterance
from edge.segment import Segmenter
from edge.settings import Segment

Mask = npt.NDArray[np.bool_]
Table = dict[str, dict[str, Any]]
"""Rows by name, then values by column."""

BLOCK = 1600
FRAME = 320
LEAD = 3 * SAMPLE_RATE
"""Samples of background before the sound in question."""
TAIL_MS = 200
"""What the segmenter keeps after the last speech."""
SNRS_DB = (None, 20.0, 10.0, 5.0)
"""None: the clip between stretches of digital silence."""
STEADY = ("Rain", "Sea_waves", "Helicopter", "Chainsaw", "boiler", "washing_machine")
"""Backgrounds that speech is mixed with."""


@dataclass
class Recall:
    """Sums over the clips of one set in one condition."""

    clips: int = 0
    found: int = 0
    speech_frames: int = 0
    covered_frames: int = 0
    snr_errors: list[float] = field(default_factory=list)

    def cell(self) -> str:
        """Percent of clips found (four fifths of their speech inside utterances) and of speech inside utterances."""
        found = 100 * self.found / max(1, self.clips)
        return f"{found:.0f} / {100 * self.covered_frames / max(1, self.speech_frames):.0f}"


class Collection:
    """Clips of a speech collection by split and set."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with (folder / "manifest.tsv").open(newline="", encoding="utf-8") as file:
            self._rows = list(csv.DictReader(file, delimiter="\t"))

    def sets(self, split: str) -> list[str]:
        """Names of the sets of a split."""
        return sorted({row["set"] for row in self._rows if row["split"] == split})

    def clips(self, split: str, name: str, count: int) -> list[Float32]:
        """``count`` clips of a set, chosen evenly, float32 mono."""
        paths = sorted(row["path"] for row in self._rows if row["split"] == split and row["set"] == name)
        return [self.read(path) for path in paths[:: max(1, len(paths) // count)][:count]]

    def noises(self, part: str) -> dict[str, list[Float32]]:
        """Kinds of noise; ESC-10's folds 1 and 2 are for tuning, and every other one of the loose recordings."""
        found: dict[str, list[Float32]] = defaultdict(list)
        loose = sorted(row["path"] for row in self._rows if row["set"] == "noise")
        for row in self._rows:
            path = Path(row["path"])
            if row["set"] == "esc10":
                tune, kind = path.name[0] in "12", path.parent.name.partition("_")[2]
            elif row["set"] == "noise":
                tune, kind = loose.index(row["path"]) % 2 == 0, path.stem.split("__")[-1]
            else:
                continue
            if tune == (part == "tune"):
                found[kind].append(self.read(row["path"]))
        return dict(found)

    def read(self, path: str) -> Float32:
        """One clip, float32 ``(n,)``."""
        samples, rate = soundfile.read(self._folder / path, dtype="float32", always_2d=True)
        if rate != SAMPLE_RATE:
            raise ValueError(f"{path} has {rate} Hz, not {SAMPLE_RATE}")
        return np.ascontiguousarray(samples.mean(axis=1))


def utterances_of(samples: Float32, settings: Segment) -> list[Utterance]:
    """What the segmenter makes of a whole signal, in blocks of 100 ms."""
    segmenter = Segmenter(settings)
    found = []
    for start in range(0, len(samples), BLOCK):
        found += segmenter.push(AudioBlock(samples[start : start + BLOCK], start))
    return found + segmenter.finish()


def speech_frames(clip: Float32) -> Mask:
    """Which 20 ms frames of a clean clip are speech: within 35 dB of its loud frames and 8 dB above its quiet ones."""
    frames = clip[: len(clip) // FRAME * FRAME].reshape(-1, FRAME)
    frames = frames - frames.mean(axis=1, keepdims=True)
    level = 10 * np.log10(np.mean(frames.astype(np.float64) ** 2, axis=1) + 1e-12)
    loud = np.percentile(level, 95)
    quiet = np.percentile(level, 5)
    speech: Mask = level > max(loud - 35, min(quiet + 8, loud - 20))
    # One loud frame in silence is a click.
    lasting: Mask = np.convolve(speech, np.ones(5), mode="same") >= 3
    return speech & lasting


def covered(utterances: Iterable[Utterance], frames: int, offset: int) -> Mask:
    """Which frames of a clip that begins at sample ``offset`` lie inside an utterance."""
    inside = np.zeros(frames, bool)
    for utterance in utterances:
        middle = FRAME // 2
        first = -(-(utterance.start - offset - middle) // FRAME)
        end = -(-(utterance.end - offset - middle) // FRAME)
        inside[max(0, first) : max(0, end)] = True
    return inside


def mixed(clip: Float32, speech: Mask, noise: Float32 | None, snr_db: float | None, lead: int) -> Float32:
    """The clip after ``lead`` samples and before one and a half seconds of silence or noise."""
    total = lead + len(clip) + SAMPLE_RATE * 3 // 2
    scene = np.zeros(total, np.float32)
    scene[lead : lead + len(clip)] = clip
    if noise is not None and snr_db is not None:
        power = np.mean(clip[: len(speech) * FRAME].reshape(-1, FRAME)[speech].astype(np.float64) ** 2)
        long = np.tile(noise, -(-total // len(noise)))[:total]
        scene += long * np.float32(np.sqrt(power / 10 ** (snr_db / 10) / np.mean(long.astype(np.float64) ** 2)))
    return scene


def quiet_room(seconds: int, dbfs: float) -> Float32:
    """White noise of this level, always the same."""
    noise = np.random.default_rng(0).standard_normal(seconds * SAMPLE_RATE)
    return np.asarray(noise * 10 ** (dbfs / 20), np.float32)


def measure_recall(clips: dict[str, list[Float32]], backgrounds: Sequence[Float32], settings: Segment) -> Table:
    """Recall by set and condition: clips found / speech inside utterances, percent; error of ``snr_db`` at 10 dB."""
    table: Table = {}
    for name, members in clips.items():
        judged = [(clip, speech) for clip, speech in ((c, speech_frames(c)) for c in members) if speech.sum() >= 10]
        row: dict[str, Any] = {"clips": len(judged)}
        for snr_db in SNRS_DB:
            recall = Recall()
            for number, (clip, speech) in enumerate(judged):
                scene = mixed(clip, speech, backgrounds[number % len(backgrounds)], snr_db, LEAD)
                found = utterances_of(scene, settings)
                inside = covered(found, len(speech), LEAD)
                recall.clips += 1
                recall.speech_frames += int(speech.sum())
                recall.covered_frames += int((inside & speech).sum())
                recall.found += bool((inside & speech).sum() >= 0.8 * speech.sum())
                recall.snr_errors += [utterance.snr_db - snr_db for utterance in found if snr_db is not None]
            row["silence" if snr_db is None else f"{snr_db:.0f} dB"] = recall.cell()
            if snr_db == 10:
                row["SNR error at 10 dB, dB"] = float(np.median(recall.snr_errors)) if recall.snr_errors else "-"
        table[name] = row
    return table


def measure_noise(noises: dict[str, list[Float32]], settings: Segment) -> Table:
    """For each kind: recordings, seconds, percent of them inside utterances, utterances per minute.

    Each recording comes suddenly after three seconds of a quiet room.
    """
    room = quiet_room(LEAD // SAMPLE_RATE, -68)
    table: Table = {}
    for kind, members in sorted(noises.items()):
        seconds = sum(map(len, members)) / SAMPLE_RATE
        inside, utterances = 0, 0
        for noise in members:
            found = utterances_of(np.concatenate((room, noise)), settings)
            inside += int(covered(found, len(noise) // FRAME, LEAD).sum())
            utterances += len(found)
        table[kind] = {
            "recordings": len(members),
            "seconds": seconds,
            "inside utterances, %": 100 * inside * FRAME / SAMPLE_RATE / seconds,
            "utterances per minute": 60 * utterances / seconds,
        }
    return table


def measure_edges(clips: dict[str, list[Float32]], background: Float32, settings: Segment) -> Table:
    """Errors of the first start and the last end of clips 20 dB over a background; positive: too late.

    The pre-roll and the tail that belong to the design are taken off first.
    """
    table: Table = {}
    for name, members in clips.items():
        starts: list[float] = []
        ends: list[float] = []
        several, missed = 0, 0
        for clip in members:
            speech = speech_frames(clip)
            if speech.sum() < 10:
                continue
            found = utterances_of(mixed(clip, speech, background, 20.0, LEAD), settings)
            if not found:
                missed += 1
                continue
            several += len(found) > 1
            first, last = np.flatnonzero(speech)[[0, -1]]
            starts.append((found[0].start - LEAD) / 16 + settings.preroll_ms - float(first) * 20)
            ends.append((found[-1].end - LEAD) / 16 - TAIL_MS - (float(last) + 1) * 20)
        table[name] = {
            "clips": len(starts),
            "missed": missed,
            "in several utterances": several,
            "start, ms": _quantiles(starts),
            "end, ms": _quantiles(ends),
        }
    return table


def _quantiles(values: Sequence[float]) -> str:
    """Median and, in brackets, the 10th and 90th percentile."""
    if not values:
        return "-"
    low, middle, high = np.percentile(values, [10, 50, 90])
    return f"{middle:.0f} [{low:.0f}, {high:.0f}]"


def measure_cost(scene: Float32) -> float:
    """CPU milliseconds per second of audio, blocks of 100 ms, median of three runs."""
    runs = []
    for _ in range(3):
        begun = time.process_time()
        utterances_of(scene, Segment())
        runs.append(1000 * (time.process_time() - begun) * SAMPLE_RATE / len(scene))
    return sorted(runs)[1]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        prog="python -m training.segmenter_report",
        description="How well the segmenter finds speech and leaves noise alone, on recordings.",
    )
    parser.add_argument("--speech", type=Path, required=True, help="folder with manifest.tsv")
    parser.add_argument("--part", choices=("tune", "report"), default="report")
    parser.add_argument("--clips", type=int, default=40, help="clips per set")
    parser.add_argument("--min-speech-ms", type=int, default=Segment().min_speech_ms, help="segment.min_speech_ms")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    options = parser.parse_args(arguments)
    collection = Collection(options.speech)
    split = "train" if options.part == "tune" else "dev"
    clips = {name: collection.clips(split, name, options.clips) for name in collection.sets(split)}
    noises = collection.noises(options.part)
    backgrounds = [noise for kind in STEADY for noise in noises.get(kind, ())][::3]
    settings = Segment(min_speech_ms=options.min_speech_ms)
    figures: dict[str, Table] = {
        "Speech found": measure_recall(clips, backgrounds, settings),
        "Noise taken for speech": measure_noise(noises, settings),
        "Starts and ends": measure_edges(clips, backgrounds[0], settings),
        "Cost": {
            name: {"CPU-ms per second of audio": measure_cost(scene)}
            for name, scene in (
                ("digital silence", np.zeros(30 * SAMPLE_RATE, np.float32)),
                ("room noise, -60 dBFS", quiet_room(30, -60)),
                *((kind, noises[kind][0][: 30 * SAMPLE_RATE]) for kind in STEADY if kind in noises),
                ("read speech", np.concatenate(clips["librispeech"][:3])),
            )
        },
    }
    print("\n\n".join(f"## {title}\n\n{as_markdown(table)}" for title, table in figures.items()))
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    return 0


def as_markdown(table: Table) -> str:
    """The table as Markdown, one row per name."""
    columns = list(next(iter(table.values())))
    lines = ["| | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    for name, row in table.items():
        lines.append(f"| {name} | " + " | ".join(_text(row[column]) for column in columns) + " |")
    return "\n".join(lines)


def _text(value: object) -> str:
    return f"{value:.1f}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    sys.exit(main())
