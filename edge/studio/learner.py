"""One enrolment in the studio: clips in, what became of each out, and the person at the end.

Takes the session that learns and a name. Gives reports as clips come. Must hold: clips are judged and stored by
``edge.learning``, as for `earmark enroll`; a clip that cannot be read or holds no speech is a line like the others.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from edge.cli.session import Session
from edge.clip_quality import HINTS
from edge.enrolment import ClipReport, Progress
from edge.errors import AudioFileError, PeopleError, UnknownPersonError, UsageError
from edge.learning import Learning
from edge.people import check_name
from edge.records import SAMPLE_RATE, Person
from edge.studio.hearing import hear


@dataclass(frozen=True, slots=True)
class Line:
    """What became of one utterance, or of a whole clip without one."""

    source: str
    good: bool
    words: str
    speech_seconds: float
    snr_db: float


class Learner:
    """Learns one voice. ``session``: opened for enrolling. ``person``: whom to add to; else ``name`` is somebody new.

    Raises ``UsageError`` where the name will not do or is taken.
    """

    def __init__(self, session: Session, name: str, person: Person | None = None) -> None:
        self.name = person.name if person else _new_name(session, name)
        self.person = person
        self._session = session
        self._learning = Learning(session.bundle, session.store, session.folder, self.name, person=person)
        self.lines: list[Line] = []
        self.seen: set[str] = set()
        """Which clips were given: see ``parts.Clip.ident``."""

    def take(
        self,
        ident: str,
        data: bytes,
        name: str,
        *,
        microphone: str = "",
        on_seconds: Callable[[float], None] = lambda _: None,
    ) -> list[Line]:
        """Judge a clip that was not given before; gives its lines."""
        if ident in self.seen:
            return []
        self.seen.add(ident)
        lines = self._judge(data, name, microphone or f"file:{name}", on_seconds)
        self.lines += lines
        return lines

    def _judge(self, data: bytes, name: str, microphone: str, on_seconds: Callable[[float], None]) -> list[Line]:
        try:
            heard = hear(self._session, data, name, on_seconds=on_seconds)
        except AudioFileError as error:
            return [Line(name, False, error.sentence(), 0.0, 0.0)]
        if heard.reason is not None:
            return [Line(name, False, HINTS.get(heard.reason, "It cannot be used."), 0.0, 0.0)]
        lines = []
        for result in heard.results:
            start = result.utterance.start / SAMPLE_RATE
            source = f"{name}, from {start:.0f} s" if len(heard.results) > 1 else name
            lines.append(_line(self._learning.offer(result, source=source, microphone=microphone)))
        return lines

    @property
    def progress(self) -> Progress:
        """Where the enrolment stands."""
        return self._learning.enrolment.progress()

    def store(self, consent: str = "", *, same_as_other: bool = False) -> Person:
        """Keep the voiceprint, without the clips of other voices, each of which has been told.

        Raises ``EnrolmentError``, ``PeopleError`` or ``StorageError``.
        """
        exemplars = self._learning.finish(skip_other_voice=True, same_as_other=same_as_other)
        return self._learning.store(exemplars, consent=consent)


def _new_name(session: Session, name: str) -> str:
    try:
        name = check_name(name)
    except PeopleError as error:
        raise UsageError(error.cause, error.remedy) from None
    try:
        there = session.store.find(name)
    except UnknownPersonError:
        return name
    raise UsageError(f"{there.name} is enrolled already", "Add clips to them, or choose another name.")


def _line(report: ClipReport) -> Line:
    words = "; ".join(report.warnings)
    if not report.accepted:
        words = f"{(report.reason or 'refused').replace('_', ' ')}: {report.hint}"
    return Line(report.source, report.accepted, words, report.speech_seconds, report.snr_db)


def sentence(progress: Progress) -> str:
    """Where an enrolment stands and what it still needs, for a person."""
    told = f"{progress.clips} good clip{'s' * (progress.clips != 1)}, {progress.speech_seconds:.0f} s of speech"
    if progress.done:
        return f"{told}. That is plenty, and the voiceprint hardly changes any more."
    if progress.enough and progress.percent >= 100:
        return f"{told}. Enough; a few more clips would make it surer, since the voiceprint still changes."
    if progress.enough:
        return f"{told}. It could be stored now; five clips with 15 s are better."
    return f"{told}. At least two clips with 8 s are needed; five with 15 s are best."
