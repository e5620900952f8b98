"""A password, a private key and a key of voiceprints that must appear nowhere: canaries, and everywhere that they could
come out.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from edge.cli import main
from edge.errors import SettingsError
from edge.mqtt.security import tls_context
from edge.settings import load, mqtt_password
from tests.broker import ADMIN, ADMIN_PASSWORD, Certificates, Listener, Mosquitto, free_port, wait_for
from tests.scenarios.household import BASE, OBEDIENT, PLAY, ROOT, Daemon, utterances

pytestmark = pytest.mark.broker

PASSWORD = "canary-b7e2f1-password"
STREAM = ("--source", str(PLAY.stream))
DOCTOR = ("doctor", "--only", "broker")


@dataclass
class Place:
    """Where a daemon with secrets runs, and what the secrets are."""

    broker: Mosquitto
    plain: int
    secrets: Path
    ca: Path
    certificate: Path
    home: Path

    @property
    def environment(self) -> dict[str, str]:
        """Settings by environment: names of secrets, none of their values."""
        login = {
            "PORT": str(self.broker.port), "HOST": "localhost", "TLS": "true", "CA_FILE": str(self.ca),
            "CERT_FILE": str(self.certificate), "KEY_FILE": "mqtt-key", "USERNAME": "ears",
            "PASSWORD_FILE": "mqtt-password", "PROTOCOL": "5",
        }  # fmt: skip
        return {f"EARMARK_MQTT__{key}": value for key, value in login.items()} | {
            "CREDENTIALS_DIRECTORY": str(self.secrets),
            "EARMARK_LOG__LEVEL": "debug",
            "PYTHONFAULTHANDLER": "1",
        }

    @property
    def canaries(self) -> list[str]:
        """Texts of which none may be seen: the password, lines of the private key, the key of the voiceprints."""
        key = (self.secrets / "mqtt-key").read_text().splitlines()[1:-1]
        voices = [path.read_text().strip() for path in self.home.glob("voiceprint.key")]
        return [PASSWORD, *key, *voices]

    def daemon(self, *arguments: str, **environment: str) -> Daemon:
        return Daemon(self.home, self.broker.port, *arguments, **(self.environment | OBEDIENT | environment))

    def tell(self, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
        """Run a command here; gives its exit code and everything that it says."""
        for name, value in ({"EARMARK_NODE__NAME": "kitchen"} | self.environment).items():
            if name not in os.environ or not name.startswith("EARMARK_"):
                monkeypatch.setenv(name, value)
        capfd.readouterr()
        code = main([*words, "--state", str(self.home)])
        done = capfd.readouterr()
        return code, done.out + done.err

    def listener(self) -> Listener:
        return Listener(self.plain, user=ADMIN, password=ADMIN_PASSWORD)

    def assert_unseen(self, text: str, where: str) -> None:
        """No canary is in ``text``, as it is or as a program would escape it."""
        assert text, f"nothing was said in {where}"
        for canary in self.canaries:
            for form in (canary, json.dumps(canary)[1:-1], canary.encode().hex()):
                assert form not in text, f"a secret in {where}"


@pytest.fixture
def place(home: Path, tmp_path: Path, certificates: Certificates) -> Iterator[Place]:
    secrets, passwords, plain = tmp_path / "credentials", tmp_path / "passwords", free_port()
    secrets.mkdir(mode=0o700)
    for name, text in (("mqtt-password", PASSWORD + "\n"), ("mqtt-key", certificates.client_key.read_text())):
        (secrets / name).write_text(text)
        (secrets / name).chmod(0o400)
    passwords.touch(0o600)
    broker = Mosquitto(tmp_path, more_ports=(plain,), anonymous=False)
    broker.allow(passwords, ears=PASSWORD, **{ADMIN: ADMIN_PASSWORD})
    broker.extra = (
        f"certfile {certificates.server}\nkeyfile {certificates.server_key}\ncafile {certificates.ca}\n"
        f"require_certificate true\npassword_file {passwords}\nlistener {plain} 127.0.0.1\n"
    )
    broker.start()
    yield Place(broker, plain, secrets, certificates.ca, certificates.client, home)
    broker.stop()


def seen_of(pid: int) -> str:
    """What every user sees of a process, and what its own account sees besides."""
    folder = Path(f"/proc/{pid}")
    parts = [(folder / name).read_bytes() for name in ("cmdline", "environ", "comm", "status")]
    threads = [path.read_bytes() for path in folder.glob("task/*/comm")]
    return b"\n".join(parts + threads).decode(errors="replace").replace("\0", " ")


def test_the_daemon_shows_its_secrets_nowhere(place: Place, monkeypatch, capfd) -> None:
    """Not in its log at its most talkative, in the process list, in notifications, files, messages or answers."""
    listener = place.listener()
    try:
        with place.daemon(*STREAM, "--log-format", "json") as daemon:
            listener.wait(f"{BASE}/availability", b"online")
            wait_for(lambda: utterances(listener), "an event")
            place.assert_unseen(seen_of(daemon.process.pid), "the process list")
            listed = subprocess.run(["ps", "axwwe"], capture_output=True, text=True, check=True).stdout
            place.assert_unseen(listed, "the output of ps")
            for words in ((), ("--json", "--debug")):
                code, text = place.tell(monkeypatch, capfd, *DOCTOR, "--only", "secrets", *words)
                assert code == 0, text
                place.assert_unseen(text, "what the doctor says")
            listener.say(f"{BASE}/cfg/profile/set", "password")
            daemon.signal(signal.SIGHUP)
            wait_for(lambda: "reloaded" in daemon.log.read_text(), "the reload")
            place.broker.restart()
            wait_for(lambda: "lost" in daemon.log.read_text(), "a lost connection in the log")
            assert daemon.terminate() == 0
            place.assert_unseen(daemon.log.read_text(), "the log")
            place.assert_unseen("\n".join(daemon.notifications), "what systemd is told")
    finally:
        listener.close()
    place.assert_unseen("\n".join(f"{m.topic} {m.payload!r}" for m in listener.heard), "what is published")
    place.assert_unseen(place.broker.log, "the broker's log")
    for path in place.home.rglob("*"):
        if path.is_file() and path.name != "voiceprint.key":
            content = path.read_bytes()
            assert not any(canary.encode() in content for canary in place.canaries), path


def test_a_crash_shows_where_it_was_and_no_secret(place: Place) -> None:
    with place.daemon(*STREAM) as daemon:
        wait_for(lambda: "Connected" in daemon.log.read_text(), "a connection")
        limits = Path(f"/proc/{daemon.process.pid}/limits").read_text()
        assert next(line for line in limits.splitlines() if "core file" in line).split()[4] == "0"
        daemon.signal(signal.SIGABRT)
        assert daemon.finish() == -signal.SIGABRT
        log = daemon.log.read_text()
    assert "Fatal Python error" in log and "edge/daemon/service.py" in log
    place.assert_unseen(log, "the traces of a crash")
    assert list(ROOT.glob("core*")) == []


def test_a_refusal_by_the_broker_shows_no_secret(place: Place, monkeypatch, capfd) -> None:
    """A wrong password is refused, told of, and shown by nobody."""
    other = "canary-wrong-c41d9"
    (place.secrets / "wrong").write_text(other)
    with place.daemon(*STREAM, EARMARK_MQTT__PASSWORD_FILE="wrong") as daemon:
        wait_for(lambda: "refuses the user" in daemon.log.read_text(), "the refusal")
        assert daemon.terminate() == 0
        said = [daemon.log.read_text(), *daemon.notifications]
    monkeypatch.setenv("EARMARK_MQTT__PASSWORD_FILE", "wrong")
    for words in ((), ("--json", "--debug")):
        code, text = place.tell(monkeypatch, capfd, *DOCTOR, *words)
        assert code == 5 and "refuses the user" in text
        said.append(text)
    place.assert_unseen("\n".join(said), "what is said of a refusal")
    assert other not in "\n".join(said)


@pytest.mark.parametrize(
    ("key", "content"),
    [
        ("PASSWORD_FILE", b""),
        ("PASSWORD_FILE", b"canary-q8\xff\xfe-not-text"),
        ("PASSWORD_FILE", b"canary-q8" * 1000),
        ("KEY_FILE", b"-----BEGIN PRIVATE KEY-----\ncanary-q8\n-----END PRIVATE KEY-----\n"),
        ("CERT_FILE", b"canary-q8"),
        ("CA_FILE", b"canary-q8"),
        ("HOST", b"canary-q8@broker.lan"),
    ],
)
def test_a_secret_that_cannot_be_used_is_not_quoted(place: Place, monkeypatch, capfd, key: str, content: bytes) -> None:
    (place.secrets / "odd").write_bytes(content)
    monkeypatch.setenv(f"EARMARK_MQTT__{key}", content.decode() if key == "HOST" else "odd")
    for words in ((), ("--json", "--debug")):
        code, text = place.tell(monkeypatch, capfd, *DOCTOR, *words)
        assert code in {2, 5} and key.lower() in text, text
        assert "canary-q8" not in text
    if key != "HOST":
        with pytest.raises(SettingsError, match=key.lower()) as caught:
            mqtt_password(load().mqtt)
            tls_context(load().mqtt)
        shown = "".join(traceback.format_exception(caught.value))
        assert "canary-q8" not in shown, "in a traceback, with all that led to it"


def test_no_command_takes_a_secret_as_an_argument(place: Place, monkeypatch, capfd) -> None:
    """Whatever stands in a command line, every user can read: there is no option for one."""
    for option in ("--password", "--mqtt-password", "--key"):
        assert place.tell(monkeypatch, capfd, "run", option, PASSWORD)[0] == 2
