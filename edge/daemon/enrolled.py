"""Who is enrolled, as the daemon knows it: noticed when the people database or the household's calibration changes.

Takes the store, the state folder and the bundle; gives voiceprints and the household's correction. Must hold: a look
where nothing has changed costs next to nothing; of somebody who was removed, no event waits to be sent once the
pipeline knows of it, nor when a station begins.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, Final

from edge.bundle import Bundle
from edge.calibrate.kept import Household, household, signature
from edge.errors import EarmarkError
from edge.outbox import Outbox, erasure
from edge.people import PeopleStore
from edge.pipeline import Pipeline
from edge.records import Voiceprint
from edge.scoring import voiceprint

_LOG = logging.getLogger(__name__)

_ID: Final = re.compile(r"p[0-9a-f]{4}")
"""What the people database gives as an id; a word of another form is none of its people."""
_NAMED: Final = ("speaker_id", "runner_up", "person_id", "id")
_PAGE: Final = 1000


class Enrolled:
    """``voiceprints``: of those whom the bundle can compare; nobody before the first ``look``."""

    def __init__(self, store: PeopleStore, folder: Path, bundle: Bundle) -> None:
        self._store = store
        self._folder = folder
        self._bundle = bundle
        self._seen: object = None
        self.voiceprints: tuple[Voiceprint, ...] = ()
        self.household = Household()

    def look(self) -> frozenset[str] | None:
        """None where all is as it was, otherwise the ids of those who were removed. Raises ``EarmarkError``."""
        seen = (self._store.generation(), signature(self._folder))
        if seen == self._seen:
            return None
        everybody = self._store.people(self._bundle.encoder, self._bundle.space)
        before = {v.person_id for v in self.voiceprints}
        self._seen = seen
        self.voiceprints = tuple(voiceprint(p) for p in everybody)
        self.household = household(self._folder, self._bundle, everybody)
        if self.household.stale:
            _LOG.warning(
                "the household's calibration is not used: %s; `earmark calibrate` renews it", self.household.stale
            )
        # Whoever is only not comparable any more, having lost a clip, is still enrolled.
        return frozenset(before - {p.id for p in self._store.people()})

    def teach(self, pipeline: Pipeline) -> None:
        """Let the pipeline know those who are enrolled at this moment; in the thread that it belongs to."""
        pipeline.set_voiceprints(self.voiceprints, self.household.correction)


def leave_no_event(outbox: Path, removed: Collection[str]) -> None:
    """Drop what waits in the outbox about these ids: it was told between their removal and the daemon's noticing it."""
    try:
        if removed and erasure.drop_events(outbox, removed):
            erasure.scrub(outbox)
    except EarmarkError as error:
        _LOG.warning("events about somebody who was removed may still wait: %s", error.sentence())


def leave_no_stranger(outbox: Outbox, store: PeopleStore) -> None:
    """Drop what waits in the outbox about ids that nobody has: an earlier run, or the station before a reload, told it
    of somebody who was removed, and ended before it noticed. Nobody else may publish meanwhile.
    """
    try:
        outbox.take_back()  # also what a broker refused will be sent again
        named = {one for payload in _waiting(outbox) for one in _ids(payload)}
        strangers = named - {person.id for person in store.people()} if named else named
    except EarmarkError as error:
        _LOG.warning("events about somebody who was removed may still wait: %s", error.sentence())
    else:
        leave_no_event(outbox.path, strangers)


def _waiting(outbox: Outbox) -> Iterator[bytes]:
    """The payloads of the events that wait."""
    after = 0
    while page := outbox.pending(_PAGE, after):
        yield from (message.payload for _, message in page if message.kind == "event")
        after = page[-1][0]


def _ids(payload: bytes) -> list[str]:
    """The ids of people in an event: those whom it is about, and those in the answer to a request."""
    try:
        return [one for one in _under(json.loads(payload)) if _ID.fullmatch(one)]
    except (ValueError, RecursionError):
        return []


def _under(raw: Any) -> Iterator[str]:
    """What stands where ids stand."""
    if isinstance(raw, list):
        for one in raw:
            yield from _under(one)
    elif isinstance(raw, dict):
        yield from (raw[key] for key in _NAMED if isinstance(raw.get(key), str))
        yield from _under(list(raw.values()))
