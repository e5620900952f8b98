"""The steps of ``make test-ha``: what is done with Earmark, and what Home Assistant must show then."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import soundfile

from edge.demo.stage import ASSETS
from edge.homeassistant import announced, discovery_message, migration_messages
from edge.mqtt import Topics
from edge.outbox import Outbox
from edge.records import Message
from tests.broker import Listener, Mosquitto, wait_for
from tests.homeassistant.asking import Asking
from tests.homeassistant.assist import Assist
from tests.homeassistant.choosing import Choosing
from tests.homeassistant.enrolling import Enrolling
from tests.homeassistant.flow import Flow
from tests.homeassistant.house import House
from tests.homeassistant.neighbours import Neighbours
from tests.homeassistant.samples import Samples
from tests.homeassistant.updating import Updating
from tests.scenarios.household import BASE, PLAY, ROOT, Daemon, utterances
from tests.scenarios.test_microphone_flow import said
from tests.virtual_microphone import VirtualMicrophone

QUIET = {"EARMARK_AUDIO__SILENT_SECONDS": "0"}
"""A virtual microphone gives exact zeros while nothing is played, as a muted one does."""
ASKED = QUIET | {
    "EARMARK_MQTT__COMMANDS": "true", "EARMARK_MQTT__ENROLMENT": "true", "EARMARK_HOMEASSISTANT__HOLD_SECONDS": "600",
    "EARMARK_MQTT__AUTH": "true",
}  # fmt: skip
TOPICS = Topics("earmark", "kitchen")
SPEAKER, EVENT, HEARD = "sensor.kitchen_last_speaker", "event.kitchen_utterance", "binary_sensor.kitchen_ears_{}_heard"
AWAY = "unavailable"
OURS = ("mqtt", "earmark", "kitchen", "blueprint", "automation", "wyoming")
"""What no warning or error in Home Assistant's log may be about."""
_HARMLESS = (
    "google_translate", "mutagen", "mqtt.client] Error returned from MQTT server", "mqtt.client] Failed to connect",
    "received on topic homeassistant/sensor/earmark_kitchen/voices/config",
    "No device components to cleanup for earmark_",
)  # fmt: skip
"""Of other integrations; that the broker is away, which it is in one step; what Home Assistant says when the old topic
of a single entity is cleared after its migration, as its documentation asks for; and that of a device which has gone
nothing is left, which it says to itself once for each entity of it that was disabled.
"""


class Scenes:
    """What every step needs."""

    NEEDED = ("the root", "Home Assistant and MQTT", "two people enrolled", "at a microphone")
    """Without which nothing else can be tried."""

    def __init__(
        self, house: House, broker: Mosquitto, microphone: VirtualMicrophone, listener: Listener, folder: Path
    ) -> None:
        self.house, self.rest = house, house.rest
        self.broker, self.microphone, self.listener = broker, microphone, listener
        self.state = folder / "state"
        self._daemon: Daemon | None = None

    def steps(self) -> Iterator[tuple[str, Callable[[], str]]]:
        """Name and check, in order."""
        samples, enrolling = Samples(self), Enrolling(self)
        asking = Asking(self, samples)
        choosing = Choosing(self)
        yield "Home Assistant and MQTT", self.onboard
        yield "two people enrolled", self.begin
        yield "recordings are played", self.play
        yield "the daemon ends", self.away
        yield "at a microphone", self.listen
        yield "switch, select and number", self.obey
        yield "a threshold", choosing.threshold
        yield "analyses switched on and off", choosing.analyses
        yield "how loud it is", choosing.sound
        yield "samples are accepted", samples.install
        yield "samples do what they say", samples.trigger
        yield "Node-RED does what the flow says", Flow(self).acts
        yield "Home Assistant restarts", self.restart_house
        yield "the broker restarts, empty", self.restart_broker
        yield "the daemon is killed", self.kill
        yield "a newer model", Updating(self).installed
        yield "a house of two nodes", Neighbours(self).hear
        yield "somebody is added", self.add
        yield "somebody is renamed", self.rename
        yield "somebody is removed", self.remove
        yield "the microphone is lost", self.lose
        yield "enrolment, cancelled", enrolling.cancelled
        yield "enrolment, too noisy", enrolling.refused
        yield "enrolment, done", enrolling.done
        yield "verification is told", asking.verified
        yield "removed by a request", asking.removed
        yield "an older document", self.migrate
        yield "commands switched off", self.silence
        yield "discovery switched off", self.leave
        yield "a voice assistant", Assist(self).ask
        yield "Home Assistant's log", self.log

    def end(self) -> None:
        """Whatever still runs."""
        if self._daemon is not None:
            self._daemon.__exit__()

    # the daemon

    def run(self, *arguments: str, **environment: str) -> Daemon:
        """Start a daemon, instead of the one before."""
        self.end()
        self._daemon = Daemon(self.state, self.broker.port, *arguments, **environment)
        return self._daemon.__enter__()

    def hear(self, **more: str) -> Daemon:
        """A daemon at the microphone, with ``more`` in its environment than is asked for otherwise."""
        daemon = self.run("--source", "mic", **ASKED, **more)
        wait_for(lambda: self.microphone.recorders() == 1, f"it records: {daemon.log.read_text()[-400:]}")
        return daemon

    def say(self, *names: str) -> None:
        """Let the microphone hear clips."""
        self.microphone.play(said(*names))

    def wav(self, *names: str) -> Path:
        """Clips with pauses around them, as a file that can be played."""
        path = self.state.parent / f"{names[0]}.wav"
        soundfile.write(path, said(*names), 16_000, subtype="PCM_16")
        return path

    def document(self) -> dict[str, Any]:
        """The latest that was announced."""
        made: dict[str, Any] = json.loads(self.listener.last(TOPICS.discovery) or b"{}")
        return made

    def entities(self, *, loaded: bool = False) -> dict[str, str]:
        """Unique id -> entity id, of Home Assistant's registry: what is there of Earmark; ``loaded``: and enabled."""
        listed = self.house.websocket("config/entity_registry/list")
        ours = [one for one in listed if one["platform"] == "mqtt" and not (loaded and one["disabled_by"])]
        return {one["unique_id"]: one["entity_id"] for one in ours}

    def complete(self) -> str:
        """Exactly the announced entities are in the registry, and none of them is an orphan."""

        def differing() -> set[str]:
            # What is to go is a platform and nothing else.
            told = {one["unique_id"] for one in self.document()["cmps"].values() if len(one) > 1}
            # Home Assistant keeps what it has not loaded, also where it is taken back (docs/home-assistant.md).
            return (told - set(self.entities())) | (set(self.entities(loaded=True)) - told)

        self.rest.until(lambda: f"registry and document agree: {differing()}", lambda: not differing())
        return f"{len(self.entities())} entities, as announced"

    def right(self) -> str:
        """Every enabled entity has a state that is what the topics say."""
        last, health = (json.loads(self.listener.wait(f"{BASE}/{one}")) for one in ("last", "health"))
        self.rest.shows(SPEAKER, last["speaker"])
        self.rest.shows("switch.kitchen_listening", "on")
        self.rest.shows("sensor.kitchen_enrolled", str(health["enrolled"]))
        self.rest.shows("binary_sensor.kitchen_mic_problem", "off")
        self.rest.shows("sensor.kitchen_mic_fault", "none")
        self.rest.shows("binary_sensor.kitchen_overloaded", "off")
        gone = [e for e in self.rest.registered() if self.rest.value(e) == AWAY and e != EVENT]
        assert not gone, f"unavailable: {gone}"
        return f"last speaker {last['speaker']}"

    # steps

    def onboard(self) -> str:
        self.house.start()
        self.rest.onboard()
        assert self.rest.add("mqtt", broker="127.0.0.1", port=self.broker.port) == "create_entry"
        return "started, onboarded, integration set up"

    def begin(self) -> str:
        for actor in PLAY.actors:
            self.earmark("enroll", actor.name, *map(str, actor.clips))
        return ", ".join(actor.name for actor in PLAY.actors)

    def play(self) -> str:
        """The simulated daemon: what it hears in recordings is what Home Assistant shows."""
        recording = self.wav(
            "clip-1-ada.ogg", "clip-3-ben.ogg", "clip-5-stranger.ogg", "clip-2-ada.ogg", "clip-4-ben.ogg"
        )
        daemon = self.run("--source", str(recording), **ASKED)
        self.listener.wait(TOPICS.discovery)
        self.complete()
        self.rest.until("an event", lambda: self.rest.attribute(EVENT, "event_type") == "identified")
        attributes = (self.rest.state(EVENT) or {})["attributes"]
        wait_for(lambda: attributes["id"] in {e["id"] for e in utterances(self.listener)}, "the same event")
        event = {e["id"]: e for e in utterances(self.listener)}[attributes["id"]]
        assert {key: attributes[key] for key in ("speaker", "speaker_id", "model")} == {
            key: event[key] for key in ("speaker", "speaker_id", "model")
        }
        for actor in PLAY.actors:
            self.rest.shows(HEARD.format(actor.name.lower()), "on")
        wait_for(lambda: daemon.process.poll() is not None, "the recording is through", 300)
        heard = utterances(self.listener)
        return f"{len(heard)} events; {', '.join(sorted({e['speaker'] for e in heard}))}; {self.complete()}"

    def away(self) -> str:
        for entity in (SPEAKER, EVENT, "switch.kitchen_listening", "button.kitchen_enrol_start"):
            self.rest.shows(entity, AWAY)
        return "all of it is unavailable"

    def listen(self) -> str:
        self.hear()
        self.right()
        before = self.rest.value(EVENT)
        self.say("clip-3-ben.ogg")
        self.rest.until("a new event", lambda: self.rest.value(EVENT) not in (before, AWAY))
        self.rest.shows(SPEAKER, "Ben")
        assert self.rest.attribute(SPEAKER, "speaker_id") == self.rest.attribute(EVENT, "speaker_id")
        assert float(self.rest.value("sensor.kitchen_confidence") or 0) > 50
        restarted = self.rest.value("sensor.kitchen_last_restart")
        return f"available again; Ben is heard; last restart {restarted}"

    def obey(self) -> str:
        rest = self.rest
        rest.call("switch.turn_off", entity_id="switch.kitchen_listening")
        rest.shows("switch.kitchen_listening", "off")
        assert self.microphone.recorders() == 0
        rest.call("switch.turn_on", entity_id="switch.kitchen_listening")
        rest.shows("switch.kitchen_listening", "on")
        wait_for(lambda: self.microphone.recorders() == 1, "it records again")
        for choice in ("strict", "balanced"):
            rest.call("select.select_option", entity_id="select.kitchen_profile", option=choice)
            rest.shows("select.kitchen_profile", choice)
        rest.call("number.set_value", entity_id="number.kitchen_hold_time", value=900)
        rest.shows("number.kitchen_hold_time", "900")
        return "the microphone is closed and opened; strict and back; hold time 900 s"

    def restart_house(self) -> str:
        before, heard = self.entities(), [self.rest.value(HEARD.format(name)) for name in ("ada", "ben")]
        self.house.restart()
        self.rest.until("the entities are back", lambda: self.rest.value(SPEAKER) not in (None, AWAY))
        told = self.right()
        assert self.entities() == before
        assert [self.rest.value(HEARD.format(name)) for name in ("ada", "ben")] == heard
        return f"all states are there; {told}"

    def restart_broker(self) -> str:
        self.broker.kill()
        self.rest.shows(SPEAKER, AWAY)
        self.broker.start()
        wait_for(self.listener.subscribed.is_set, "our listener is back")
        told = self.right()
        self.say("clip-1-ada.ogg")
        self.rest.shows(SPEAKER, "Ada")
        return f"unavailable, then all states again; {told}, then Ada"

    def kill(self) -> str:
        daemon = self._daemon
        assert daemon is not None
        daemon.signal(signal.SIGKILL)
        self.rest.shows(SPEAKER, AWAY)
        daemon.process.wait(10)
        self.hear()
        return f"its last will says so; then {self.right()}; {self.complete()}"

    def add(self) -> str:
        clips = [str(path) for path in sorted(ASSETS.glob("ben-enrol-*.ogg"))]
        self.earmark("people", "remove", "Ben", "--yes")
        self.rest.until("Ben's entity goes", lambda: self.rest.state(HEARD.format("ben")) is None)
        self.earmark("enroll", "Bernd", *clips)
        self.rest.shows(HEARD.format("bernd"), "off")
        self.say("clip-3-ben.ogg")
        self.rest.shows(SPEAKER, "Bernd")
        self.rest.shows(HEARD.format("bernd"), "on")
        return self.complete()

    def rename(self) -> str:
        entity = HEARD.format("bernd")
        self.earmark("people", "rename", "Bernd", "Bertram")
        self.rest.until("the new name", lambda: "Bertram" in (self.rest.attribute(entity, "friendly_name") or ""))
        self.rest.shows(SPEAKER, "Bertram")
        return f"{entity} stays and is called {self.rest.attribute(entity, 'friendly_name')}; {self.complete()}"

    def remove(self) -> str:
        self.earmark("people", "remove", "Bertram", "--yes")
        self.rest.until("the entity goes", lambda: self.rest.state(HEARD.format("bernd")) is None)
        self.rest.shows(SPEAKER, "nobody")
        return self.complete()

    def lose(self) -> str:
        self.microphone.stop()
        self.rest.shows("binary_sensor.kitchen_mic_problem", "on")
        fault, reason = (
            self.rest.attribute("binary_sensor.kitchen_mic_problem", f"mic_{key}") for key in ("fault", "reason")
        )
        assert self.rest.value("sensor.kitchen_mic_fault") == fault != "none"
        self.microphone.start()
        self.rest.shows("binary_sensor.kitchen_mic_problem", "off")
        self.rest.shows("sensor.kitchen_mic_fault", "none")
        return f"{fault}: {reason[:60]}...; then well again"

    def migrate(self) -> str:
        """What an earlier version announced, or something announced one by one, does not stay."""
        assert self._daemon is not None
        assert self._daemon.terminate() == 0
        with Outbox(self.state / "outbox.sqlite") as outbox:
            old = announced(TOPICS, outbox.states()) or {}
            gone = {"p": "sensor", "name": "Mood", "unique_id": "earmark_kitchen_mood", "state_topic": f"{BASE}/mood"}
            old["cmps"]["mood"] = gone
            outbox.append(discovery_message(TOPICS, old))
            self.publish(discovery_message(TOPICS, old))
            self.rest.until("the old entity", lambda: "earmark_kitchen_mood" in self.entities())
        single = "homeassistant/sensor/earmark_kitchen/voices/config"
        alone = {"name": "Voices", "unique_id": "earmark_kitchen_voices", "state_topic": f"{BASE}/last"}
        device = {"device": {"identifiers": ["earmark_kitchen"]}}
        self.publish(Message(single, json.dumps(alone | device).encode(), 1, True, "state"))
        self.rest.until("the single entity", lambda: "earmark_kitchen_voices" in self.entities())
        moved = old | {"cmps": old["cmps"] | {"voices": {"p": "sensor"} | alone}}
        for message in migration_messages(TOPICS, [single], moved):
            self.publish(message)
        with Outbox(self.state / "outbox.sqlite") as outbox:
            outbox.append(discovery_message(TOPICS, moved))
        self.hear()
        self.rest.until("both are gone", lambda: not {u for u in self.entities() if u.endswith(("mood", "voices"))})
        return f"its entity goes; {self.complete()}; {self.right()}"

    def silence(self) -> str:
        self.run("--source", "mic", **QUIET)
        self.rest.until("no switch any more", lambda: self.rest.state("switch.kitchen_listening") is None)
        left = [entity for entity in self.entities().values() if "enrol_" in entity or "profile" in entity]
        assert not left, left
        return self.complete()

    def leave(self) -> str:
        self.run("--source", "mic", EARMARK_HOMEASSISTANT__ENABLED="false", **QUIET)
        self.rest.until(lambda: f"no entity is left: {self.entities()}", lambda: not self.entities())
        return "no entity and no orphan is left"

    def log(self) -> str:
        found = [line for line in self.house.complaints(*OURS) if not any(one in line for one in _HARMLESS)]
        assert not found, "\n".join(found[:8])
        return f"{len(self.house.log.splitlines())} lines, no warning and no error about us"

    def publish(self, message: Message) -> None:
        """As another device would."""
        self.listener.say(message.topic, message.payload, retain=message.retain)

    def earmark(self, *words: str) -> None:
        """A command, beside the daemon."""
        environ = {"EARMARK_NODE__NAME": "kitchen", "EARMARK_MQTT__PORT": str(self.broker.port)}
        done = subprocess.run(
            [sys.executable, "-m", "edge.cli", *words, "--state", str(self.state)],
            cwd=ROOT, env=os.environ | environ, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
