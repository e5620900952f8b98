"""The demonstration: enrol, play, publish, and look at it from the other end of the broker.

Takes a folder for its state; gives what an independent subscriber received, with the cost of each stage. Must hold: the
device is the daemon's ``Station`` with nothing taken out; nothing is written outside the folder.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from edge.audio import FileSource
from edge.bundle import Bundle, open_bundle
from edge.clock import SystemClock
from edge.daemon.station import Station
from edge.demo.broker import DemoBroker
from edge.demo.judge import Judged, Tally, judge
from edge.demo.stage import Actor, Play, open_play
from edge.enrolment import Enrolment
from edge.errors import BrokerError, EarmarkError, UsageError
from edge.events import UtteranceEvent, timestamp
from edge.mqtt.subscriber import Subscriber
from edge.people import PeopleStore
from edge.pipeline import Pipeline
from edge.records import Exemplar, Result, StageTimes
from edge.settings import DEFAULT_BUNDLE, Mqtt, Node, Privacy, Settings

NODE: Final = "demo"
_PLAY_SECONDS: Final = 300.0
_DELIVERY_SECONDS: Final = 10.0

OnStep = Callable[[str, float, float], None]
"""Called with what is going on, how much is done, and how much there is (seconds of audio)."""


@dataclass(frozen=True, slots=True)
class Performance:
    """``times``: event id -> what the utterance cost. ``topics``: topic -> messages received. ``broker_port``: of the
    broker that was started.
    """

    judged: tuple[Judged, ...]
    tally: Tally
    times: dict[str, StageTimes]
    topics: dict[str, int]
    enrolled: dict[str, int]
    model: str
    runtime: str
    audio_seconds: float
    wall_seconds: float
    broker_port: int


def perform(
    folder: Path,
    *,
    bundle: str = DEFAULT_BUNDLE,
    packs: tuple[str, ...] = (),
    labels: bool = False,
    on_step: OnStep = lambda *_: None,
) -> Performance:
    """Run the whole demonstration with its state in ``folder``. Raises ``EarmarkError``.

    ``labels``: tell gender and emotion, too, with the heads of the bundle and of ``packs``.
    """
    begun = time.monotonic()
    play = open_play()
    settings = Settings(node=Node(name=NODE), mqtt=Mqtt(host="127.0.0.1"))
    settings = replace(
        settings,
        models=replace(settings.models, bundle=bundle, packs=packs),
        audio=replace(settings.audio, source=str(play.stream)),
    )
    models = open_bundle(bundle, settings.models)
    if labels:
        settings = replace(settings, privacy=_telling(models))
    enrolled = enrol(play.actors, models, settings, folder, on_step)
    with DemoBroker() as port:
        settings = replace(settings, mqtt=replace(settings.mqtt, port=port))
        with Subscriber("127.0.0.1", port, "earmark/#", "homeassistant/#") as subscriber:
            published = _play(settings, folder, play, on_step)
            if not subscriber.wait_for(lambda seen: _utterances(seen) >= len(published), _DELIVERY_SECONDS):
                raise BrokerError("The demonstration's broker did not deliver every event", "Run it again.")
            arrivals = subscriber.arrivals
    events = [json.loads(a.payload) for a in arrivals if a.topic.endswith("/utterance")]
    judged, tally = judge(_once(events), play.scenes)
    topics: dict[str, int] = {}
    for arrival in arrivals:
        topics[arrival.topic] = topics.get(arrival.topic, 0) + 1
    return Performance(
        tuple(judged),
        tally,
        published,
        topics,
        enrolled,
        f"{models.name}-{models.card['version']}",
        models.runtime,
        play.seconds,
        time.monotonic() - begun,
        port,
    )


def _telling(models: Bundle) -> Privacy:
    """Everything switched on that can be told; the people heard have published their voices for anybody's use."""
    if not models.heads:
        raise UsageError(
            f"The bundle {models.name} tells neither gender nor emotion",
            "Name a pack that fits it with --pack; `earmark doctor --only labels` lists those installed.",
        )
    told = models.heads
    return Privacy(gender="gender" in told, emotion="emotion" in told, labels_acknowledged=True)


def enrol(
    actors: tuple[Actor, ...], models: Bundle, settings: Settings, folder: Path, on_step: OnStep = lambda *_: None
) -> dict[str, int]:
    """Enrol the actors from their clips by the same rules as everybody; gives name -> clips kept."""
    kept: dict[str, int] = {}
    with PeopleStore(folder) as store:
        for number, actor in enumerate(actors):
            on_step(f"enrolling {actor.name}", number, len(actors))
            exemplars = _exemplars(actor, Pipeline(models, settings), settings)
            store.add(actor.name, exemplars, consent="recordings published under CC BY 4.0")
            kept[actor.name] = len(exemplars)
    return kept


def _exemplars(actor: Actor, pipeline: Pipeline, settings: Settings) -> tuple[Exemplar, ...]:
    enrolment = Enrolment(pipeline.scorer)
    for clip in actor.clips:
        source = FileSource(clip, settings.audio.block_ms)
        results = [result for block in source.blocks() for result in pipeline.push(block)]
        for result in [*results, *pipeline.finish()]:
            enrolment.offer(
                result.utterance,
                result.embedding,
                source=clip.name,
                microphone=source.name,
                created=timestamp(SystemClock().now()),
            )
    return enrolment.finish()


def _play(settings: Settings, folder: Path, play: Play, on_step: OnStep) -> dict[str, StageTimes]:
    """Run the daemon's station over the stream; gives event id -> cost of everything that was published."""
    published: dict[str, StageTimes] = {}

    def on_event(event: UtteranceEvent, result: Result) -> None:
        published[event.id] = result.times

    station = Station(settings, folder, SystemClock(), realtime=False, on_event=on_event)
    station.start()
    deadline = time.monotonic() + _PLAY_SECONDS
    try:
        while not station.ended:
            if time.monotonic() > deadline:
                raise EarmarkError(
                    f"The demonstration was not through after {_PLAY_SECONDS:.0f} s", "See what keeps the machine busy."
                )
            on_step("listening", station.heard_seconds, play.seconds)
            station.tick()
            time.sleep(0.05)
        on_step("listening", play.seconds, play.seconds)
        if station.error is not None:
            raise station.error
        station.publish_health()
    finally:
        station.stop(_DELIVERY_SECONDS)
    return published


def _utterances(arrivals: Any) -> int:
    return len({json.loads(a.payload)["id"] for a in arrivals if a.topic.endswith("/utterance")})


def _once(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """De-duplicated by id: the outbox promises at least once."""
    return list({event["id"]: event for event in events}.values())
