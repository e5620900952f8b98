"""One person's enrolment from the first clip to the store: the same for a command, the daemon and whoever else asks.

Takes the bundle that learns, the people store and the state folder, then results as they come. Gives a report per clip
and, at the end, the ``Person``. Must hold: nothing is stored before ``store``; somebody new is stored together with the
fingerprints of what was heard, or not at all.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Final

from edge.bundle import Bundle, enrolment_bundle, open_bundle
from edge.enrolment import ClipReport, Enrolment
from edge.errors import EnrolmentError, StorageError, UnknownPersonError
from edge.people import PeopleStore
from edge.records import Exemplar, Person, QualityReason, Result
from edge.scoring import Calibration, Scorer, voiceprint
from edge.settings import Settings
from edge.spoof import Repeats

SENTENCES: Final = (
    "Please switch the light in the kitchen off before you go to bed.",
    "The blue bicycle has been standing in front of the bakery since Tuesday.",
    "What will the weather be like tomorrow afternoon, and do I need a coat?",
    "My neighbour grows tomatoes, beans and far too many courgettes.",
    "Remind me at a quarter past seven that the soup is still on the stove.",
    "When the train was late again we simply walked along the river.",
    "Could you play something quiet while I read the newspaper?",
    "Yesterday evening the cat jumped from the shelf straight into the laundry.",
)
"""Everyday sentences of about four seconds to read aloud; what is said does not matter."""

DEAF_SECONDS: Final = 5.0
"""A microphone that has heard nothing for this long is mentioned to whoever waits."""
LIMIT_SECONDS: Final = 180.0
"""Of a session at a microphone."""


def open_learning_bundle(settings: Settings, directories: Sequence[Path], name: str = "") -> Bundle:
    """The bundle that learns voices, which the settings may name apart; ``name`` wins over them.

    Raises ``BundleError`` and ``SettingsError``.
    """
    # Packs of label heads fit the bundle that listens; learning has no use for them.
    models = replace(settings.models, packs=())
    return open_bundle(name or enrolment_bundle(settings, directories), models, directories=directories)


class Learning:
    """A context manager.

    Args:
        bundle: what learns.
        store: where the person will be kept.
        folder: the state folder.
        name: of somebody new; see ``check_name``.
        person: whom to add to instead.
        allow: quality reasons that are let pass.
    """

    def __init__(
        self,
        bundle: Bundle,
        store: PeopleStore,
        folder: Path,
        name: str = "",
        *,
        person: Person | None = None,
        allow: Collection[QualityReason] = (),
    ) -> None:
        self._store = store
        self._folder = folder
        self._name = name
        self._person = person
        self._opened = ExitStack()
        everybody = store.people(bundle.encoder, bundle.space)
        mine = person.id if person else None
        # Only a recording that this person's clips came from is refused, so nobody new needs to be asked about.
        repeats = self._opened.enter_context(Repeats(folder)) if person else None
        self.enrolment = Enrolment(
            Scorer(Calibration.from_json(bundle.calibration), bundle.cohort),
            others=[voiceprint(one) for one in everybody if one.id != mine],
            existing=next((one.exemplars for one in everybody if one.id == mine), ()),
            allow=allow,
            repeats=repeats,
        )

    def __enter__(self) -> Learning:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._opened.close()

    def offer(self, result: Result, *, source: str, microphone: str) -> ClipReport:
        """Judge one utterance. ``source``: what to call it in a report."""
        return self.enrolment.offer(
            result.utterance, result.embedding, source=source, microphone=microphone, created=_now()
        )

    def finish(self, *, skip_other_voice: bool = False, same_as_other: bool = False) -> tuple[Exemplar, ...]:
        """The new exemplars; at least one. Raises ``EnrolmentError``, as ``Enrolment.finish``."""
        exemplars = self.enrolment.finish(skip_other_voice=skip_other_voice, same_as_other=same_as_other)
        if not exemplars:
            raise EnrolmentError("None of the new clips could be used", "Give other clips.", reason="too_little")
        return exemplars

    def store(self, exemplars: Sequence[Exemplar], *, consent: str = "") -> Person:
        """Keep the voiceprint, and the fingerprints of everything that was heard. Raises ``PeopleError``,
        ``StorageError``, and ``UnknownPersonError`` where the person was removed meanwhile.
        """
        if self._person is not None:
            person = self._store.add_exemplars(self._person.id, exemplars)
        else:
            person = self._store.add(self._name, exemplars, consent=consent)
        try:
            with Repeats(self._folder) as repeats:
                for digest, samples in self.enrolment.recordings():
                    repeats.remember(samples, kind="enrolment", person_id=person.id, note=digest)
                self._check_still_there(person, repeats)
        except StorageError:
            if self._person is None:
                self._take_back(person)
            raise
        return person

    def _take_back(self, person: Person) -> None:
        """Neither the person nor the fingerprints that could still be written may stay alone."""
        with suppress(UnknownPersonError):
            self._store.remove(person.id)
        with suppress(StorageError), Repeats(self._folder) as repeats:
            repeats.forget(person.id)

    def _check_still_there(self, person: Person, repeats: Repeats) -> None:
        """Whoever removed the person a moment ago found only the fingerprints that had been written by then."""
        try:
            self._store.find(person.id)
        except UnknownPersonError as error:
            repeats.forget(person.id)
            raise UnknownPersonError(
                f"{person.name} was removed while the clips were being stored, so nothing was kept",
                "Enrol the person again where that was not meant.",
            ) from error


def _now() -> str:
    """This moment as kept with an exemplar."""
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
