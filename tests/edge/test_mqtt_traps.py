"""Traps of MQTT and of paho, each with a real mosquitto: refusals, access lists, TLS, wills."""

import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from edge.clock import SystemClock
from edge.mqtt import Command, Publisher, Topics
from edge.mqtt.patience import Patience
from edge.outbox import Outbox
from edge.records import Message
from edge.settings import Mqtt
from tests.broker import (
    HOST,
    PASSWORD,
    USER,
    WAIT_SECONDS,
    Certificates,
    Listener,
    Mosquitto,
    SecureMosquitto,
    free_port,
    wait_for,
)

pytestmark = pytest.mark.broker

KITCHEN = Topics("earmark", "kitchen")
ROOT = Path(__file__).parents[2]


def utterance(number: int) -> Message:
    return KITCHEN.message("utterance", str(number).encode())


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    with Outbox(tmp_path / "outbox.sqlite") as opened:
        yield opened


@pytest.fixture
def start(outbox: Outbox) -> Iterator:
    """Starts publishers on the outbox, and stops them in the end."""
    running: list[Publisher] = []

    def begin(mqtt: Mqtt, on_command=None, **more) -> Publisher:
        running.append(Publisher(replace(mqtt, reconnect_max_seconds=0.2), KITCHEN, outbox, on_command, **more))
        running[-1].start()
        return running[-1]

    yield begin
    for publisher in running:
        publisher.stop(WAIT_SECONDS)


def secure(broker: SecureMosquitto, certificates: Certificates, **more) -> Mqtt:
    """Settings with which everything is right."""
    section = Mqtt(
        port=broker.port,
        tls=True,
        ca_file=str(certificates.ca),
        username=USER,
        password_file=str(broker.password_file),
    )
    return replace(section, **more)


def plain(broker: SecureMosquitto, **more) -> Mqtt:
    return replace(Mqtt(port=broker.plain_port, username=USER, password_file=str(broker.password_file)), **more)


def problem_of(publisher: Publisher, part: str) -> str:
    return wait_for(lambda: part in (publisher.problem or "") and publisher.problem, f"{part}: {publisher.problem}")


def test_nobody_listening_is_told_and_costs_nothing(start, outbox: Outbox) -> None:
    publisher = start(Mqtt(port=free_port()))
    publisher.publish(utterance(1))
    assert "the connection was refused. Start the broker" in problem_of(publisher, "refused")
    wait_for(lambda: publisher.counters.attempts >= 3, "it goes on trying")
    assert not publisher.connected
    assert not publisher.wait_until_drained(0.05)
    assert len(outbox.pending()) == 2, "the event, and that the device is there"


def test_a_broker_that_comes_late_gets_everything(tmp_path: Path, start, outbox: Outbox) -> None:
    broker = Mosquitto(tmp_path)
    publisher = start(Mqtt(port=broker.port))
    publisher.publish(utterance(1))
    problem_of(publisher, "refused")
    broker.start()
    try:
        assert publisher.wait_until_drained(WAIT_SECONDS)
        assert publisher.problem is None
    finally:
        broker.stop()


def test_a_name_that_nobody_knows_is_told(start) -> None:
    assert "cannot be resolved" in problem_of(start(Mqtt(host="broker.invalid")), "broker.invalid")


@pytest.mark.parametrize("protocol", ["3.1.1", "5"])
def test_a_wrong_password_is_told_and_loses_nothing(
    secure_mosquitto: SecureMosquitto, start, outbox: Outbox, tmp_path: Path, protocol: str, caplog
) -> None:
    """paho calls on_connect for that too, and would go on once a second; nothing may be sent or subscribed."""
    wrong = tmp_path / "wrong"
    wrong.write_text("hunter2-wrong\n")
    publisher = start(plain(secure_mosquitto, password_file=str(wrong), protocol=protocol), lambda command: None)
    publisher.publish(utterance(1))
    sentence = problem_of(publisher, "refuses the user 'ears'")
    assert "Check mqtt.username and mqtt.password_file." in sentence
    wait_for(lambda: publisher.counters.attempts >= 3, "it goes on trying")
    assert publisher.counters.connections == 0
    assert utterance(1) in [message for _, message in outbox.pending()]
    assert "hunter2" not in caplog.text + sentence + repr(vars(publisher))
    assert "SUBSCRIBE" not in secure_mosquitto.broker.log
    assert sum(sentence in record.getMessage() for record in caplog.records) == 1, (
        "one line in the log, not one a second"
    )


def test_no_password_where_one_is_needed(secure_mosquitto: SecureMosquitto, start) -> None:
    publisher = start(Mqtt(port=secure_mosquitto.plain_port))
    problem_of(publisher, "refuses a client without a user name")


def test_tls_by_address_and_by_name_with_a_password(
    secure_mosquitto: SecureMosquitto, certificates: Certificates, start
) -> None:
    listener = secure_mosquitto.listener("earmark/#")
    for number, host in enumerate((HOST, "localhost")):
        publisher = start(secure(secure_mosquitto, certificates, host=host))
        publisher.publish(utterance(number))
        assert publisher.wait_until_drained(WAIT_SECONDS), publisher.problem
        publisher.stop(WAIT_SECONDS)
    listener.wait("earmark/kitchen/utterance", b"1")
    assert listener.payloads("earmark/kitchen/utterance") == [b"0", b"1"]
    listener.close()


def test_tls_carries_more_than_one_record_at_once(
    secure_mosquitto: SecureMosquitto, certificates: Certificates, start
) -> None:
    """Decrypted bytes wait inside TLS, where poll does not see them: many commands in one go, and many events."""
    heard: list[Command] = []
    many = Patience(SystemClock(), burst=100)
    publisher = start(secure(secure_mosquitto, certificates), heard.append, patience=many)
    assert publisher.wait_until_drained(WAIT_SECONDS)
    listener = secure_mosquitto.listener("earmark/#")
    for number in range(100):
        listener.client.publish("earmark/kitchen/cfg/profile/set", str(number) + " " * 900, qos=1)
        publisher.publish(utterance(number))
    wait_for(lambda: len(heard) == 100, "all commands")
    assert publisher.wait_until_drained(WAIT_SECONDS)
    assert [int(command.text) for command in heard] == list(range(100))
    listener.close()


@pytest.mark.parametrize("authority", ["other_ca", None])
def test_an_authority_that_did_not_sign_is_told_and_never_gone_around(
    secure_mosquitto: SecureMosquitto, certificates: Certificates, start, authority: str | None
) -> None:
    """A stranger's, and the system's."""
    ca_file = str(getattr(certificates, authority)) if authority else ""
    publisher = start(secure(secure_mosquitto, certificates, ca_file=ca_file))
    assert "Check mqtt.ca_file" in problem_of(publisher, "is not trusted")
    assert publisher.counters.connections == 0


def test_a_certificate_for_another_name_is_not_trusted(tmp_path: Path, certificates: Certificates, start) -> None:
    broker = Mosquitto(tmp_path)
    broker.extra = f"certfile {certificates.elsewhere}\nkeyfile {certificates.elsewhere_key}\n"
    broker.start()
    try:
        publisher = start(Mqtt(port=broker.port, tls=True, ca_file=str(certificates.ca)))
        assert "mqtt.host is the name in the certificate" in problem_of(publisher, "is not trusted")
        assert publisher.counters.connections == 0
    finally:
        broker.stop()


def test_tls_at_a_plain_port_is_told(secure_mosquitto: SecureMosquitto, certificates: Certificates, start) -> None:
    publisher = start(secure(secure_mosquitto, certificates, port=secure_mosquitto.plain_port))
    assert "mqtt.tls" in problem_of(publisher, "closed the connection")


def test_a_plain_client_at_a_tls_port_is_told(secure_mosquitto: SecureMosquitto, start) -> None:
    publisher = start(plain(secure_mosquitto, port=secure_mosquitto.port))
    assert "mqtt.tls" in problem_of(publisher, "closed the connection")


def test_a_broker_that_wants_certificates_gets_one(tmp_path: Path, certificates: Certificates, start) -> None:
    broker = Mosquitto(tmp_path)
    broker.extra = (
        f"certfile {certificates.server}\nkeyfile {certificates.server_key}\ncafile {certificates.ca}\n"
        "require_certificate true\nuse_identity_as_username true\n"
    )
    broker.start()
    try:
        section = Mqtt(port=broker.port, tls=True, ca_file=str(certificates.ca))
        without = start(section)
        wait_for(lambda: without.problem, "refused without a certificate")
        without.stop(WAIT_SECONDS)
        assert without.counters.connections == 0
        files = {"cert_file": str(certificates.client), "key_file": str(certificates.client_key)}
        assert start(replace(section, **files)).wait_until_drained(WAIT_SECONDS)
    finally:
        broker.stop()


def test_a_forbidden_topic_is_set_aside_not_lost_and_blocks_nothing(
    secure_mosquitto: SecureMosquitto, start, outbox: Outbox, caplog
) -> None:
    """MQTT 5. paho calls such a message published; only the reason code tells."""
    listener = secure_mosquitto.listener("earmark/#")
    publisher = start(plain(secure_mosquitto, protocol="5"))
    denied = KITCHEN.message("person", b"{}", "p7c1e")
    publisher.publish(utterance(1), denied, utterance(2), Message("earmark/bath/utterance", b"3", 1, False, "event"))
    assert publisher.wait_until_drained(WAIT_SECONDS)
    listener.wait("earmark/kitchen/utterance", b"2")
    assert publisher.counters.refused == 2
    assert outbox.counters.refused == 2
    assert "does not allow this user to publish to earmark/" in (publisher.problem or "")
    assert "earmark/kitchen/person/p7c1e/state" in caplog.text
    assert not listener.payloads("earmark/bath/utterance")
    listener.close()


def test_what_was_forbidden_is_tried_again_at_the_next_connection(
    secure_mosquitto: SecureMosquitto, start, outbox: Outbox, tmp_path: Path
) -> None:
    publisher = start(plain(secure_mosquitto, protocol="5"))
    publisher.publish(Message("earmark/bath/last", b"{}", 1, True, "event"))
    wait_for(lambda: publisher.counters.refused, "refused")
    rights = tmp_path / "acl"
    rights.write_text(rights.read_text().replace(f"user {USER}\n", f"user {USER}\ntopic write earmark/bath/#\n"))
    secure_mosquitto.broker.restart()
    wait_for(lambda: publisher.counters.reconnects, "connected again")
    assert publisher.wait_until_drained(WAIT_SECONDS)
    assert publisher.problem is None
    assert outbox.counters.refused == 0
    listener = secure_mosquitto.listener("earmark/bath/#")
    listener.wait("earmark/bath/last", b"{}")
    listener.close()


def test_a_forbidden_subscription_is_granted_by_the_broker_and_simply_silent(
    secure_mosquitto: SecureMosquitto, start
) -> None:
    """mosquitto grants it and then delivers nothing (``cmd`` is not in the list); the rest works all the same."""
    heard: list[Command] = []
    publisher = start(plain(secure_mosquitto, protocol="5"), heard.append)
    assert publisher.wait_until_drained(WAIT_SECONDS)
    listener = secure_mosquitto.listener("earmark/#")
    listener.say("earmark/kitchen/cmd/restart", b"PRESS")
    listener.say("earmark/kitchen/cfg/profile/set", b"strict")
    wait_for(lambda: heard, "the allowed command")
    assert heard == [Command("set", "profile", b"strict")]
    assert publisher.problem is None
    listener.close()


@pytest.mark.parametrize("protocol", ["3.1.1", "5"])
def test_a_subscription_that_the_broker_refuses_is_told(tmp_path: Path, start, protocol: str) -> None:
    """With mosquitto's dynamic security, which is honest about it."""
    plugins = sorted(Path("/usr/lib").glob("**/mosquitto_dynamic_security.so"))
    if not plugins:
        pytest.skip("mosquitto came without its dynamic security plugin")
    rules = tmp_path / "dynamic.json"
    access = {"publishClientSend": True, "publishClientReceive": True, "subscribe": False, "unsubscribe": True}
    rules.write_text(json.dumps({"defaultACLAccess": access, "clients": [], "groups": [], "roles": []}))
    broker = Mosquitto(tmp_path, extra=f"plugin {plugins[0]}\nplugin_opt_config_file {rules}\n").start()
    try:
        publisher = start(Mqtt(port=broker.port, protocol=protocol), lambda command: None)
        told = problem_of(publisher, "subscribe to")
        assert any(pattern in told for pattern in Topics(node="kitchen").commands), told
        assert publisher.wait_until_drained(WAIT_SECONDS), "publishing goes on"
    finally:
        broker.stop()


DEVICE = """
import sys, time
from edge.mqtt import Publisher, Topics
from edge.outbox import Outbox
from edge.settings import Mqtt
publisher = Publisher(Mqtt(port=int(sys.argv[1])), Topics("earmark", "kitchen"), Outbox(sys.argv[2]))
publisher.start()
assert publisher.wait_until_drained(60)
print("ready", flush=True)
time.sleep(60)
"""


def test_the_last_will_says_offline_when_the_process_is_killed(mosquitto: Mosquitto, tmp_path: Path) -> None:
    listener = Listener(mosquitto.port)
    with subprocess.Popen(
        [sys.executable, "-c", DEVICE, str(mosquitto.port), str(tmp_path / "o.sqlite")],
        stdout=subprocess.PIPE,
        cwd=ROOT,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        listener.wait("earmark/kitchen/availability", b"online")
        process.kill()
    listener.wait("earmark/kitchen/availability", b"offline")
    assert listener.heard[-1].topic == "earmark/kitchen/availability"
    listener.close()


def test_secrets_show_nowhere(secure_mosquitto: SecureMosquitto, certificates: Certificates, start, caplog) -> None:
    """Not in a log at its most talkative, nor in anything that a publisher shows of itself."""
    caplog.set_level(logging.DEBUG)
    publisher = start(secure(secure_mosquitto, certificates))
    assert publisher.wait_until_drained(WAIT_SECONDS)
    secure_mosquitto.broker.kill()
    wait_for(lambda: publisher.problem, "the broker is away")
    assert PASSWORD not in caplog.text + repr(vars(publisher)) + str(publisher.problem)
