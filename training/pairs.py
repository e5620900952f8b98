"""Makes the enrolments and tests that a calibration is fitted on, out of labelled training speech.

Takes the manifest rows of the ``train`` and ``noise`` splits. Gives ``Take`` objects (a trial side, whose voice it is,
and a gain) in the variety that a household has: one to eight enrolment clips with 2 to 20 s together, tests of 0.7 to
8 s, clean and with background at 20, 10 and 5 dB, loud and soft.

Must hold: enrolments and tests of a speaker never share a file; nothing of the ``dev`` split is ever used; the same
seed gives the same takes.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from edge.errors import UsageError
from training import moods
from training.corpus import Recording, by_speaker
from training.moods import Mood
from training.trials import Clip, Noise, Side

READ_SETS: Final = ("librispeech", "vctk", "cmuarctic", "rhasspyvoice")
"""Sets of sentences; pieces are cut out of them."""

WORD_SETS: Final = ("asc", "speechcommands")
"""Sets of single words; words of one speaker are joined."""

MIN_CLIPS: Final = 4
"""Speakers with fewer recordings cannot be enrolled and tested."""

NOISE_FOLDS: Final = ("1", "2", "3")
"""Folds of ESC-10 (first character of the file name) used here; noise of other sets is left alone."""

MOODS: Final = 15
"""What calibration asks for: enough moods of each person to see how far they reach."""

_SNRS_DB: Final = (20.0, 10.0, 5.0)
_FEW_SECONDS: Final = 30.0
"""Speakers with less speech get fewer takes: there is little to draw from."""


@dataclass(frozen=True, slots=True)
class Take:
    """One side of the pool. ``kind``: ``enrol`` or ``test``. ``gender``: ``f``, ``m`` or "" where unknown.

    ``mood``: how the person speaks, where that is not as in the recording.
    """

    kind: str
    set: str
    speaker: str
    gender: str
    side: Side
    gain_db: float
    mood: Mood | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """How many takes are drawn of each speaker; ``few_*`` for those with less than half a minute.

    ``moods``: how many of the tests come a second time, in a mood (of those with less than half a minute none does).
    """

    enrolments: int = 12
    tests: int = 30
    moods: int = 0
    few_enrolments: int = 2
    few_tests: int = 2
    seed: int = 1


def draw(recordings: Iterable[Recording], plan: Plan = Plan()) -> list[Take]:
    """Return the takes of every usable speaker. Raises ``UsageError`` where the manifest has none."""
    rows = list(recordings)
    groups = {
        key: clips
        for key, clips in by_speaker(r for r in rows if r.split == "train").items()
        if len(clips) >= MIN_CLIPS and key[0] in READ_SETS + WORD_SETS
    }
    if not groups:
        raise UsageError(
            "The speech folder has no labelled training speakers", "Its manifest needs `train` rows with a speaker."
        )
    noises = [r for r in rows if r.split == "noise" and r.set == "esc10" and Path(r.path).name[:1] in NOISE_FOLDS]
    takes: list[Take] = []
    for (name, speaker), clips in groups.items():
        # One generator per speaker: adding a speaker to the corpus leaves the takes of the others as they are.
        rng = np.random.default_rng([plan.seed, *f"{name}/{speaker}".encode()])
        takes += _takes_of(clips, noises, plan, rng)
    return takes


def _takes_of(
    clips: Sequence[Recording], noises: Sequence[Recording], plan: Plan, rng: np.random.Generator
) -> list[Take]:
    order = [clips[i] for i in rng.permutation(len(clips))]
    split = max(2, round(0.55 * len(order)))
    enrol_files, test_files = order[:split], order[split:]
    few = sum(r.seconds for r in clips) < _FEW_SECONDS
    cut: Cutter = _cut_sentence if clips[0].set in READ_SETS else _join_words
    made = []
    for _ in range(plan.few_enrolments if few else plan.enrolments):
        made.append(_enrolment(enrol_files, noises, cut, rng))
    for _ in range(plan.few_tests if few else plan.tests):
        made.append(_test(test_files, noises, cut, rng))
    calm = [] if few else made[plan.enrolments :][: plan.moods]
    return made + [replace(take, mood=moods.draw(rng)) for take in calm]


Cutter = Callable[[Sequence[Recording], float, np.random.Generator], tuple[Clip, ...]]
"""Makes an utterance of about so many seconds out of recordings of one speaker."""


def _enrolment(files: Sequence[Recording], noises: Sequence[Recording], cut: Cutter, rng: np.random.Generator) -> Take:
    count = int(rng.integers(1, 9))
    total_seconds = float(np.exp(rng.uniform(np.log(2.0), np.log(20.0))))
    each = min(max(total_seconds / count, 1.0), 10.0)
    # Each clip from its own part of the files where there are enough: a person does not say the same thing eight times.
    count = min(count, len(files))
    parts = [[files[i] for i in part] for part in np.array_split(rng.permutation(len(files)), count)]
    utterances = tuple(cut(part, each, rng) for part in parts)
    noise = _noise(noises, 20.0, rng) if rng.random() < 0.2 else None
    return _take("enrol", files[0], Side(utterances, noise), rng)


def _test(files: Sequence[Recording], noises: Sequence[Recording], cut: Cutter, rng: np.random.Generator) -> Take:
    seconds = float(np.exp(rng.uniform(np.log(0.7), np.log(8.0))))
    snr_db = rng.choice([*_SNRS_DB, np.inf], p=[0.15, 0.15, 0.15, 0.55])
    noise = None if np.isinf(snr_db) else _noise(noises, float(snr_db), rng)
    return _take("test", files[0], Side((cut(files, seconds, rng),), noise), rng)


def _take(kind: str, like: Recording, side: Side, rng: np.random.Generator) -> Take:
    return Take(kind, like.set, like.speaker, like.gender, side, round(float(rng.uniform(-18.0, 3.0)), 1))


def _cut_sentence(files: Sequence[Recording], seconds: float, rng: np.random.Generator) -> tuple[Clip, ...]:
    """A piece of one recording, longer recordings first in chance; all of it where none is long enough."""
    lengths = np.array([r.seconds for r in files])
    chosen = files[int(rng.choice(len(files), p=lengths / lengths.sum()))]
    if chosen.seconds <= seconds + 0.1:
        return (Clip(chosen.path),)
    start = float(rng.uniform(0.0, chosen.seconds - seconds - 0.05))
    return (Clip(chosen.path, round(start, 2), round(seconds, 2)),)


def _join_words(files: Sequence[Recording], seconds: float, rng: np.random.Generator) -> tuple[Clip, ...]:
    """As many words as fill the time, at least one, none twice."""
    clips: list[Clip] = []
    filled = 0.0
    for i in rng.permutation(len(files)):
        if clips and filled + 0.5 * files[i].seconds > seconds:
            break
        clips.append(Clip(files[i].path))
        filled += files[i].seconds
    return tuple(clips)


def _noise(noises: Sequence[Recording], snr_db: float, rng: np.random.Generator) -> Noise | None:
    if not noises:
        return None
    chosen = noises[int(rng.integers(len(noises)))]
    return Noise(chosen.path, round(float(rng.uniform(0.0, max(0.0, chosen.seconds - 1.5))), 2), snr_db)


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """Which enrolment meets which test. ``enrol``/``test``: int ``(n,)`` into the takes. ``target``: bool ``(n,)``."""

    enrol: np.ndarray[tuple[int], np.dtype[np.int64]]
    test: np.ndarray[tuple[int], np.dtype[np.int64]]
    target: np.ndarray[tuple[int], np.dtype[np.bool_]]
    same_gender: np.ndarray[tuple[int], np.dtype[np.bool_]]


def pair(takes: Sequence[Take], *, most_impostors: int = 20_000, seed: int = 1) -> Pairs:
    """Pair every enrolment with every test of its set.

    ``same_gender``: true where both genders are known and equal, or not known. Of a set with more than
    ``most_impostors`` impostor pairs a random part is kept, and a quarter as many of tests in a mood: hundreds of
    speakers of one-second words add pairs by the hundred thousand and little to know.
    """
    columns: list[tuple[np.ndarray[tuple[int], np.dtype[np.int64]], ...]] = []
    rng = np.random.default_rng(seed)
    speakers = np.array([take.speaker for take in takes])
    for moody, name in itertools.product((False, True), dict.fromkeys(t.set for t in takes)):
        mine = [i for i, t in enumerate(takes) if t.set == name]
        enrol = np.array([i for i in mine if takes[i].kind == "enrol"], np.int64)
        test = np.array([i for i in mine if takes[i].kind == "test" and (takes[i].mood is not None) == moody], np.int64)
        e, t = (grid.ravel() for grid in np.meshgrid(enrol, test, indexing="ij"))
        impostor = np.flatnonzero(speakers[e] != speakers[t])
        most = most_impostors // 4 if moody else most_impostors
        if len(impostor) > most:
            impostor = rng.choice(impostor, most, replace=False)
        keep = np.sort(np.concatenate([np.flatnonzero(speakers[e] == speakers[t]), impostor]))
        columns.append((e[keep], t[keep]))
    enrol, test = (np.concatenate([c[i] for c in columns]) for i in (0, 1))
    speaker = np.array([f"{t.set}/{t.speaker}" for t in takes])
    gender = np.array([t.gender for t in takes])
    return Pairs(enrol, test, speaker[enrol] == speaker[test], gender[enrol] == gender[test])


def count_speakers(takes: Iterable[Take]) -> Mapping[str, int]:
    """Return how many speakers each set contributes."""
    names: dict[str, set[str]] = {}
    for take in takes:
        names.setdefault(take.set, set()).add(take.speaker)
    return {name: len(found) for name, found in names.items()}
