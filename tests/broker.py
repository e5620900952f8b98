"""A real mosquitto on a free port, and a client that listens to it.

``mosquitto`` is open to everybody and forgets everything when it ends; ``secure_mosquitto`` wants TLS and a password
and has an access list. Both can be killed and started again on the same port.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

HOST = "127.0.0.1"
USER, PASSWORD = "ears", "s3cret-pass"
ADMIN, ADMIN_PASSWORD = "admin", "admin-pass"
WAIT_SECONDS = 60.0
_PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])


def wait_for(condition: Callable[[], Any], what: str, seconds: float = WAIT_SECONDS) -> Any:
    """Poll until ``condition`` is true and give its value; fail the test with ``what`` after ``seconds``."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.01)
    return value


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def answers(port: int) -> bool:
    """Whether somebody serves this port here."""
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0


@dataclass
class Mosquitto:
    """One broker. ``extra``: more lines for its configuration; ``more_ports``: what those lines open besides."""

    folder: Path
    port: int = field(default_factory=free_port)
    extra: str = ""
    more_ports: tuple[int, ...] = ()
    anonymous: bool = True

    def __post_init__(self) -> None:
        program = shutil.which("mosquitto", path=_PATH)
        if program is None:
            pytest.skip("mosquitto is not installed (apt install mosquitto)")
        self._program = program
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> str:
        return (self.folder / "mosquitto.log").read_text(errors="replace")

    def start(self) -> Mosquitto:
        conf = self.folder / "mosquitto.conf"
        conf.write_text(
            # As root it would become another user, who cannot read our keys and passwords.
            f"user root\nlistener {self.port} {HOST}\nallow_anonymous {str(self.anonymous).lower()}\n{self.extra}"
        )
        # The log goes through a file of ours, because mosquitto buffers its own until it ends.
        with (self.folder / "mosquitto.log").open("ab") as log:
            self._process = subprocess.Popen([self._program, "-v", "-c", str(conf)], stdout=log, stderr=log)
        wait_for(self._answers, "mosquitto answers")
        return self

    def allow(self, passwords: Path, **accounts: str) -> None:
        """Write the accounts (name -> password) into a password file, before the start."""
        program = shutil.which("mosquitto_passwd", path=_PATH) or "mosquitto_passwd"
        for user, password in accounts.items():
            subprocess.run([program, "-b", str(passwords), user, password], check=True, capture_output=True)

    def kill(self) -> None:
        """SIGKILL: no goodbye, nothing saved."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def restart(self) -> None:
        self.kill()
        self.start()

    def signal(self, number: int) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def _end(self, number: int) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(number)
            process.wait(10)

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, f"mosquitto ended: {self.log}"
        try:
            for port in (self.port, *self.more_ports):
                socket.create_connection((HOST, port), 1).close()
        except OSError:
            return False
        return True


class Listener:
    """A client that remembers what it hears: ``heard`` in order of arrival, ``retained`` as on a first visit."""

    def __init__(
        self,
        port: int,
        pattern: str = "#",
        *,
        client_id: str = "",
        qos: int = 1,
        clean: bool = True,
        user: str = "",
        password: str = "",
        ca: Path | None = None,
    ) -> None:
        self.heard: list[paho.MQTTMessage] = []
        self.subscribed = threading.Event()
        self._pattern, self._qos = pattern, qos
        self.client = paho.Client(
            CallbackAPIVersion.VERSION2, client_id=client_id, protocol=MQTTProtocolVersion.MQTTv311, clean_session=clean
        )
        if user:
            self.client.username_pw_set(user, password)
        if ca is not None:
            self.client.tls_set(ca_certs=str(ca))
        self.client.reconnect_delay_set(1, 1)
        self.client.on_connect = self._on_connect
        self.client.on_subscribe = lambda *_: self.subscribed.set()
        self.client.on_disconnect = lambda *_: self.subscribed.clear()
        self.client.on_message = lambda _client, _data, message: self.heard.append(message)
        self.client.connect(HOST, port)
        self.client.loop_start()
        assert self.subscribed.wait(WAIT_SECONDS), "the listener is not subscribed"

    def _on_connect(self, client: paho.Client, _data: Any, _flags: Any, code: Any, _properties: Any) -> None:
        if not code.is_failure:
            client.subscribe(self._pattern, qos=self._qos)

    def payloads(self, topic: str) -> list[bytes]:
        return [message.payload for message in list(self.heard) if message.topic == topic]

    def last(self, topic: str) -> bytes | None:
        return (self.payloads(topic) or [None])[-1]

    def wait(self, topic: str, payload: bytes | None = None, count: int = 1) -> bytes:
        """Until ``topic`` had ``payload`` (or anything) ``count`` times; gives the last payload."""

        def arrived() -> bool:
            found = self.payloads(topic)
            return len(found if payload is None else [one for one in found if one == payload]) >= count

        wait_for(
            arrived, f"{count} x {topic} {payload!r}; heard {[(m.topic, m.payload[:40]) for m in self.heard[-20:]]}"
        )
        return self.payloads(topic)[-1]

    def say(self, topic: str, payload: bytes | str, *, retain: bool = False) -> None:
        """Publish, and wait until the broker has it."""
        self.client.publish(topic, payload, qos=1, retain=retain).wait_for_publish(WAIT_SECONDS)

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


def retained(port: int, marker: str = "test/end") -> dict[str, bytes]:
    """What the broker keeps, as somebody sees it who comes now."""
    listener = Listener(port)
    try:
        # Retained messages come before anything published afterwards.
        listener.say(marker, b"end")
        listener.wait(marker)
        return {one.topic: one.payload for one in listener.heard if one.retain and one.topic != marker}
    finally:
        listener.close()


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Mosquitto]:
    """Open to everybody, keeps nothing."""
    broker = Mosquitto(tmp_path).start()
    yield broker
    broker.stop()


@dataclass(frozen=True)
class Certificates:
    """PEM files. ``ca`` signed ``server`` (for localhost and 127.0.0.1), ``elsewhere`` (for another name) and
    ``client``; ``other_ca`` signed nothing.
    """

    ca: Path
    server: Path
    server_key: Path
    elsewhere: Path
    elsewhere_key: Path
    client: Path
    client_key: Path
    other_ca: Path


def _openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


def _authority(folder: Path, name: str) -> Path:
    certificate = folder / f"{name}.crt"
    _openssl(
        *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"),
        *("-subj", f"/CN=Earmark {name}", "-addext", "basicConstraints=critical,CA:TRUE"),
        *("-addext", "keyUsage=critical,keyCertSign,cRLSign", "-keyout", folder / f"{name}.key", "-out", certificate),
    )
    return certificate


def _signed(folder: Path, name: str, use: str, names: str = "") -> tuple[Path, Path]:
    key, request, certificate = folder / f"{name}.key", folder / f"{name}.csr", folder / f"{name}.crt"
    extensions = folder / f"{name}.cnf"
    extensions.write_text(f"basicConstraints=CA:FALSE\nextendedKeyUsage={use}\n{names}")
    _openssl(
        *("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", f"/CN={name}"),
        *("-keyout", key, "-out", request),
    )
    _openssl(
        *("x509", "-req", "-in", request, "-CA", folder / "ca.crt", "-CAkey", folder / "ca.key", "-CAcreateserial"),
        *("-days", "2", "-extfile", extensions, "-out", certificate),
    )
    return certificate, key


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Made with openssl, once."""
    folder = tmp_path_factory.mktemp("certificates")
    ca, other = _authority(folder, "ca"), _authority(folder, "other-ca")
    server, server_key = _signed(folder, "localhost", "serverAuth", "subjectAltName=DNS:localhost,IP:127.0.0.1\n")
    elsewhere = _signed(folder, "elsewhere", "serverAuth", "subjectAltName=DNS:elsewhere.test\n")
    client, client_key = _signed(folder, "ears", "clientAuth")
    return Certificates(ca, server, server_key, *elsewhere, client, client_key, other)


@dataclass
class SecureMosquitto:
    """Wants a password on ``plain_port`` and TLS besides on ``port``. ``ears`` may use its own topics, and publish
    nothing below ``earmark/kitchen/person/``; ``admin`` may do everything.
    """

    broker: Mosquitto
    plain_port: int
    password_file: Path

    @property
    def port(self) -> int:
        return self.broker.port

    def listener(self, pattern: str = "#") -> Listener:
        return Listener(self.plain_port, pattern, user=ADMIN, password=ADMIN_PASSWORD)


@pytest.fixture
def secure_mosquitto(tmp_path: Path, certificates: Certificates) -> Iterator[SecureMosquitto]:
    """TLS, passwords and an access list."""
    passwords, rights, secret = tmp_path / "passwords", tmp_path / "acl", tmp_path / "password"
    passwords.touch(0o600)
    for user, password in ((USER, PASSWORD), (ADMIN, ADMIN_PASSWORD)):
        program = shutil.which("mosquitto_passwd", path=_PATH) or "mosquitto_passwd"
        subprocess.run([program, "-b", str(passwords), user, password], check=True, capture_output=True)
    secret.write_text(PASSWORD + "\n")
    rights.write_text(
        f"user {USER}\ntopic write homeassistant/device/earmark_kitchen/config\ntopic read homeassistant/status\n"
        "topic readwrite earmark/kitchen/+\ntopic readwrite earmark/kitchen/cfg/#\n"
        "topic write earmark/kitchen/speaking/#\n"
        f"user {ADMIN}\ntopic readwrite #\n"
    )
    rights.chmod(0o600)
    plain = free_port()
    broker = Mosquitto(tmp_path, more_ports=(plain,), anonymous=False)
    broker.extra = (
        f"certfile {certificates.server}\nkeyfile {certificates.server_key}\ncafile {certificates.ca}\n"
        f"tls_version tlsv1.2\nlistener {plain} {HOST}\n"
        f"password_file {passwords}\nacl_file {rights}\n"
    )
    broker.start()
    yield SecureMosquitto(broker, plain, secret)
    broker.stop()
