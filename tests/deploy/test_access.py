"""The access list, enforced by a real mosquitto: the daemon works with it, and its account can do nothing else."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from deploy.access import HEARD, PUBLISHED, acl
from edge.auth.attempt import Gate
from edge.auth.lockout import FAILURES_IN_A_ROW
from edge.control import Client, VerifyRequest
from edge.errors import EXIT_LOCKED
from edge.mqtt.house import HouseTopics
from edge.mqtt.topics import ROUTES, SETTINGS, Topics
from edge.people import PeopleStore
from edge.settings import HomeAssistant, Mqtt, Node, Settings
from tests.broker import ADMIN, ADMIN_PASSWORD, WAIT_SECONDS, Certificates, Listener, Mosquitto, free_port, wait_for
from tests.scenarios.household import BASE, OBEDIENT, PLAY, Daemon, utterances

KITCHEN = Settings(node=Node(name="kitchen"), mqtt=Mqtt(username="ears", commands=True))
BEDROOM = replace(KITCHEN, node=Node(name="bedroom"), mqtt=Mqtt(username="bedroom"))
ASSISTANT = replace(BEDROOM, node=Node(name="bedroom-assistant"))
"""With the account of its device; the kitchen's account has no such list."""
PASSWORDS = {"ears": "ears-pass", "bedroom": "bedroom-pass", ADMIN: ADMIN_PASSWORD}
OWN = Topics(node="kitchen")
HOUSE = HouseTopics()


def rights(settings: Settings) -> list[str]:
    return [line for line in acl(settings).splitlines() if not line.startswith("#")]


def test_the_list_is_the_topic_tree() -> None:
    """What the device publishes and hears, each topic by itself: a new route must get its right here."""
    assert set(PUBLISHED) == {route.path.replace("{}", "+") for route in ROUTES.values()}
    assert {f"{BASE}/{topic}" for topic in HEARD} == set(OWN.commands)
    assert all(OWN.command_topic(name) == f"{BASE}/cfg/{name}/set" for name in SETTINGS)


def test_without_commands_nothing_may_be_heard_but_home_assistants_birth() -> None:
    deaf = rights(replace(KITCHEN, mqtt=Mqtt(username="ears")))
    assert [line for line in deaf if "read" in line] == ["topic read homeassistant/status"]
    teachable = rights(replace(KITCHEN, mqtt=Mqtt(username="ears", enrolment=True)))
    assert [line for line in teachable if "read" in line] == [line for line in rights(KITCHEN) if "read" in line]
    updatable = rights(replace(KITCHEN, mqtt=Mqtt(username="ears", updates=True)))
    assert [line for line in updatable if "read" in line] == [line for line in rights(KITCHEN) if "read" in line]
    alone = rights(replace(BEDROOM, homeassistant=HomeAssistant(enabled=False)))
    assert alone == ["user bedroom", *(f"topic write earmark/bedroom/{topic}" for topic in PUBLISHED)]


def test_only_a_node_of_a_house_may_speak_of_it() -> None:
    shared = {f"topic write {HOUSE.person('p1').replace('p1', '+')}", f"topic write {HOUSE.discovery}"}
    housed = rights(replace(KITCHEN, homeassistant=HomeAssistant(house=("kitchen",))))
    assert set(housed) - set(rights(KITCHEN)) == shared


@dataclass
class Guarded:
    """A mosquitto with the lists of two devices; ``port`` is for TLS, ``plain`` for those on this machine."""

    broker: Mosquitto
    plain: int
    secret: Path
    ca: Path

    @property
    def port(self) -> int:
        return self.broker.port


@pytest.fixture
def guarded(tmp_path: Path, certificates: Certificates) -> Iterator[Guarded]:
    (tmp_path / "acl").write_text(
        f"{acl(BEDROOM)}{acl(KITCHEN)}{acl(ASSISTANT)}user {ADMIN}\ntopic readwrite #\ntopic read $SYS/#\n"
    )
    (tmp_path / "acl").chmod(0o600)
    passwords, secret, plain = tmp_path / "passwords", tmp_path / "password", free_port()
    passwords.touch(0o600)
    secret.write_text(PASSWORDS["ears"])
    secret.chmod(0o600)
    broker = Mosquitto(tmp_path, more_ports=(plain,), anonymous=False)
    broker.allow(passwords, **PASSWORDS)
    broker.extra = (
        f"certfile {certificates.server}\nkeyfile {certificates.server_key}\nlistener {plain} 127.0.0.1\n"
        f"password_file {passwords}\nacl_file {tmp_path / 'acl'}\nsys_interval 1\n"
    )
    broker.start()
    yield Guarded(broker, plain, secret, certificates.ca)
    broker.stop()


EVERYTHING = {"EARMARK_MQTT__ENROLMENT": "true", "EARMARK_MQTT__AUTH": "true", "EARMARK_MQTT__UPDATES": "true"}


def daemon(home: Path, guarded: Guarded, *arguments: str) -> Daemon:
    login = {
        "HOST": "localhost", "TLS": "true", "CA_FILE": str(guarded.ca), "USERNAME": "ears", "PROTOCOL": "5",
        "PASSWORD_FILE": str(guarded.secret), "AUDIO": "true",
    }  # fmt: skip
    environment = {f"EARMARK_MQTT__{key}": value for key, value in login.items()}
    return Daemon(home, guarded.port, *arguments, **environment, **OBEDIENT, **EVERYTHING)


@pytest.mark.broker
def test_the_daemon_does_its_work_with_it(home: Path, guarded: Guarded) -> None:
    """Events, states, discovery, commands, Home Assistant's birth and the last will; MQTT 5 would tell each refusal."""
    listener = Listener(guarded.plain, user=ADMIN, password=ADMIN_PASSWORD)
    source = ["--source", str(PLAY.stream)]
    try:
        with daemon(home, guarded, *source) as running:
            listener.wait("homeassistant/device/earmark_kitchen/config")
            wait_for(lambda: any("/person/" in m.topic and b'"ON"' in m.payload for m in listener.heard), "a person")
            listener.say(f"{BASE}/cfg/profile/set", "strict")
            listener.wait(f"{BASE}/cfg/profile/state", b"strict")
            listener.say(f"{BASE}/request/people", "{}")
            be_refused(home)
            listener.say("homeassistant/status", "online")
            listener.wait("homeassistant/device/earmark_kitchen/config", count=2)
            wait_for(lambda: missing(listener) == set(), "every kind of topic")
            running.signal(signal.SIGKILL)
            listener.wait(f"{BASE}/availability", b"offline")
            assert utterances(listener)
            log = running.log.read_text()
    finally:
        listener.close()
    assert "does not allow" not in log and "Traceback" not in log
    assert "Connected" in log and "unencrypted" not in log


def be_refused(home: Path) -> None:
    """Somebody is locked out, and asks."""
    with PeopleStore(home) as store, Gate(home, Settings()) as gate:
        for _ in range(FAILURES_IN_A_ROW):
            with gate.begin(store.find("Ada").id, requester="cli"):
                pass
    with Client(home / "control.sock") as client:
        assert client.ask(VerifyRequest("1", "Ada"), WAIT_SECONDS, lambda told: None).exit_code == EXIT_LOCKED


def missing(listener: Listener) -> set[str]:
    """What the device has not said yet of all that it may say."""
    said = {message.topic for message in list(listener.heard)}
    patterns = [f"{BASE}/{topic}" for topic in PUBLISHED]
    return {p for p in patterns if not any(paho.topic_matches_sub(p, topic) for topic in said)}


class Thief:
    """Somebody with the device's account, who tries more than it needs. MQTT 5, where a refusal is told."""

    def __init__(self, port: int, user: str) -> None:
        self.heard: list[str] = []
        self._answers: dict[int, bool] = {}
        self._changed = threading.Condition()
        self.client = paho.Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
        self.client.username_pw_set(user, PASSWORDS[user])
        self.client.on_publish = self._on_publish
        self.client.on_message = lambda _client, _data, message: self.heard.append(message.topic)
        subscribed = threading.Event()
        self.client.on_connect = lambda client, *_: client.subscribe([("#", 1), ("$SYS/#", 1), ("+/+/+", 1)])
        self.client.on_subscribe = lambda *_: subscribed.set()
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()
        assert subscribed.wait(WAIT_SECONDS)

    def _on_publish(self, _client: object, _data: object, number: int, reason: paho.ReasonCode, _more: object) -> None:
        with self._changed:
            self._answers[number] = not reason.is_failure
            self._changed.notify_all()

    def may_publish(self, topic: str, *, retain: bool = True) -> bool:
        number = self.client.publish(topic, b"stolen", qos=1, retain=retain).mid
        with self._changed:
            assert self._changed.wait_for(lambda: number in self._answers, WAIT_SECONDS)
            return self._answers[number]

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


FOREIGN = (
    *(f"earmark/bedroom/{path}" for path in ("utterance", "availability", "last", "cfg/listening/set", "cmd/restart")),
    *("earmark/kitchen", "earmark/kitchenette/utterance", "earmark/utterance", "Earmark/kitchen/utterance"),
    *("homeassistant/device/earmark_bedroom/config", "homeassistant/device/earmark_kitchen/availability"),
    *("earmark/kitchen-assistant/utterance", "homeassistant/device/earmark_kitchen-assistant/config"),
    *("homeassistant/status", "homeassistant/sensor/earmark_kitchen/config", "homeassistant/switch/front_door/config"),
    *("lock/front/set", "zigbee2mqtt/bridge/request/permit_join", "$SYS/broker/version", "kitchen/utterance"),
    # Its own topics where it has nothing to say: whoever steals the account could switch the microphone on again.
    *(f"{BASE}/cfg/listening/set", f"{BASE}/cmd/restart", f"{BASE}/person/p7c1e", f"{BASE}/other", f"{BASE}/cfg/x"),
)


@pytest.mark.broker
def test_an_account_with_both_lists_speaks_for_a_device_and_its_assistant(guarded: Guarded) -> None:
    both = Thief(guarded.plain, "bedroom")
    try:
        for settings in (BEDROOM, ASSISTANT):
            topics = Topics(node=settings.node.name)
            for route, name in (("utterance", ""), ("availability", ""), ("person", "p7c1e")):
                assert both.may_publish(topics.of(route, name)), (settings.node.name, route)
            assert both.may_publish(topics.discovery)
    finally:
        both.close()


@pytest.mark.broker
def test_whoever_has_the_account_can_do_nothing_else(guarded: Guarded) -> None:
    thief = Thief(guarded.plain, "ears")
    admin = Listener(guarded.plain, user=ADMIN, password=ADMIN_PASSWORD)
    try:
        for route, name in (("utterance", ""), ("person", "p7c1e"), ("health", ""), ("setting", "profile")):
            assert thief.may_publish(OWN.of(route, name)), route
        assert thief.may_publish(OWN.discovery)
        assert {topic for topic in FOREIGN if thief.may_publish(topic)} == set()
        assert not thief.may_publish("earmark/bedroom/utterance", retain=False)

        heard = ("homeassistant/status", f"{BASE}/cmd/restart", f"{BASE}/cfg/profile/set")
        for topic in (*FOREIGN, *heard, f"{BASE}/utterance", f"{BASE}/last", OWN.discovery):
            if not topic.startswith("$SYS"):
                admin.say(topic, json.dumps({"secret": True}))
        admin.say("earmark/kitchen/cmd/last", "x")
        wait_for(lambda: "earmark/kitchen/cmd/last" in thief.heard, "the last of them")
        listened = (*OWN.commands, "homeassistant/status")
        foreign = {t for t in thief.heard if not any(paho.topic_matches_sub(pattern, t) for pattern in listened)}
        assert foreign == set()
        assert set(heard) <= set(thief.heard)
    finally:
        thief.close()
        admin.close()


@pytest.mark.broker
def test_without_commands_its_own_are_not_even_heard(guarded: Guarded) -> None:
    thief = Thief(guarded.plain, "bedroom")
    admin = Listener(guarded.plain, user=ADMIN, password=ADMIN_PASSWORD)
    try:
        for topic in ("earmark/bedroom/cfg/listening/set", "earmark/bedroom/cmd/x", "earmark/kitchen/last"):
            admin.say(topic, "ON")
        admin.say("homeassistant/status", "online")
        wait_for(lambda: "homeassistant/status" in thief.heard, "the birth")
        assert set(thief.heard) == {"homeassistant/status"}
    finally:
        thief.close()
        admin.close()
