"""Everything that runs under one set of settings: bundle, people, source, pipeline, outbox, publisher.

Takes settings and the state folder; ``start`` acts, ``stop`` ends and tells how much is left to deliver. Must hold:
constructing finds every fault that is fatal (settings, bundle, people database, outbox) before anything runs; commands
that arrive by MQTT are applied between blocks in the listening thread, and echoed.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from edge.audio import open_source
from edge.bundle import Analyses, known_spaces, open_bundle
from edge.calibrate.kept import Household, household, signature
from edge.daemon.announcer import Announcer
from edge.daemon.commands import Commands, Handlers
from edge.daemon.control import Control
from edge.daemon.ear import Ear
from edge.daemon.enrolling import Enroller
from edge.daemon.listener import Listener
from edge.daemon.recent import Recent
from edge.daemon.report import report
from edge.daemon.verification import Scene
from edge.daemon.vitals import health_state, info_state
from edge.errors import MicrophoneError
from edge.events import EnrolmentState, EventMaker, HealthState, UtteranceEvent, timestamp
from edge.homeassistant import announced, change_messages, discovery_document, removal_messages
from edge.mqtt import Command, Publisher, Topics
from edge.mqtt.topics import ENROL_NAME
from edge.outbox import Outbox
from edge.people import PeopleStore
from edge.pipeline import Pipeline
from edge.records import SAMPLE_RATE, Clock, Message, Result, Voiceprint
from edge.scoring import voiceprint
from edge.settings import Settings, bundle_dirs

_LOG = logging.getLogger(__name__)


def earmark_version() -> str:
    """Version of the installed distribution, ``0`` in a checkout that was never installed."""
    try:
        return version("earmark")
    except PackageNotFoundError:
        return "0"


class Station:
    """One composed device. Raises ``EarmarkError`` where it can't be.

    ``on_event``: told of each event that is published and the result behind it, in the listening thread.
    """

    def __init__(
        self,
        settings: Settings,
        folder: Path,
        clock: Clock,
        *,
        realtime: bool,
        on_event: Callable[[UtteranceEvent, Result], None] = lambda event, result: None,
    ) -> None:
        self._on_event = on_event
        self._folder = folder
        self._clock = clock
        self._realtime = realtime
        self._begun = clock.monotonic()
        self._started = timestamp(clock.now())
        self._refused: dict[str, str] | None = None
        directories = bundle_dirs(settings, folder)
        self.bundle = open_bundle(settings.models.bundle, settings.models, directories=directories)
        self._store = PeopleStore(folder, known_spaces(directories))
        self._outbox = Outbox(folder / "outbox.sqlite") if settings.mqtt.enabled else None
        self._topics = Topics(settings.mqtt.base_topic, settings.node.name, settings.homeassistant.prefix)
        self._commands = Commands(settings, folder)
        self.settings = self._commands.restored(settings)
        self._publisher = self._make_publisher()
        self._maker = EventMaker(settings.node, settings.privacy, model=self._model(), clock=clock)
        self._seen: object = None
        self._voiceprints: tuple[Voiceprint, ...] = ()
        self._household = Household()
        self._ear = Ear(clock)
        self.health_wanted = False
        """Something changed that should be reported before the next minute is up."""
        self._dropped_before = 0
        self._listener = self._make_listener()
        self._listening = self._restored_listening()
        self._document: dict[str, Any] | None = announced(self._topics, self._outbox.states() if self._outbox else [])
        self._announcer = self._make_announcer()
        self._recent = Recent()
        self._enroller = Enroller(self._scene, self._tell_enrolment, self._echo_name, clock)
        self._control = Control(
            settings, folder, earmark_version(), self._scene, report=self._report, recent=self._heard_lately
        )

    def start(self) -> None:
        """Announce the device and begin to listen."""
        for unmet in self._analyses.unmet:
            _LOG.warning("%s", unmet.sentence())
        # Not sooner: on a reload the station before this one has published until now.
        self._announcer.recall([message for _, message in self._outbox.states()] if self._outbox else [])
        if self._publisher is not None:
            self._publisher.start()
        self.refresh_people()
        self._announcer.first_states()
        self._publish(self._info(), self._topics.setting("listening", "ON" if self._listening else "OFF"))
        self._publish(self._topics.setting("profile", self.settings.decide.profile))
        self._publish(self._topics.setting("hold_time", str(self.settings.homeassistant.hold_seconds)))
        if self._commands.enrols:
            self._enroller.first_states()
        if self._listening:
            self._listener.start()
        self._control.start()

    def stop(self, timeout_seconds: float) -> int:
        """End; the open utterance is decided and what can be delivered is. Gives the number of messages left."""
        self._control.stop()
        self._enroller.stop(timeout_seconds)
        self._listener.stop(timeout_seconds)
        self._store.close()
        if self._publisher is None or self._outbox is None:
            return 0
        self._publish(self._topics.speaking(False))
        if self._publisher.connected:
            self._publisher.wait_until_drained(timeout_seconds)
        self._publisher.stop(timeout_seconds)
        left = self._outbox.counters.pending
        self._outbox.close()
        return left

    @property
    def _pipeline(self) -> Pipeline:
        return self._listener.pipeline

    @property
    def _analyses(self) -> Analyses:
        return self._pipeline.analyses

    @property
    def ended(self) -> bool:
        """Whether the source is through, or listening failed."""
        return self._listening and self._listener.ended

    @property
    def error(self) -> Exception | None:
        """What ended the listening, None for a proper end."""
        return self._listener.error

    @property
    def heard_seconds(self) -> float:
        """Audio that went through the pipeline."""
        return self._listener.pipeline.counters.audio_seconds

    def stalled_seconds(self) -> float:
        """How long nothing has moved although it should: 0 while switched off or while a problem is being reported that
        another process would have as well.
        """
        if not self._listening:
            return 0.0
        if self._ear.deaf:
            return self._ear.hung_seconds()
        return self._clock.monotonic() - max(self._listener.last_progress, self._begun)

    def tick(self) -> None:
        """Let time pass."""
        self._announcer.tick()
        self._listener.overload.tick(self._clock.monotonic())

    def refresh_people(self) -> None:
        """Notice people who were enrolled, renamed or removed by another process, and a new calibration of theirs."""
        seen = (self._store.generation(), signature(self._folder))
        if seen == self._seen:
            return
        everybody = self._store.people(self.bundle.encoder, self.bundle.space)
        self._seen = seen
        self._voiceprints = tuple(voiceprint(p) for p in everybody)
        voiceprints = self._voiceprints
        found = self._household = household(self._folder, self.bundle, everybody)
        correction = found.correction
        self._listener.between_blocks(lambda pipeline: pipeline.set_voiceprints(voiceprints, correction))
        if found.stale:
            _LOG.warning("the household's calibration is not used: %s; `earmark calibrate` renews it", found.stale)
        self._announce_document()
        self._announcer.set_people(voiceprints)
        self.health_wanted = True
        _LOG.info("people enrolled", extra={"fields": {"count": len(voiceprints)}})

    def publish_health(self) -> None:
        """Say how the device is."""
        self.health_wanted = False
        self._publish(self._topics.message("health", self._health().to_json()))

    def _health(self) -> HealthState:
        return health_state(
            timestamp(self._clock.now()),
            self._clock.monotonic() - self._begun,
            ear=self._ear,
            listener=self._listener,
            dropped_before=self._dropped_before,
            announcer=self._announcer,
            enrolled=len(self._voiceprints),
            outbox=self._outbox,
            publisher=self._publisher,
        )

    def _report(self) -> dict[str, Any]:
        return report(self._scene(), self._health(), self._publisher, self._started, self._refused)

    def _heard_lately(self) -> dict[str, Any]:
        return self._recent.told(self._pipeline)

    def reload_refused(self, why: str) -> None:
        """The settings changed to some that cannot be used, so this station goes on; ``status`` tells it."""
        self._refused = {"at": timestamp(self._clock.now()), "why": why}

    def status(self) -> str:
        """One line for people."""
        broker = "no broker" if self._publisher is None else (self._publisher.problem or "broker connected")
        if self._publisher is not None and self._publisher.warning:
            broker += f"; {self._publisher.warning}"
        busy = "listening, more sound than this machine can handle" if self._listener.overload.active else "listening"
        sound = self._ear.reason or (busy if self._listening else "switched off")
        number = len(self._voiceprints)
        people = "1 person" if number == 1 else f"{number} people"
        return f"{sound}; {people} enrolled; {broker}"

    def describe(self) -> dict[str, Any]:
        """Fields for the log."""
        return {
            "source": self._listener.source.name,
            "bundle": self._model(),
            "people": len(self._voiceprints),
            "tells": ", ".join(("who", *self._analyses.kinds)),
            "packs": ", ".join(f"{pack.title} ({pack.card.licence})" for pack in self.bundle.packs) or "none",
            "broker": f"{self.settings.mqtt.host}:{self.settings.mqtt.effective_port}" if self._publisher else "none",
        }

    def _publish(self, *messages: Message) -> None:
        if self._publisher is not None:
            self._publisher.publish(*messages)

    def _model(self) -> str:
        return f"{self.bundle.card['name']}-{self.bundle.card['version']}"

    def _restored_listening(self) -> bool:
        """Whether to begin listening: a microphone that was switched off over MQTT stays off."""
        return not self._listener.source.live or self._commands.value("listening") == "ON"

    def _make_publisher(self) -> Publisher | None:
        if self._outbox is None:
            return None
        home = self.settings.homeassistant
        return Publisher(
            self.settings.mqtt,
            self._topics,
            self._outbox,
            self._command if self._commands.heard else None,
            birth_topic=home.status_topic if home.enabled else "",
        )

    def _make_listener(self) -> Listener:
        source = open_source(
            self.settings.audio.source,
            self.settings.audio,
            realtime=self._realtime,
            on_problem=self._microphone_problem,
        )
        pipeline = Pipeline(self.bundle, self.settings, self._voiceprints, correction=self._household.correction)
        return Listener(
            source,
            pipeline,
            self._clock,
            on_result=self._on_result,
            on_speaking=self._on_speaking,
            on_overload=self._on_overload,
        )

    def _make_announcer(self) -> Announcer:
        source = self._listener.source
        return Announcer(
            self._topics,
            self._maker,
            self._clock,
            self._publish,
            hold_seconds=self.settings.homeassistant.hold_seconds,
            source=None if source.live else source.name,
            sample_rate=None if source.live else SAMPLE_RATE,
        )

    def _on_result(self, result: Result, latency_ms: float) -> None:
        event = self._announcer.result(result, latency_ms)
        if event is not None:
            self._recent.add(event)
            self._on_event(event, result)
            fields = {"outcome": event.event_type, "probability": event.probability, "speech_s": event.speech_s}
            _LOG.info("utterance", extra={"fields": fields | {"latency_ms": event.latency_ms, "id": event.id}})

    def _scene(self) -> Scene:
        """What a request on the control socket finds now."""
        return Scene(
            settings=self.settings,
            folder=self._folder,
            bundle=self.bundle,
            model=self._model(),
            store=self._store,
            voiceprints=self._voiceprints,
            household=self._household,
            listener=self._listener,
            listening=self._listening,
            problem=self._ear.why_deaf,
        )

    def _on_speaking(self, speaking: bool) -> None:
        self._announcer.speaking(speaking)

    def _on_overload(self, _active: bool) -> None:
        self.health_wanted = True

    def _microphone_problem(self, problem: MicrophoneError | None) -> None:
        """Called by the source, in the listening thread: what is wrong with the microphone, or None, all is well."""
        self._ear.told(problem)
        self.health_wanted = True
        if self._ear.deaf:
            self._listener.interrupted()

    def _announce_document(self) -> None:
        if self._publisher is None:
            return
        if not self.settings.homeassistant.enabled:
            if self._document is not None:
                self._publish(*removal_messages(self._topics))
            self._document = None
            return
        people = {v.person_id: v.name for v in self._voiceprints}
        names = self.settings.privacy.mqtt_names
        document = discovery_document(
            self._topics,
            people,
            self.settings.node,
            earmark_version(),
            names=names,
            commands=self._commands.chooses,
            enrolment=self._commands.enrols,
            labels={kind: self.bundle.options(kind) for kind in self._analyses.kinds},
        )
        self._publish(*change_messages(self._topics, self._document, document))
        self._document = document

    def _info(self) -> Message:
        info = info_state(self.settings, self.bundle, self._analyses, earmark_version(), self._started)
        return self._topics.message("info", info.to_json())

    def _command(self, command: Command) -> None:
        """Obey what came over MQTT, in the publisher's thread."""
        settings: Handlers = {
            "profile": self._set_profile, "listening": self._set_listening, "hold_time": self._set_hold
        }  # fmt: skip
        value = self._commands.obey(command, settings, self._enroller.handlers)
        if value is not None:
            self._publish(self._topics.setting(command.name, value))

    def _tell_enrolment(self, state: EnrolmentState) -> None:
        self._publish(self._topics.message("enrolment", state.to_json()))

    def _echo_name(self, name: str) -> None:
        if self.settings.privacy.mqtt_names == "real":
            self._publish(self._topics.setting(ENROL_NAME, name))

    def _set_profile(self, profile: str) -> None:
        decide = replace(self.settings.decide, profile=profile)  # type: ignore[arg-type]
        self.settings = replace(self.settings, decide=decide)
        self._listener.between_blocks(lambda pipeline: pipeline.set_policy(decide))

    def _set_hold(self, seconds: str) -> None:
        home = replace(self.settings.homeassistant, hold_seconds=int(seconds))
        self.settings = replace(self.settings, homeassistant=home)
        self._announcer.hold(home.hold_seconds)

    def _set_listening(self, value: str) -> None:
        listening = value == "ON"
        if listening == self._listening:
            return
        if listening:
            self._ear = Ear(self._clock)  # what a listener that ended late has told since counts no more
            self._dropped_before += self._listener.overload.dropped_samples
            self._listener = self._make_listener()
            self._listening = True
            self._listener.start()
        else:
            self._listening = False
            self._enroller.cancel()
            self._listener.stop(2.0)
            self._ear = Ear(self._clock)
        self.health_wanted = True
