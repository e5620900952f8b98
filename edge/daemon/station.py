"""Everything that runs under one set of settings: bundle, people, source, pipeline, outbox, publisher.

Takes settings and the state folder; ``start`` acts, ``stop`` ends and tells how much is left to deliver. Must hold:
constructing finds every fault that is fatal (settings, bundle, people database, outbox) before anything runs; commands
that arrive by MQTT are applied between blocks in the listening thread, and echoed.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from edge.audio import open_source
from edge.bundle import Analyses, analyses, known_spaces, open_bundle, switchable
from edge.daemon.announcer import Announcer
from edge.daemon.attempts import Attempts
from edge.daemon.commands import Commands, changed, current
from edge.daemon.control import Control
from edge.daemon.discovery import Discovery
from edge.daemon.ear import Ear
from edge.daemon.enrolled import Enrolled, leave_no_event, leave_no_stranger
from edge.daemon.enrolling import Enroller
from edge.daemon.installing import Installer
from edge.daemon.listener import Listener
from edge.daemon.recent import Recent
from edge.daemon.report import fields, report, status_line
from edge.daemon.requests import Requests
from edge.daemon.sound import SoundTeller
from edge.daemon.updating import Updater
from edge.daemon.verification import Scene
from edge.daemon.vitals import earmark_version, health_state, info_state
from edge.errors import MicrophoneError
from edge.events import EnrolmentState, EventMaker, HealthState, UtteranceEvent, timestamp
from edge.mqtt import Command, Publisher, Topics
from edge.mqtt.topics import ENROL_NAME
from edge.outbox import Outbox
from edge.people import PeopleStore
from edge.pipeline import Pipeline
from edge.records import SAMPLE_RATE, Clock, Message, Result
from edge.settings import Settings, bundle_dirs

_LOG = logging.getLogger(__name__)


class Station:
    """One composed device. Raises ``EarmarkError`` where it can't be.

    ``on_event``: told of each event and the result behind it, in the listening thread; ``installer``: the process's.
    """

    def __init__(
        self,
        settings: Settings,
        folder: Path,
        clock: Clock,
        *,
        realtime: bool,
        on_event: Callable[[UtteranceEvent, Result], None] = lambda event, result: None,
        installer: Installer | None = None,
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
        self._commands = Commands(settings, folder, switchable(self.bundle, settings.privacy))
        self.settings = self._commands.restored(settings)
        self._publisher = self._make_publisher()
        self._maker = EventMaker(settings.node, self.settings.privacy, model=self._model(), clock=clock)
        self._enrolled = Enrolled(self._store, folder, self.bundle)
        self._ear = Ear(clock)
        self.health_wanted = False
        """Something changed that should be reported before the next minute is up."""
        self._dropped_before = 0
        self._listener = self._make_listener()
        # A microphone that was switched off over MQTT stays off.
        self._listening = not self._listener.source.live or self._commands.value("listening") == "ON"
        self._discovery = Discovery(
            self._topics,
            self.settings,
            earmark_version(),
            commands=self._commands,
            outbox=self._outbox,
            publish=self._publish,
        )
        self._announcer = self._make_announcer()
        installs = installer or Installer(folder)
        self._updater = Updater(settings, folder, self.bundle, installs, self._topics, publish=self._publish)
        self._recent = Recent()
        heard = (self._topics, clock, self._publish, lambda: self._pipeline if self._listening else None)
        self._sound = SoundTeller(*heard) if self.settings.mqtt.audio else None
        self._enroller = Enroller(self._scene, self._tell_enrolment, self._echo_name, clock)
        said = (self._topics, self._maker, clock, self._publish)
        attempts = Attempts(*said, told=settings.mqtt.auth)
        self._control = Control(
            settings, folder, earmark_version(), self._scene, attempts, report=self._report, recent=self._heard_lately
        )
        self._requests = Requests(*said, self._scene, status=self._control.status, enrols=self._commands.enrols)

    def start(self) -> None:
        """Announce the device and begin to listen."""
        with self._commands.turn:
            self._commands.begin()
            self._catch_up()
            for unmet in self._analyses.unmet:
                _LOG.warning("%s", unmet.sentence())
            # Not sooner: on a reload the station before this one has published until now.
            self._announcer.recall(self._states())
            self._discovery.house.leave()
            if self._publisher is not None and self._outbox is not None:
                leave_no_stranger(self._outbox, self._store)
                self._publisher.start()
            self.refresh_people()
            self._announcer.first_states()
            chosen = current(self.settings, self._listening, self._commands.switchable)
            self._publish(self._info(), *(self._topics.setting(name, value) for name, value in chosen.items()))
            self._publish(*self._commands.withdrawn(self._topics, self._states(), self.settings.privacy.mqtt_names))
            if self._commands.enrols:
                self._enroller.first_states()
            self._updater.tick()
            if self._listening:
                self._listener.start()
            self._control.start()

    def _catch_up(self) -> None:
        """Heed what was chosen since this station was made: on a reload, the one before it has obeyed until now."""
        for name, held in current(self.settings, self._listening, self._commands.switchable).items():
            value = self._commands.value(name)
            if name == "listening":
                self._listening = not self._listener.source.live or value == "ON"
            elif value != held:
                self._change(name, value)

    def stop(self, timeout_seconds: float) -> int:
        """End; the open utterance is decided and what can be delivered is. Gives the number of messages left."""
        self._commands.end()
        self._control.stop()
        self._requests.stop(timeout_seconds, self.refresh_people)
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
        return analyses(self.bundle, self.settings.privacy)

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
        """How long nothing has moved although it should: 0 while switched off."""
        progress = max(self._listener.last_progress, self._begun)
        return self._ear.stalled_seconds(progress) if self._listening else 0.0

    def tick(self) -> None:
        """Let time pass."""
        self._announcer.tick()
        self._updater.tick()
        if self._sound is not None:
            self._sound.tick()
        self._listener.overload.tick(self._clock.monotonic())

    def refresh_people(self) -> None:
        """Notice people who were enrolled, renamed or removed by another process, and a new calibration of theirs."""
        removed = self._enrolled.look()
        if removed is None:
            return
        voiceprints, outbox = self._enrolled.voiceprints, self._outbox

        def heed(pipeline: Pipeline) -> None:
            self._enrolled.teach(pipeline)
            if outbox is not None:  # not sooner: until now they might have been recognised
                leave_no_event(outbox.path, removed)

        self._listener.between_blocks(heed)
        self._announcer.keep_only(voiceprints)  # or a sighting for the house could come after it was cleared
        self._introduce()
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
            enrolled=len(self._enrolled.voiceprints),
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
        return status_line(self._scene(), self._ear.reason, self._publisher)

    def describe(self) -> dict[str, Any]:
        """Fields for the log."""
        return fields(self._scene(), self._publisher)

    def _publish(self, *messages: Message) -> None:
        if self._publisher is not None:
            self._publisher.publish(*messages)

    def _states(self) -> list[Message]:
        """What stands at the broker."""
        return [message for _, message in self._outbox.states()] if self._outbox else []

    def _model(self) -> str:
        return f"{self.bundle.card['name']}-{self.bundle.card['version']}"

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
        known, correction = self._enrolled.voiceprints, self._enrolled.household.correction
        pipeline = Pipeline(self.bundle, self.settings, known, correction=correction)
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
            house=self._discovery.house.sighting,
        )

    def _on_result(self, result: Result, latency_ms: float) -> None:
        event = self._announcer.result(result, latency_ms)
        if event is not None:
            self._recent.add(event)
            self._on_event(event, result)
            told = {"outcome": event.event_type, "probability": event.probability, "speech_s": event.speech_s}
            _LOG.info("utterance", extra={"fields": told | {"latency_ms": event.latency_ms, "id": event.id}})

    def _scene(self) -> Scene:
        """What a request on the control socket finds now."""
        return Scene(
            settings=self.settings,
            written=self._commands.profile,
            folder=self._folder,
            bundle=self.bundle,
            model=self._model(),
            store=self._store,
            voiceprints=self._enrolled.voiceprints,
            household=self._enrolled.household,
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

    def _introduce(self) -> None:
        """Tell Home Assistant what there is."""
        people = {v.person_id: v.name for v in self._enrolled.voiceprints}
        told = dict.fromkeys((*self._analyses.kinds, *self._commands.switchable))
        self._discovery.announce(people, {kind: self.bundle.options(kind) for kind in told})

    def _info(self) -> Message:
        info = info_state(self.settings, self.bundle, self._analyses, earmark_version(), self._started)
        return self._topics.message("info", info.to_json())

    def _command(self, command: Command) -> None:
        """Obey what came over MQTT, in the publisher's thread."""
        if command.kind == "ask":
            self._requests.take(command)
            return
        chosen = self._commands.obey(command, self._change, self._enroller.handlers, self._updater.handlers)
        self._publish(*(self._topics.setting(name, value) for name, value in chosen.items()))

    def _tell_enrolment(self, state: EnrolmentState) -> None:
        self._publish(self._topics.message("enrolment", state.to_json()))

    def _echo_name(self, name: str) -> None:
        if self.settings.privacy.mqtt_names == "real":
            self._publish(self._topics.setting(ENROL_NAME, name))

    def _change(self, name: str, value: str) -> None:
        """Let what was chosen hold from the next utterance on."""
        before, now = self.settings, changed(self.settings, name, value)
        self.settings = now
        if name == "listening":
            self._set_listening(value == "ON")
        if now.decide != before.decide:
            self._listener.between_blocks(lambda pipeline: pipeline.set_policy(now.decide))
        if now.privacy != before.privacy:
            self._maker.heed(now.privacy)
            self._listener.between_blocks(lambda pipeline: pipeline.set_privacy(now.privacy))
            self._publish(self._info())
        self._announcer.hold(now.homeassistant.hold_seconds)

    def _set_listening(self, listening: bool) -> None:
        if listening == self._listening:
            return
        if listening:
            self._ear = Ear(self._clock)  # what a listener that ended late has told since counts no more
            self._dropped_before += self._listener.overload.dropped_samples
            self._listener = self._make_listener()
            # Somebody removed since it was made has been taken from the listener before this one.
            self._listener.between_blocks(self._enrolled.teach)
            self._listening = True
            self._listener.start()
        else:
            self._listening = False
            self._enroller.cancel()
            self._listener.stop(2.0)
            self._ear = Ear(self._clock)
        self.health_wanted = True
