"""Speech or not, from the statistics that the speaker encoder pools anyway.

Takes a corpus folder and an ``Encoder``. Gives ``speech_kernel`` (2C,) and ``speech_bias`` for ``head.npz`` and what
a held-out part says about them. Must hold: no ``dev`` speaker enters; noise is held out by recording source (ESC-10's
folds, whole files of the others, fresh seeds of the made-up sounds), speech by speaker or by file; the bias is set so
that a probability of 0.5 misses at most the stated share of held-out speech.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from convert import sounds
from convert.clips import mix, read_speech
from convert.encoder import Encoder
from convert.graph import Float32
from convert.logistic import fit
from edge.records import SAMPLE_RATE
from training.corpus import Recording

HELD_OUT_FOLDS: Final = ("4", "5")
"""ESC-10 folds (the number that a file's name begins with) kept for the test."""
SPEECH_PER_SET: Final = 110
SOUNDS_PER_KIND: Final = 60
MISSED_SPEECH: Final = 0.005
PENALTY: Final = 1e-3
SHORTEST: Final = SAMPLE_RATE
"""Samples of the shortest sound; the edge embeds nothing under half a second."""


@dataclass(frozen=True, slots=True, eq=False)
class Example:
    """One sound. ``group``: its set or kind, for the report; ``held_out``: belongs to the test."""

    samples: Float32
    group: str
    speech: bool
    held_out: bool


@dataclass(frozen=True, slots=True, eq=False)
class SpeechHead:
    """Weights (2C,), bias, and held-out figures."""

    kernel: Float32
    bias: float
    report: dict[str, object]


def _split(name: str, rng: np.random.Generator, cache: dict[str, bool]) -> bool:
    """True for the third of names that is held out."""
    return cache.setdefault(name, bool(rng.random() < 1 / 3))


def _noise_held_out(recording: Recording, rng: np.random.Generator, cache: dict[str, bool]) -> bool:
    if recording.set == "esc10":
        return Path(recording.path).name[0] in HELD_OUT_FOLDS
    return _split(recording.path, rng, cache)


def noises(folder: Path, recordings: Sequence[Recording], seed: int) -> Iterator[Example]:
    """Recorded and made-up sounds that are no speech, 1 to 3 seconds each."""
    rng, cache = np.random.default_rng((seed, 1)), dict[str, bool]()
    for recording in recordings:
        if recording.split != "noise":
            continue
        whole = read_speech(folder / recording.path)
        whole = np.resize(whole, max(len(whole), SHORTEST))  # a single tap becomes a row of taps
        held_out = _noise_held_out(recording, rng, cache)
        # An ESC-10 clip is five seconds, often padded with silence: take the loud places. The few long files give more.
        for _ in range(2 if recording.set == "esc10" else 12):
            length = min(len(whole), int(rng.uniform(1.0, 3.0) * SAMPLE_RATE))
            starts = rng.integers(0, len(whole) - length + 1, 4)
            start = starts[int(np.argmax([np.sum(whole[at : at + length] ** 2) for at in starts]))]
            name = f"esc10 {Path(recording.path).parent.name}" if recording.set == "esc10" else "noise"
            yield Example(whole[start : start + length], name, False, held_out)
    for kind in sounds.KINDS:
        for index in range(SOUNDS_PER_KIND):
            count = int(rng.uniform(1.0, 3.0) * SAMPLE_RATE)
            yield Example(sounds.make(kind, rng, count), f"made-up {kind}", False, index % 3 == 0)


def speech(folder: Path, recordings: Sequence[Recording], seed: int) -> Iterator[Example]:
    """Speech of every training set: a half clean, a half with noise at 5 to 20 dB; 0.8 to 3 seconds."""
    rng, cache = np.random.default_rng((seed, 2)), dict[str, bool]()
    noise = [r for r in recordings if r.split == "noise"]
    apart = {r.path: _noise_held_out(r, np.random.default_rng(0), {}) for r in noise if r.set == "esc10"}
    for name in sorted({r.set for r in recordings if r.split == "train"}):
        pool = [r for r in recordings if r.split == "train" and r.set == name and r.seconds >= 0.5]
        speakers = {r.speaker for r in pool}
        for index in rng.permutation(len(pool))[:SPEECH_PER_SET]:
            recording = pool[int(index)]
            by_person = len(speakers) > 3
            held_out = _split(f"{name} {recording.speaker if by_person else recording.path}", rng, cache)
            whole = read_speech(folder / recording.path)
            length = min(len(whole), int(rng.uniform(0.8, 3.0) * SAMPLE_RATE))
            start = _loudest(whole, length)
            samples = whole[start : start + length]
            if rng.random() < 0.5:
                usable = [path for path, held in apart.items() if held == held_out]
                under = read_speech(folder / usable[int(rng.integers(len(usable)))])
                samples = mix(samples, under[_loudest(under, min(len(under), length)) :], float(rng.uniform(5, 20)))
            yield Example(samples, name, True, held_out)


def _loudest(samples: Float32, length: int) -> int:
    """Start of the loudest stretch of ``length`` samples, to a tenth of a second."""
    power = np.concatenate([[0.0], np.cumsum(samples.astype(np.float64) ** 2)])
    starts = np.arange(0, len(samples) - length + 1, SAMPLE_RATE // 10)
    return int(starts[np.argmax(power[starts + length] - power[starts])])


def train(
    encoder: Encoder,
    folder: Path,
    recordings: Sequence[Recording],
    seed: int,
    progress: Callable[[int, str], None] | None = None,
) -> SpeechHead:
    """Fit the head and measure it on what was held out; then shift the bias so that 0.5 is the chosen threshold."""
    rows: list[Float32] = []
    examples: list[tuple[str, bool, bool]] = []
    for source in (speech(folder, recordings, seed), noises(folder, recordings, seed)):
        for example in source:
            for pooled in encoder.statistics(example.samples):
                rows.append(pooled)
                examples.append((example.group, example.speech, example.held_out))
            if progress:
                progress(len(rows), example.group)
    x = np.stack(rows).astype(np.float64)
    groups = np.array([group for group, _, _ in examples])
    is_speech = np.array([spoken for _, spoken, _ in examples])
    held_out = np.array([held for _, _, held in examples])
    kernel, bias = fit(x[~held_out], is_speech[~held_out], PENALTY)
    score = x @ kernel + bias
    tested = score[held_out & is_speech]
    threshold = float(np.sort(tested)[int(MISSED_SPEECH * len(tested))]) - 1e-3
    bias -= min(threshold, 0.0)
    report = _report(score - min(threshold, 0.0), groups, is_speech, held_out)
    return SpeechHead(kernel.astype(np.float32), bias, report)


def _report(
    score: npt.NDArray[np.float64],
    groups: npt.NDArray[np.str_],
    is_speech: npt.NDArray[np.bool_],
    held_out: npt.NDArray[np.bool_],
) -> dict[str, object]:
    """Shares of held-out windows judged wrongly, in percent, in all and by group."""

    def wrong(mask: npt.NDArray[np.bool_]) -> float:
        return round(100 * float(np.mean((score[mask] < 0) == is_speech[mask])), 2) if mask.any() else 0.0

    by_group = {str(g): wrong(held_out & (groups == g)) for g in sorted(set(groups.tolist()))}
    return {
        "held_out_speech_windows": int((held_out & is_speech).sum()),
        "held_out_other_windows": int((held_out & ~is_speech).sum()),
        "missed_speech_percent": wrong(held_out & is_speech),
        "false_speech_percent": wrong(held_out & ~is_speech),
        "wrong_percent_by_group": by_group,
    }
