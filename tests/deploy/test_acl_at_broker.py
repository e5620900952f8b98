"""The access list, enforced by a real mosquitto."""

import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from deploy.snippets import acl
from edge.mqtt.topics import Topics
from edge.settings import Mqtt, Node, Settings

pytestmark = pytest.mark.broker
WAIT_SECONDS = 20


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    """A mosquitto that knows the device ``ears`` with its list, and ``admin`` who may do everything."""
    program = shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
    assert program, "mosquitto is not installed (apt install mosquitto)"
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        number = probe.getsockname()[1]
    rights, passwords = tmp_path / "acl", tmp_path / "passwords"
    rights.write_text(
        acl(Settings(node=Node(name="kitchen"), mqtt=Mqtt(username="ears"))) + "user admin\ntopic readwrite #\n"
    )
    passwords.touch(0o600)
    rights.chmod(0o600)
    for user in ("ears", "admin"):
        subprocess.run(["mosquitto_passwd", "-b", str(passwords), user, user], check=True)
    conf = tmp_path / "mosquitto.conf"
    conf.write_text(
        f"listener {number} 127.0.0.1\nallow_anonymous false\npassword_file {passwords}\nacl_file {rights}\n"
        f"user root\nlog_dest file {tmp_path / 'log'}\n"
    )
    with subprocess.Popen([program, "-c", str(conf)]) as process:
        try:
            yield number
        finally:
            process.terminate()


class Peer:
    """A connected MQTT 5 client that waits for what it asked for."""

    def __init__(self, port: int, user: str) -> None:
        self.heard: list[str] = []
        self.arrived = threading.Condition()
        self.refused: dict[int, bool] = {}
        self.client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=user, protocol=mqtt.MQTTv5)
        self.client.username_pw_set(user, user)
        self.client.on_publish = self._published
        self.client.on_message = self._message
        connected = threading.Event()
        self.client.on_connect = lambda _client, _data, _flags, reason, _properties: (
            None if reason.is_failure else connected.set()
        )
        self.client.reconnect_delay_set(1, 1)
        self.client.connect_async("127.0.0.1", port)
        self.client.loop_start()
        assert connected.wait(WAIT_SECONDS)

    def _published(self, _client, _data, number, reason, _properties) -> None:
        with self.arrived:
            self.refused[number] = reason.is_failure
            self.arrived.notify_all()

    def _message(self, _client, _data, message) -> None:
        with self.arrived:
            self.heard.append(message.topic)
            self.arrived.notify_all()

    def may_publish(self, topic: str) -> bool:
        number = self.client.publish(topic, "x", qos=1, retain=True).mid
        with self.arrived:
            assert self.arrived.wait_for(lambda: number in self.refused, WAIT_SECONDS)
        return not self.refused[number]

    def hears(self, topic: str) -> bool:
        with self.arrived:
            return self.arrived.wait_for(lambda: topic in self.heard, WAIT_SECONDS)

    def stop(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


def test_a_device_can_do_its_work_and_nothing_else(port: int) -> None:
    admin, ears = Peer(port, "admin"), Peer(port, "ears")
    try:
        own = Topics(node="kitchen")
        for topic in (own.of("utterance"), own.of("person", "p7c1e"), own.discovery):
            assert ears.may_publish(topic), topic
        for topic in (
            "earmark/bedroom/utterance",
            "homeassistant/device/earmark_bedroom/config",
            "homeassistant/status",
            "homeassistant/sensor/x/config",
            "lock/front/set",
        ):
            assert not ears.may_publish(topic), topic

        for topic in ("earmark/bedroom/last", "homeassistant/status", "lock/front/state", "earmark/kitchen/cmd/stop"):
            assert admin.may_publish(topic)
        # Retained messages come in any order, so the list is complete only when a later one has come too.
        ears.client.subscribe("#", qos=1)
        assert ears.hears("homeassistant/status")
        assert ears.hears("earmark/kitchen/cmd/stop")
        assert admin.may_publish("earmark/bedroom/later")
        assert admin.may_publish("earmark/kitchen/later")
        assert ears.hears("earmark/kitchen/later")
        assert {topic for topic in ears.heard if not topic.startswith("earmark/kitchen/")} == {"homeassistant/status"}
    finally:
        ears.stop()
        admin.stop()
