"""Forgetting a person everywhere but in the people database, which has forgotten already.

Takes settings, the state folder and the person; gives ``Forgotten``. Must hold: what of it fails is told and does not
keep the rest from being done; a daemon that runs clears the broker by itself and is waited for, otherwise this does;
messages about others are not lost.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, Literal

from edge.auth import files
from edge.auth.clock import BootClock
from edge.auth.gate import Counter
from edge.clock import SystemClock
from edge.errors import EarmarkError, StorageError
from edge.events import NOBODY, SOMEBODY, UNKNOWN, LastState, shown_name, timestamp
from edge.homeassistant import announced, change_messages, without_person
from edge.instance import SingleInstance
from edge.mqtt import Publisher, Topics
from edge.mqtt.house import HouseTopics
from edge.outbox import Outbox, erasure
from edge.records import Message, Person
from edge.settings import ASSISTANT_FOLDER, Settings
from edge.spoof import Repeats

_DAEMON_SECONDS: Final = 10.0
_BROKER_SECONDS: Final = 5.0
_POLL_SECONDS: Final = 0.2

Broker = Literal["clean", "cleared", "waiting"]
"""What became of retained topics and Home Assistant's entity: there were none, the broker has taken their removal, or
that waits in the outbox for `earmark run` to reach the broker."""
_ORDER: Final[tuple[Broker, ...]] = ("clean", "cleared", "waiting")


@dataclass(frozen=True, slots=True)
class Forgotten:
    """``fingerprints`` of recordings, counted ``attempts`` and ``events`` that waited to be sent: how many went.
    ``problems``: sentences about what could not be done.
    """

    fingerprints: int = 0
    attempts: int = 0
    events: int = 0
    broker: Broker = "clean"
    problems: tuple[str, ...] = ()


def forget(settings: Settings, folder: Path, person: Person) -> Forgotten:
    """Forget ``person`` in fingerprints, attempts, outbox, at the broker and in Home Assistant. Never raises."""
    problems: list[str] = []
    shown = shown_name(person.id, person.name, settings.privacy.mqtt_names)
    # Words that stand for anybody would take messages about others along.
    called = {person.id, person.name, shown} - {NOBODY, SOMEBODY, UNKNOWN}

    def tried(act: Callable[[], int]) -> int:
        try:
            return act()
        except EarmarkError as error:
            problems.append(error.sentence())
            return 0

    # In this order: an attempt that ends later finds that it is not known any more, and takes its fingerprint back.
    attempts = tried(lambda: _attempts(folder, person.id))
    fingerprints = tried(lambda: _fingerprints(folder, person.id))
    events, broker = 0, _ORDER[0]
    for place in (folder, folder / ASSISTANT_FOLDER):
        path = place / "outbox.sqlite"
        if path.exists():
            events += tried(partial(erasure.drop_events, path, called))
            try:
                found = _at_broker(settings, place, person.id, shown, called)
                if not erasure.scrub(path):
                    problems.append(f"{path} is in use, so what was deleted in it stays there until it is used again.")
            except EarmarkError as error:
                problems.append(error.sentence())
                found = "waiting"
            broker = max(broker, found, key=_ORDER.index)
    return Forgotten(fingerprints, attempts, events, broker, tuple(problems))


def _at_broker(settings: Settings, place: Path, person_id: str, shown: str, called: Collection[str]) -> Broker:
    """What becomes of what the outbox in ``place`` has told the broker."""
    path = place / "outbox.sqlite"
    if not erasure.mentioned(path, person_id, called):
        return "clean"
    _clear(settings, place, person_id, shown, called)
    return "waiting" if erasure.mentioned(path, person_id, called) else "cleared"


def _fingerprints(folder: Path, person_id: str) -> int:
    with Repeats(folder) as repeats:
        return repeats.forget(person_id)


def _attempts(folder: Path, person_id: str) -> int:
    if not (folder / files.RECORD).exists():
        return 0
    counter = Counter(folder, BootClock())
    try:
        return counter.forget(person_id)
    finally:
        counter.close()


def _clear(settings: Settings, folder: Path, person_id: str, shown: str, called: Collection[str]) -> None:
    """Wait for the daemon, which notices by itself; where none runs, or not any more, do what it would."""
    path, deadline = folder / "outbox.sqlite", time.monotonic() + _DAEMON_SECONDS
    with ExitStack() as stack:
        while erasure.mentioned(path, person_id, called):
            try:
                stack.enter_context(SingleInstance(folder))
            except StorageError:
                if time.monotonic() >= deadline:
                    return
                time.sleep(_POLL_SECONDS)
            else:
                _clear_ourselves(settings, folder, person_id, shown, called)
                return


def _clear_ourselves(settings: Settings, folder: Path, person_id: str, shown: str, called: Collection[str]) -> None:
    base = settings.mqtt.base_topic
    with Outbox(folder / "outbox.sqlite") as outbox:
        states = outbox.states()
        topics = Topics(base, _node(base, states) or settings.node.name, settings.homeassistant.prefix)
        outbox.append_all(_clearing(topics, states, person_id, shown, called))
        if settings.mqtt.enabled:
            publisher = Publisher(settings.mqtt, topics, outbox)
            publisher.start()
            publisher.wait_until_drained(_BROKER_SECONDS)
            publisher.stop()


def _node(base: str, states: Sequence[tuple[int, Message]]) -> str | None:
    """Whose outbox it is: `earmark wyoming` has a node of its own, under any name."""
    topic = re.compile(f"{re.escape(base)}/([a-z0-9_-]+)/availability")
    names = [found[1] for _, message in states if (found := topic.fullmatch(message.topic))]
    return names[-1] if names else None


def _clearing(
    topics: Topics, states: Sequence[tuple[int, Message]], person_id: str, shown: str, called: Collection[str]
) -> list[Message]:
    """What removes the entity, the state, and the name of the last speaker."""
    found: list[Message] = []
    for device in (topics, HouseTopics(topics.base, topics.discovery_prefix)):
        document = announced(device, states)
        if document is not None:
            found += change_messages(device, document, without_person(document, person_id, shown))
    cleared = {message.topic for message in found if not message.payload}
    for _, message in states:
        if f"/{person_id}/" in message.topic and message.topic not in cleared:
            found.append(Message(message.topic, b"", message.qos, True, "state"))
        elif message.topic == topics.of("last") and erasure.names(message.payload, called):
            nobody = LastState(ts=timestamp(SystemClock().now()), event_type="none")
            found.append(topics.message("last", nobody.to_json()))
    return found
