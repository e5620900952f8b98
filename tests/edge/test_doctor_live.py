"""The checks of ``earmark doctor`` that need a counterpart: a real broker, a (virtual) microphone."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edge.doctor.broker import broker
from edge.doctor.case import Case
from edge.doctor.examination import examine
from edge.mqtt import Publisher, Topics
from edge.outbox import Outbox
from edge.settings import Audio, Mqtt, Node, Settings
from tests.broker import HOST, USER, Certificates, Mosquitto, SecureMosquitto, free_port, retained, wait_for
from tests.edge.audio.sounds import voice
from tests.scenarios.household import listening
from tests.virtual_microphone import VirtualMicrophone


def case(mqtt: Mqtt, **more) -> Case:
    return Case(Settings(node=Node(name="kitchen"), mqtt=mqtt, **more))


def secure(broker: SecureMosquitto, certificates: Certificates, **more) -> Mqtt:
    given = {
        "host": "localhost",
        "port": broker.port,
        "tls": True,
        "ca_file": str(certificates.ca),
        "username": USER,
        "password_file": str(broker.password_file),
    }
    return Mqtt(**given | more)


def test_a_broker_that_is_switched_off_is_no_fault() -> None:
    assert broker(case(Mqtt(enabled=False, host="nowhere.invalid"))).status == "ok"


@pytest.mark.broker
@pytest.mark.parametrize("protocol", ["3.1.1", "5"])
def test_a_broker_that_takes_us_is_well(mosquitto: Mosquitto, protocol: str) -> None:
    found = broker(case(Mqtt(host=HOST, port=mosquitto.port, protocol=protocol)))
    assert (found.status, found.facts["broker"]) == ("ok", f"{HOST}:{mosquitto.port}")
    assert "earmark-doctor" in mosquitto.log


@pytest.mark.broker
def test_a_device_that_is_connected_is_not_disturbed_and_nothing_is_published(
    mosquitto: Mosquitto, tmp_path: Path
) -> None:
    mqtt = Mqtt(host=HOST, port=mosquitto.port)
    with Outbox(tmp_path / "outbox.sqlite") as outbox, listening(mosquitto.port) as listener:
        publisher = Publisher(mqtt, Topics("earmark", "kitchen"), outbox)
        publisher.start()
        assert publisher.wait_until_drained(20)
        wait_for(lambda: listener.heard, "the availability")
        before = len(listener.heard)
        assert broker(case(mqtt)).status == "ok"
        kept = retained(mosquitto.port, "test/marker")
        listener.wait("test/marker")
        assert publisher.counters.connections == 1
        assert [message.topic for message in listener.heard[before:]] == ["test/marker"]
        publisher.stop()
    assert list(kept) == ["earmark/kitchen/availability"]


def test_nobody_at_the_port_is_told_apart() -> None:
    found = next(examine(case(Mqtt(host=HOST, port=free_port())), ["broker"]))
    assert found.status == "fail"
    assert "refused" in found.sentence and "mqtt.port" in found.remedy


def test_a_name_that_does_not_exist_is_told_apart() -> None:
    found = broker(case(Mqtt(host="broker.invalid")))
    assert found.status == "fail"
    assert "cannot be resolved" in found.sentence and "mqtt.host" in found.remedy


@pytest.mark.broker
def test_tls_and_password_are_used(secure_mosquitto: SecureMosquitto, certificates: Certificates) -> None:
    found = broker(case(secure(secure_mosquitto, certificates)))
    assert found.status == "ok", found
    assert "with TLS" in found.sentence and USER in found.sentence


@pytest.mark.broker
@pytest.mark.parametrize(
    ("fault", "words", "remedy"),
    [
        ("password", "refuses the user 'ears'", "mqtt.password_file"),
        ("authority", "is not trusted", "mqtt.ca_file"),
        ("plain", "closed the connection at once", "does that port want TLS"),
        ("no file", "cannot be read", "password"),
    ],
)
def test_what_is_wrong_with_a_secure_broker_is_told_apart(
    secure_mosquitto: SecureMosquitto, certificates: Certificates, tmp_path: Path, fault: str, words: str, remedy: str
) -> None:
    wrong = tmp_path / "wrong"
    wrong.write_text("not the password\n")
    changes = {
        "password": {"password_file": str(wrong)},
        "authority": {"ca_file": str(certificates.other_ca)},
        "plain": {"port": secure_mosquitto.plain_port},
        "no file": {"password_file": str(tmp_path / "missing")},
    }
    found = broker(case(secure(secure_mosquitto, certificates, **changes[fault])))
    assert found.status == "fail"
    assert words in found.sentence and remedy in found.remedy
    assert "not the password" not in found.sentence + found.remedy


@contextlib.contextmanager
def broker_without_rights() -> Iterator[int]:
    """Takes one client and refuses each of its subscriptions, which mosquitto's access lists cannot; gives the port."""
    with socket.create_server((HOST, 0)) as server:

        def serve() -> None:
            client, _ = server.accept()
            with client, client.makefile("rb") as stream:
                while head := stream.read(2):  # no packet here is longer than 127 bytes
                    body = stream.read(head[1])
                    if head[0] >> 4 == 1:
                        client.sendall(b"\x20\x02\x00\x00")
                    elif head[0] >> 4 == 8:
                        client.sendall(b"\x90\x03" + body[:2] + b"\x80")

        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1]
        thread.join(20)
        assert not thread.is_alive()


def test_commands_that_the_broker_does_not_allow_are_a_warning() -> None:
    with broker_without_rights() as port:
        found = broker(case(Mqtt(host=HOST, port=port, commands=True)))
    assert found.status == "warn"
    assert "subscribe to earmark/kitchen/cmd/#" in found.sentence and "access list" in found.remedy
    with broker_without_rights() as port:
        assert broker(case(Mqtt(host=HOST, port=port))).status == "ok"


@pytest.mark.microphone
def test_a_microphone_is_found_and_named(virtual_microphone: VirtualMicrophone) -> None:
    found = next(examine(case(Mqtt()), ["microphone"]))
    assert found.status == "ok"
    assert found.facts["chosen"] in found.facts["devices"]


@pytest.mark.microphone
def test_a_microphone_that_is_not_there_fails_unless_recordings_are_played(
    virtual_microphone: VirtualMicrophone, tmp_path: Path
) -> None:
    absent = case(Mqtt(), audio=Audio(source="mic:Kitchen"))
    found = next(examine(absent, ["microphone"]))
    assert (found.status, "Kitchen" in found.sentence) == ("fail", True)
    assert next(examine(case(Mqtt(), audio=Audio(source="x.wav")), ["microphone"])).status == "ok"
    virtual_microphone.stop()
    assert next(examine(case(Mqtt()), ["microphone"])).status == "fail"
    assert next(examine(case(Mqtt(), audio=Audio(source="x.wav")), ["microphone"])).status == "warn"


@pytest.mark.microphone
def test_the_level_is_that_of_what_the_microphone_hears(virtual_microphone: VirtualMicrophone) -> None:
    silent = next(examine(replace(case(Mqtt()), listen_seconds=0.5), ["level"]))
    assert (silent.status, "zeros" in silent.sentence) == ("fail", True)
    speech = np.tile(voice(), 3)
    player = threading.Thread(target=virtual_microphone.play, args=(speech,))
    player.start()
    try:
        found = next(examine(replace(case(Mqtt()), listen_seconds=2.0), ["level"]))
    finally:
        player.join()
    assert found.status == "ok", found
    assert found.facts["seconds"] == pytest.approx(2.0, abs=0.15)
    loudest = max(10 * np.log10(np.mean(speech[i : i + 1600] ** 2)) for i in range(0, len(speech) - 1600, 400))
    assert loudest - 6 < found.facts["loudest_dbfs"] <= loudest + 0.5


@pytest.mark.microphone
def test_listening_fails_where_nothing_can_be_heard(virtual_microphone: VirtualMicrophone) -> None:
    virtual_microphone.stop()
    assert next(examine(replace(case(Mqtt()), listen_seconds=0.5), ["level"])).status == "fail"
