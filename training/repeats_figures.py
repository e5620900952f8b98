"""Live speech taken for a repeat, and copies that are found: ``python -m training.repeats_figures SPEECH``.

Takes a folder of speech with its manifest; prints two tables. Must hold: what is asked and what is remembered are never
the same recording in the first table, and always in the second; the same folder gives the same numbers.

The sets hold the same words by the same person many times: acted sentences (RAVDESS, twice in each mood; EmoDB) and
digits (FSDD, 50 takes of each, here as strings of six with pauses).
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from edge.audio import read_samples, resample
from edge.calibrate.intervals import upper_bound
from edge.records import SAMPLE_RATE, Float32
from edge.spoof import simulate
from edge.spoof.fingerprint import Bits, kept, trace
from edge.spoof.matching import find
from training.augment.codecs import codecs
from training.augment.levels import add_noise
from training.corpus import Recording, read_manifest

SETS: Final = ("ravdess", "emodb", "librispeech")
ASKED: Final = 12
"""Recordings per person that are asked about."""
MOST_SECONDS: Final = 8.0
STRINGS: Final = 60
_SECRET: Final = bytes(32)
_LONG_SECONDS: Final = 3.0


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print."""
    (folder,) = sys.argv[1:] if argv is None else argv
    root = Path(folder)
    rows = [row for row in read_manifest(root) if row.split == "dev"]
    print("live speech taken for a repeat: set, people, asked, compared with, false, 95 % upper bound")
    for name in SETS:
        _false(name, [[_read(root, row) for row in group] for group in _people(rows, name)])
    _false("fsdd strings", [_strings(root, group) for group in _people(rows, "fsdd")])
    print("copies found: what was done, of those of 3 s and more, of shorter ones")
    _copies(root, [group[0] for name in SETS for group in _people(rows, name)])
    return 0


def _people(rows: Sequence[Recording], name: str) -> list[list[Recording]]:
    groups: dict[str, list[Recording]] = {}
    for row in rows:
        if row.set == name:
            groups.setdefault(row.speaker, []).append(row)
    return [groups[who] for who in sorted(groups)]


def _read(root: Path, row: Recording) -> Float32:
    return read_samples(root / row.path)[: round(MOST_SECONDS * SAMPLE_RATE)]


def _strings(root: Path, group: Sequence[Recording]) -> list[Float32]:
    """Strings of six digits; no take of a digit is in two of them."""
    rng = np.random.default_rng(5)
    takes = [_read(root, group[int(index)]) for index in rng.permutation(len(group))]
    strings = []
    for begin in range(0, min(len(takes), 6 * STRINGS) - 5, 6):
        parts: list[Float32] = []
        for take in takes[begin : begin + 6]:
            parts += [take, np.zeros(int(rng.integers(1_600, 4_800)), np.float32)]
        strings.append(np.concatenate(parts))
    return strings


def _false(name: str, people: Sequence[Sequence[Float32]]) -> None:
    asked = compared = false = 0
    for clips in people:
        prints = [kept(trace(samples, _SECRET)) for samples in clips]
        for index in np.random.default_rng(3).permutation(len(clips))[:ASKED]:
            others: list[Bits] = [found for number, found in enumerate(prints) if number != index]
            asked += 1
            compared += len(others)
            false += find(clips[index], _SECRET, others) is not None
    print(f"{name}, {len(people)}, {asked}, {compared}, {false}, {100 * upper_bound(false, asked):.2f} %", flush=True)


def _copies(root: Path, rows: Sequence[Recording]) -> None:
    found: dict[str, dict[bool, list[bool]]] = {}
    for number, row in enumerate(rows):
        samples = _read(root, row)
        prints = [kept(trace(samples, _SECRET))]
        rng = np.random.default_rng(number)
        for words, changed in _changed(samples, rng):
            is_long = len(samples) >= _LONG_SECONDS * SAMPLE_RATE
            hit = find(changed, _SECRET, prints) is not None
            found.setdefault(words, {True: [], False: []})[is_long].append(hit)
    for words, by_length in found.items():
        shares = [f"{sum(hits)} of {len(hits)}" for hits in (by_length[True], by_length[False])]
        print(f"{words}, {', '.join(shares)}", flush=True)


def _changed(samples: Float32, rng: np.random.Generator) -> Iterator[tuple[str, Float32]]:
    shifted = samples[int(rng.integers(1, 1_600)) :]
    yield "the very samples", samples
    yield "shifted by up to 0.1 s and 20 dB softer", shifted * np.float32(0.1)
    yield "two seconds cut out of it", samples[SAMPLE_RATE // 4 :][: 2 * SAMPLE_RATE]
    for rate in (8_000, 44_100):
        yield f"by way of {rate} Hz", resample(resample(shifted, SAMPLE_RATE, rate), rate, SAMPLE_RATE)
    for codec in codecs():
        yield codec.words, codec.round_trip(shifted)
    for snr_db in (20.0, 10.0):
        noise = rng.normal(size=len(shifted)).astype(np.float32)
        yield f"with noise {snr_db:.0f} dB below", add_noise(shifted, noise, snr_db)
    for ratio in (1.01, 1.02):
        yield f"{100 * (ratio - 1):.0f} % faster", simulate.faster(shifted, ratio)
    for metres, rt60 in ((0.3, 0.2), (1.0, 0.4)):
        there = simulate.room(shifted, rng, rt60_seconds=rt60, distance_metres=metres)
        yield f"played {metres:g} m away in a room of {rt60:g} s (simulated)", there


if __name__ == "__main__":
    sys.exit(main())
