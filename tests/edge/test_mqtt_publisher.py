"""The publisher with a real mosquitto: greetings, commands, births, goodbyes, and what the broker forgot."""

import json
import logging
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edge.clock import ManualClock
from edge.demo.broker import DemoBroker
from edge.errors import BrokerError, SettingsError
from edge.homeassistant import discovery_document, discovery_message
from edge.mqtt import Command, Publisher, Topics
from edge.mqtt.patience import BURST, Patience
from edge.outbox import Outbox
from edge.records import Message
from edge.settings import Mqtt, Node
from tests.broker import WAIT_SECONDS, Listener, Mosquitto, retained, wait_for

pytestmark = pytest.mark.broker

KITCHEN = Topics("earmark", "kitchen")
BIRTH = "homeassistant/status"


def utterance(number: int) -> Message:
    return KITCHEN.message("utterance", json.dumps({"n": number}).encode())


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    with Outbox(tmp_path / "outbox.sqlite") as opened:
        yield opened


Make = Callable[..., Publisher]


@pytest.fixture
def make(outbox: Outbox) -> Iterator[Make]:
    """Makes publishers on the outbox and stops them in the end."""
    made: list[Publisher] = []

    def build(port: int, on_command=None, *, topics: Topics = KITCHEN, mqtt: dict | None = None, **more) -> Publisher:
        section = Mqtt(**{"port": port, "reconnect_max_seconds": 0.2} | (mqtt or {}))
        made.append(Publisher(section, topics, outbox, on_command, **more))
        return made[-1]

    yield build
    for publisher in made:
        publisher.stop(WAIT_SECONDS)


@pytest.fixture
def listener(mosquitto: Mosquitto) -> Iterator[Listener]:
    opened = Listener(mosquitto.port)
    yield opened
    opened.close()


def test_events_and_states_arrive_with_their_flags(
    mosquitto: Mosquitto, listener: Listener, make: Make, outbox: Outbox
) -> None:
    publisher = make(mosquitto.port)
    publisher.start()
    publisher.publish(utterance(1), KITCHEN.message("last", b"{}"))
    publisher.publish(KITCHEN.speaking(True))
    assert publisher.wait_until_drained(WAIT_SECONDS)
    listener.wait("earmark/kitchen/utterance")
    listener.wait("earmark/kitchen/speaking/state", b"ON")
    assert outbox.pending() == []
    assert publisher.connected
    assert publisher.problem is None
    assert publisher.counters.published == 3
    assert publisher.counters.acknowledged >= 3
    assert retained(mosquitto.port) == {
        "earmark/kitchen/availability": b"online",
        "earmark/kitchen/last": b"{}",
        "earmark/kitchen/speaking/state": b"ON",
    }


@pytest.mark.parametrize("protocol", ["3.1.1", "5"])
def test_what_was_published_before_the_first_connection_arrives_in_order(
    mosquitto: Mosquitto, listener: Listener, make: Make, protocol: str
) -> None:
    """More than fits on the way at once, and also the QoS 0 states that paho would drop."""
    publisher = make(mosquitto.port, mqtt={"protocol": protocol})
    for number in range(70):
        publisher.publish(utterance(number))
    publisher.publish(KITCHEN.speaking(False), KITCHEN.message("health", b"old"), KITCHEN.message("health", b"new"))
    publisher.start()
    assert publisher.wait_until_drained(WAIT_SECONDS)
    # Not one after the other: the broker lets what needs no acknowledgement overtake the events that wait for theirs.
    listener.wait("earmark/kitchen/health", b"new")
    listener.wait("earmark/kitchen/speaking/state", b"OFF")
    listener.wait("earmark/kitchen/utterance", count=70)
    assert listener.payloads("earmark/kitchen/utterance") == [utterance(number).payload for number in range(70)]
    assert listener.payloads("earmark/kitchen/speaking/state") == [b"OFF"]
    assert listener.payloads("earmark/kitchen/health") == [b"new"], "only the latest state counts"


def test_what_tells_of_a_moment_never_comes_late(mosquitto: Mosquitto, listener: Listener, make: Make) -> None:
    """Not when the broker was away, and not to whoever subscribes afterwards."""
    publisher = make(mosquitto.port)
    publisher.publish(KITCHEN.message("audio", b"too late"), KITCHEN.message("last", b"{}"))
    publisher.start()
    listener.wait("earmark/kitchen/last")
    publisher.publish(KITCHEN.message("audio", b"now"))
    listener.wait("earmark/kitchen/audio", b"now")
    assert publisher.wait_until_drained(WAIT_SECONDS)
    assert listener.payloads("earmark/kitchen/audio") == [b"now"]
    late = Listener(mosquitto.port)
    try:
        late.wait("earmark/kitchen/last")
        assert late.payloads("earmark/kitchen/audio") == []
    finally:
        late.close()


def test_a_state_without_acknowledgement_is_delivered_at_once(mosquitto: Mosquitto, make: Make) -> None:
    """Not when the connection next has something to do: whoever stops the device would wait for that."""
    publisher = make(mosquitto.port)
    publisher._pause = lambda: 10 * WAIT_SECONDS
    publisher.start()
    assert publisher.wait_until_drained(WAIT_SECONDS)
    publisher.publish(KITCHEN.speaking(False))
    assert publisher.wait_until_drained(WAIT_SECONDS)


def test_the_greeting_says_online_first_then_the_device_then_its_states(
    mosquitto: Mosquitto, listener: Listener, make: Make
) -> None:
    """Home Assistant drops the state of an entity that it does not know yet."""
    publisher = make(mosquitto.port)
    publisher.publish(KITCHEN.message("last", b"{}"), KITCHEN.message("info", b"{}"))
    publisher.publish(discovery_message(KITCHEN, discovery_document(KITCHEN, {}, Node("kitchen"), "0.1.0")))
    publisher.start()
    assert publisher.wait_until_drained(WAIT_SECONDS)
    listener.wait("earmark/kitchen/info")
    assert [message.topic for message in listener.heard] == [
        "earmark/kitchen/availability",
        KITCHEN.discovery,
        "earmark/kitchen/last",
        "earmark/kitchen/info",
    ]


def test_a_broker_that_forgot_everything_is_told_everything_again(mosquitto: Mosquitto, make: Make) -> None:
    """Killed without persistence; events are not repeated."""
    publisher = make(mosquitto.port)
    publisher.publish(discovery_message(KITCHEN, discovery_document(KITCHEN, {}, Node("kitchen"), "0.1.0")))
    publisher.publish(KITCHEN.message("last", b"{}"), KITCHEN.setting("profile", "strict"), KITCHEN.speaking(True))
    publisher.publish(utterance(1))
    publisher.start()
    assert publisher.wait_until_drained(WAIT_SECONDS)
    before = retained(mosquitto.port)
    mosquitto.restart()
    wait_for(lambda: publisher.counters.reconnects == 1, "reconnected")
    assert publisher.wait_until_drained(WAIT_SECONDS)
    assert publisher.problem is None
    assert retained(mosquitto.port) == before
    assert len(before) == 5


def test_the_birth_of_home_assistant_brings_all_again_after_a_delay(
    mosquitto: Mosquitto, listener: Listener, make: Make
) -> None:
    """The delay is asked for once per birth; any other status asks for nothing."""
    asked = []
    publisher = make(mosquitto.port, birth_topic=BIRTH, birth_delay=lambda: asked.append(1) or 0.05)
    publisher.publish(discovery_message(KITCHEN, discovery_document(KITCHEN, {}, Node("kitchen"), "0.1.0")))
    publisher.publish(KITCHEN.message("last", b"{}"), utterance(1))
    publisher.start()
    assert publisher.wait_until_drained(WAIT_SECONDS)
    listener.say(BIRTH, "offline")
    listener.say(BIRTH, "online")
    for topic in ("earmark/kitchen/availability", KITCHEN.discovery, "earmark/kitchen/last"):
        listener.wait(topic, count=2)
    assert asked == [1]
    assert len(listener.payloads("earmark/kitchen/utterance")) == 1


def test_commands_reach_the_owner_and_retained_ones_do_not(
    mosquitto: Mosquitto, listener: Listener, make: Make
) -> None:
    listener.say("earmark/kitchen/cfg/listening/set", "OFF", retain=True)
    listener.say("earmark/kitchen/cmd/restart", "PRESS", retain=True)
    heard: list[Command] = []
    publisher = make(mosquitto.port, heard.append)
    publisher.start()
    assert publisher.wait_until_drained(WAIT_SECONDS)
    listener.say("earmark/kitchen/cfg/profile/set", "strict")
    wait_for(lambda: heard, "the command")
    assert heard == [Command("set", "profile", b"strict")]


def test_a_command_that_fails_or_publishes_stops_nothing(
    mosquitto: Mosquitto, listener: Listener, make: Make, caplog
) -> None:
    def obey(command: Command) -> None:
        if command.text == "bad":
            raise ValueError("no such profile")
        publisher.publish(KITCHEN.setting(command.name, command.text))

    publisher = make(mosquitto.port, obey)
    publisher.start()
    assert publisher.wait_until_drained(WAIT_SECONDS)
    listener.say("earmark/kitchen/cfg/profile/set", "bad")
    listener.say("earmark/kitchen/cfg/profile/set", "strict")
    listener.wait("earmark/kitchen/cfg/profile/state", b"strict")
    assert "no such profile" in caplog.text


def test_without_an_owner_of_commands_nothing_is_subscribed(mosquitto: Mosquitto, make: Make) -> None:
    publisher = make(mosquitto.port)
    publisher.start()
    assert publisher.wait_until_drained(WAIT_SECONDS)
    publisher.stop(WAIT_SECONDS)
    assert "SUBSCRIBE" not in mosquitto.log


def test_stopping_says_offline_and_goodbye_so_that_no_will_is_needed(
    mosquitto: Mosquitto, listener: Listener, make: Make
) -> None:
    before = set(threading.enumerate())
    publisher = make(mosquitto.port)
    publisher.start()
    assert publisher.wait_until_drained(WAIT_SECONDS)
    assert publisher.stop(WAIT_SECONDS)
    listener.wait("earmark/kitchen/availability", b"offline")
    wait_for(lambda: "DISCONNECT from earmark-kitchen" in mosquitto.log, "a proper goodbye")
    assert listener.payloads("earmark/kitchen/availability") == [b"online", b"offline"]
    assert not publisher.connected
    assert not any(thread.name == "earmark-mqtt" for thread in set(threading.enumerate()) - before)


def test_what_comes_after_stopping_waits_for_the_next_start(
    mosquitto: Mosquitto, listener: Listener, make: Make
) -> None:
    first = make(mosquitto.port)
    first.start()
    assert first.wait_until_drained(WAIT_SECONDS)
    first.stop(WAIT_SECONDS)
    first.publish(utterance(1))
    second = make(mosquitto.port)
    second.start()
    assert second.wait_until_drained(WAIT_SECONDS)
    listener.wait("earmark/kitchen/utterance", utterance(1).payload)


def test_stopping_works_before_starting_and_twice(make: Make) -> None:
    publisher = make(1)
    assert publisher.stop()
    assert publisher.stop()


def test_a_renamed_device_takes_its_old_retained_topics_away(mosquitto: Mosquitto, make: Make) -> None:
    """Nobody else would ever clear them, and Home Assistant would show a ghost."""
    first = make(mosquitto.port)
    first.publish(discovery_message(KITCHEN, discovery_document(KITCHEN, {}, Node("kitchen"), "0.1.0")))
    first.publish(KITCHEN.message("last", b"{}"))
    first.start()
    assert first.wait_until_drained(WAIT_SECONDS)
    first.stop(WAIT_SECONDS)
    bath = Topics("earmark", "bath")
    second = make(mosquitto.port, topics=bath)
    second.publish(bath.message("last", b"{}"))
    second.start()
    assert second.wait_until_drained(WAIT_SECONDS)
    assert retained(mosquitto.port) == {"earmark/bath/availability": b"online", "earmark/bath/last": b"{}"}


def test_two_devices_with_one_name_are_told_so(mosquitto: Mosquitto, make: Make, tmp_path: Path) -> None:
    """The broker throws the one out when the other comes; MQTT 3.1.1 does not say why."""
    first = make(mosquitto.port)
    first.start()
    with Outbox(tmp_path / "twin.sqlite") as other:
        second = Publisher(Mqtt(port=mosquitto.port, reconnect_max_seconds=0.2), KITCHEN, other)
        second.start()
        try:
            wait_for(lambda: "node.name" in (first.problem or "") + (second.problem or ""), "the reason")
        finally:
            second.stop(WAIT_SECONDS)


def test_messages_of_a_forked_child_are_refused_instead_of_lost(mosquitto: Mosquitto, make: Make) -> None:
    publisher = make(mosquitto.port)
    publisher.start()
    assert publisher.wait_until_drained(WAIT_SECONDS)
    child = os.fork()
    if child == 0:
        try:
            publisher.publish(utterance(1))
        except BrokerError:
            os._exit(42)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 42
    publisher.publish(utterance(2))
    assert publisher.wait_until_drained(WAIT_SECONDS), "the parent goes on"


def test_an_unusable_password_or_certificate_file_is_an_error_before_there_is_a_publisher(
    make: Make, tmp_path: Path
) -> None:
    with pytest.raises(SettingsError, match=r"mqtt\.password_file"):
        make(1, mqtt={"username": "u", "password_file": str(tmp_path / "none")})
    with pytest.raises(SettingsError, match=r"mqtt\.ca_file"):
        make(1, mqtt={"tls": True, "ca_file": str(tmp_path / "none")})
    broken = tmp_path / "broken.pem"
    broken.write_text("-----BEGIN CERTIFICATE-----\nnonsense\n")
    with pytest.raises(SettingsError, match=r"mqtt\.ca_file"):
        make(1, mqtt={"tls": True, "ca_file": str(broken)})
    with pytest.raises(SettingsError, match=r"mqtt\.cert_file"):
        make(1, mqtt={"tls": True, "cert_file": str(broken), "key_file": str(broken)})


def test_a_password_in_the_open_is_warned_about_once(make: Make, tmp_path: Path, caplog) -> None:
    secret = tmp_path / "password"
    secret.write_text("s3cret\n")
    login = {"username": "u", "password_file": str(secret)}
    caplog.set_level(logging.WARNING)
    make(1, mqtt=login).start()
    assert "unencrypted" not in caplog.text, "on the same machine nobody listens"
    # 192.0.2.1 is reserved for documentation: nothing is there.
    make(1, mqtt=login | {"host": "192.0.2.1"}).start()
    assert caplog.text.count("unencrypted") == 1
    assert "s3cret" not in caplog.text


def test_the_demonstrations_broker_is_a_broker(make: Make) -> None:
    """The one from pip: publish, retain, drain; reachable on this machine only; gone when stopped."""
    demo = DemoBroker()
    port = demo.start()
    try:
        assert demo.start() == port
        listener = Listener(port)
        publisher = make(port)
        for number in range(50):
            publisher.publish(utterance(number))
        publisher.publish(KITCHEN.message("last", b"{}"))
        publisher.start()
        assert publisher.wait_until_drained(WAIT_SECONDS)
        listener.wait("earmark/kitchen/last")
        listener.wait("earmark/kitchen/utterance", count=50)
        assert listener.payloads("earmark/kitchen/utterance") == [utterance(number).payload for number in range(50)]
        listener.close()
        assert retained(port)["earmark/kitchen/last"] == b"{}"
        publisher.stop(WAIT_SECONDS)
    finally:
        demo.stop()
        demo.stop()
    with pytest.raises(ConnectionRefusedError):
        Listener(port)


def test_a_flood_of_commands_is_obeyed_as_far_as_patience_goes(
    mosquitto: Mosquitto, listener: Listener, make: Make, caplog
) -> None:
    obeyed: list[Command] = []
    publisher = make(mosquitto.port, obeyed.append, patience=Patience(ManualClock(0.0)))
    publisher.start()
    assert publisher.wait_until_drained(WAIT_SECONDS)
    for number in range(2 * BURST):
        listener.say("earmark/kitchen/cfg/listening/set", "OFF" if number % 2 else "ON")
    wait_for(lambda: caplog.text.count("too many at once") == BURST, "the rest is ignored")
    assert len(obeyed) == BURST


def test_patience_comes_back_with_time_and_has_an_end() -> None:
    clock = ManualClock(0.0)
    patience = Patience(clock)
    assert [patience.allows() for _ in range(BURST + 2)] == [True] * BURST + [False] * 2
    clock.advance(2.0)
    assert [patience.allows() for _ in range(3)] == [True, True, False]
    clock.advance(1e6)
    assert [patience.allows() for _ in range(BURST + 1)] == [True] * BURST + [False]


@pytest.mark.parametrize("protocol", ["3.1.1", "5"])
def test_a_giant_message_is_never_taken_in(mosquitto: Mosquitto, make: Make, caplog, protocol: str) -> None:
    """MQTT 5 lets the broker keep it; with 3.1.1 the connection ends. Events go on arriving."""
    caplog.set_level(logging.INFO)
    publisher = make(mosquitto.port, lambda command: None, mqtt={"protocol": protocol})
    publisher.start()
    assert publisher.wait_until_drained(WAIT_SECONDS)
    listener = Listener(mosquitto.port, "earmark/kitchen/+")
    listener.say("earmark/kitchen/cmd/x", b"x" * 20_000_000)
    if protocol == "3.1.1":
        wait_for(lambda: publisher.counters.connections > 1, "another connection")
        assert "which is no command" in caplog.text
    publisher.publish(utterance(1))
    listener.wait("earmark/kitchen/utterance")
    listener.close()
    assert "Ignored a message" not in caplog.text
