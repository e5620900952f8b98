"""Recordings of a household, one folder per person -> clips to calibrate with.

Takes the folder, gives ``Clip``s through the pipeline of the device. Must hold: a folder whose name nobody has is a
stranger's; a recording that somebody was enrolled with counts once; one odd file never stops the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edge.calibrate.trials import Clip
from edge.cli.console import Console, count, printable
from edge.cli.progress import Progress
from edge.cli.recordings import expand, listen, open_recording
from edge.cli.session import Session
from edge.enrolment import digest_of
from edge.errors import AudioFileError, UsageError
from edge.people.names import name_key
from edge.records import Person


def read_clips(console: Console, session: Session, people: Sequence[Person], folder: Path) -> list[Clip]:
    """Every utterance that the device would judge. Raises ``UsageError`` where ``folder`` holds none."""
    files = _files(console, folder)
    ids = {name_key(person.name): person.id for person in people} | {person.id: person.id for person in people}
    seen = {exemplar.digest for person in people for exemplar in person.exemplars}
    clips: list[Clip] = []
    left_out = 0
    pipeline = session.pipeline()
    with Progress(console, "listening", len(files)) as bar:
        for label, text in files:
            who = ids.get(name_key(label), f"stranger {label}")
            try:
                results = list(listen(pipeline, open_recording(text, session.settings)))
            except AudioFileError as error:
                console.warn(printable(error.sentence()))
                results = []
            for result in results:
                heard, digest = result.utterance, digest_of(result.utterance.samples)
                if result.embedding is None or result.decision.outcome == "rejected" or digest in seen:
                    left_out += 1
                    continue
                seen.add(digest)
                clips.append(Clip(who, result.embedding.vector, heard.speech_seconds, heard.snr_db))
            bar.advance(1, printable(text))
    if left_out:
        console.note(f"{count(left_out, 'utterance')} left out: too short, distorted, or known already.")
    if not clips:
        raise UsageError(f"No utterance in {printable(str(folder))} can be used", "Name recordings of speech.")
    return clips


def _files(console: Console, folder: Path) -> list[tuple[str, str]]:
    """Label and path of each recording. Raises ``UsageError`` where the folder is not of this form."""
    form = "It holds a folder for each person: FOLDER/Ada/one.wav, FOLDER/visitor/two.wav."
    try:
        folders = sorted(entry for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    except OSError as error:
        raise UsageError(f"{printable(str(folder))} cannot be read: {error.strerror}", form) from None
    found = []
    for entry in folders:
        texts, problems = expand([str(entry)])
        for problem in problems:
            console.warn(printable(problem.sentence()))
        found += [(entry.name, text) for text in texts]
    if not found:
        raise UsageError(f"{printable(str(folder))} holds no folder with recordings", form)
    return found
