"""Who is attacked, with which recordings: a temporary household for ``earmark spooftest``.

Takes the arguments; gives a ``Household``. Must hold: the real state folder is only read; what the temporary one knows
of earlier audio is what enrolment remembered.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Final

import numpy as np

from edge.audio import read_samples
from edge.cli.opening import open_settings
from edge.cli.recordings import expand
from edge.cli.session import Session, open_session
from edge.demo.stage import ASSETS, open_play
from edge.errors import AudioFileError, EnrolmentError, UsageError
from edge.learning import Learning
from edge.people import PeopleStore
from edge.pipeline import Pipeline
from edge.records import SAMPLE_RATE, AudioBlock, Float32, Person, QualityReason, Result
from edge.settings import state_dir

MOST_SECONDS: Final = 7.0
"""Of each recording: one attempt."""
ENROL_CLIPS: Final = 5
_ALLOWED: Final[tuple[QualityReason, ...]] = (
    "too_short", "too_long", "too_quiet", "too_loud", "too_noisy", "narrow_band",
)  # fmt: skip
_COPIED: Final = ("household.json", "repeats.sqlite")


@dataclass(frozen=True, slots=True, eq=False)
class Target:
    """Somebody enrolled. ``known``: recordings that the device was enrolled with; ``fresh``: others of theirs."""

    person: Person
    known: tuple[Float32, ...]
    fresh: tuple[Float32, ...] = ()


@dataclass(slots=True)
class Household:
    """``strangers``: recordings of people who are not enrolled. A context manager, which removes the folder."""

    folder: tempfile.TemporaryDirectory[str]
    session: Session
    words: str
    targets: list[Target] = field(default_factory=list)
    strangers: list[Float32] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def __enter__(self) -> Household:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.session.store.close()
        self.folder.cleanup()


def demonstration(args: argparse.Namespace) -> Household:
    """The two people who come with the program."""
    found = _empty(args, "the demonstration's people")
    for actor in open_play().actors:
        fresh = sorted(ASSETS.glob(f"clip-*-{actor.name.lower()}.ogg"))
        _enrol(found, actor.name, [_read(path) for path in actor.clips], [_read(path) for path in fresh])
    found.strangers += [_read(path) for path in sorted(ASSETS.glob("clip-*-stranger.ogg"))]
    return found


def from_folder(args: argparse.Namespace, folder: Path) -> Household:
    """A folder for each person; the first five recordings enrol. Raises ``UsageError`` where nobody can be."""
    people = sorted(entry for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    if not people:
        raise UsageError(f"{folder} holds no folder", "It takes one for each person: FOLDER/Ada/one.wav, ...")
    found = _empty(args, f"{len(people)} people in {folder.name}")
    for entry in people:
        clips = _read_all(found, [str(entry)])
        try:
            _enrol(found, entry.name[:32], clips[:ENROL_CLIPS], clips[ENROL_CLIPS:])
        except EnrolmentError as error:
            found.notes.append(f"{entry.name} is left out: {error.sentence()}")
    if not found.targets:
        found.__exit__(None, None, None)
        raise UsageError(f"Nobody in {folder} could be enrolled", found.notes[-1] if found.notes else "")
    return found


def enrolled(args: argparse.Namespace, name: str, texts: Sequence[str]) -> Household:
    """Somebody who is enrolled in the real state folder, of which a copy is used."""
    real = state_dir(open_settings(args), args.state)
    folder = tempfile.TemporaryDirectory(prefix="earmark-spooftest-")
    for file in _COPIED:
        if (real / file).exists():
            shutil.copy(real / file, Path(folder.name) / file)
    with PeopleStore(real) as theirs, PeopleStore(Path(folder.name)) as ours:
        ours.add_records(theirs.records())  # under a key of its own: the device's goes nowhere
    if (real / "bundles").is_dir():
        (Path(folder.name) / "bundles").symlink_to((real / "bundles").resolve(), target_is_directory=True)
    args.state = Path(folder.name)
    found = Household(folder, open_session(args), f"{name}, enrolled here")
    try:
        person = found.session.store.find(name)
        if not found.session.exemplars(person.id):
            raise UsageError(f"{person.name} was enrolled with another model", "Name that --bundle.")
        found.targets.append(Target(person, tuple(_read_all(found, texts))))
    except BaseException:
        found.__exit__(None, None, None)
        raise
    return found


def _empty(args: argparse.Namespace, words: str) -> Household:
    folder = tempfile.TemporaryDirectory(prefix="earmark-spooftest-")
    real = state_dir(open_settings(args), args.state) / "bundles"
    if real.is_dir():
        (Path(folder.name) / "bundles").symlink_to(real.resolve(), target_is_directory=True)
    args.state = Path(folder.name)
    return Household(folder, open_session(args), words)


def _enrol(household: Household, name: str, clips: Sequence[Float32], fresh: Sequence[Float32]) -> None:
    """Enrol and remember as ``earmark enroll`` does. Raises ``EnrolmentError``."""
    session = household.session
    with Learning(session.bundle, session.store, session.folder, name, allow=_ALLOWED) as learning:
        for number, clip in enumerate(clips, 1):
            for result in heard_by(session.pipeline(), clip):
                learning.offer(result, source=f"clip {number}", microphone="file")
        person = learning.store(learning.finish(skip_other_voice=True, same_as_other=True))
    household.targets.append(Target(person, tuple(clips), tuple(fresh)))


def heard_by(pipeline: Pipeline, samples: Float32) -> list[Result]:
    """The results of a recording."""
    results = [result for block in blocks_of(samples) for result in pipeline.push(block)]
    return [*results, *pipeline.finish()]


def blocks_of(samples: Float32, block: int = 480) -> list[AudioBlock]:
    """As a microphone would give it: some faint noise before and after."""
    rng = np.random.default_rng(len(samples))
    quiet = (1e-4 * rng.normal(size=SAMPLE_RATE)).astype(np.float32)
    whole = np.concatenate([quiet, samples, quiet])
    return [AudioBlock(whole[start : start + block], start) for start in range(0, len(whole), block)]


def _read(path: Path) -> Float32:
    return read_samples(path)[: round(MOST_SECONDS * SAMPLE_RATE)]


def _read_all(household: Household, texts: Sequence[str]) -> list[Float32]:
    files, problems = expand(texts)
    household.notes += [problem.sentence() for problem in problems]
    clips = []
    for text in files:
        try:
            clips.append(_read(Path(text)))
        except AudioFileError as error:
            household.notes.append(error.sentence())
    return clips
