"""The unit under a real systemd: the daemon does its work with microphone, TLS, access list and credentials, and a
program in its place can do nothing else.
"""

from __future__ import annotations

import json
import os
import shutil
import stat
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.access import acl
from deploy.units import unit
from edge.audio import read_samples
from edge.demo.stage import ASSETS
from edge.settings import Settings, load
from tests.broker import ADMIN, ADMIN_PASSWORD, Certificates, Listener, Mosquitto, free_port, wait_for
from tests.deploy.booted.machine import Machine, require
from tests.scenarios.household import BASE, ROOT, utterances
from tests.virtual_microphone import VirtualMicrophone

pytestmark = [pytest.mark.broker, pytest.mark.microphone]

SHOWN = Path("/run/shown")
PYTHON = SHOWN / "python" / Path(os.path.realpath(sys.executable)).relative_to(Path(sys.base_prefix).resolve())
"""The Python that runs this, where the service can see it: homes are hidden from it."""
CONFIG = "/etc/earmark/earmark.yaml"
PASSWORD = "canary-in-the-credential"
VOICEPRINT_KEY = "0123456789abcdef" * 4
SECONDS = 180
"""For a daemon that starts on a busy machine."""


def settings_text(port: int) -> str:
    return f"""
node: {{name: kitchen}}
audio: {{source: mic}}
mqtt:
  host: localhost
  port: {port}
  tls: true
  ca_file: /etc/earmark/ca.crt
  cert_file: /etc/earmark/client.crt
  key_file: mqtt-key
  username: ears
  password_file: mqtt-password
  protocol: "5"
  reconnect_max_seconds: 1
"""


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory, certificates: Certificates) -> Iterator[Mosquitto]:
    """Wants a certificate and a password, and lets ``ears`` do what `earmark deploy acl` says."""
    folder = tmp_path_factory.mktemp("broker")
    config = folder / "earmark.yaml"
    config.write_text(settings_text(1))
    (folder / "acl").write_text(acl(load(config, {})) + f"user {ADMIN}\ntopic readwrite #\n")
    (folder / "acl").chmod(0o600)
    passwords = folder / "passwords"
    passwords.touch(0o600)
    plain = free_port()
    made = Mosquitto(folder, more_ports=(plain,), anonymous=False)
    made.allow(passwords, ears=PASSWORD, **{ADMIN: ADMIN_PASSWORD})
    made.extra = (
        f"certfile {certificates.server}\nkeyfile {certificates.server_key}\ncafile {certificates.ca}\n"
        f"require_certificate true\npassword_file {passwords}\nacl_file {folder / 'acl'}\nlistener {plain} 127.0.0.1\n"
    )
    made.start()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def microphone() -> Iterator[VirtualMicrophone]:
    made = VirtualMicrophone()
    try:
        made.start()
        yield made
    finally:
        made.remove()


@pytest.fixture(scope="module")
def machine(
    tmp_path_factory: pytest.TempPathFactory,
    enrolled: Path,
    broker: Mosquitto,
    microphone: VirtualMicrophone,
    certificates: Certificates,
) -> Iterator[Machine]:
    """Earmark as docs/deployment.md installs it, but for the places of its files."""
    require()
    made = Machine(tmp_path_factory.mktemp("machine"))
    etc = made.folder / "etc"
    (etc / "earmark.yaml").write_text(settings_text(broker.port))
    shutil.copy(certificates.ca, etc / "ca.crt")
    shutil.copy(certificates.client, etc / "client.crt")
    for name, text in (
        ("mqtt-password", PASSWORD + "\n"),
        ("earmark-voiceprint-key", VOICEPRINT_KEY + "\n"),
        ("mqtt-key", certificates.client_key.read_text()),
    ):
        (etc / name).write_text(text)
        (etc / name).chmod(0o600)
    shutil.copytree(enrolled, made.folder / "state", dirs_exist_ok=True)
    program = made.folder / "prefix" / "bin" / "earmark"
    program.parent.mkdir(parents=True)
    program.write_text(
        f"#!{PYTHON}\nimport sys\nsys.path[:0] = ['{SHOWN}/source', '{SHOWN}/packages']\n"
        "from edge.cli import main\nsys.exit(main())\n"
    )
    program.chmod(0o755)
    made.show("prefix", made.folder / "prefix")
    made.show("packages", Path(sysconfig.get_path("purelib")))
    made.show("python", Path(sys.base_prefix))
    made.show("source", ROOT)
    heard = Path(microphone.environment["PULSE_RUNTIME_PATH"])
    heard.chmod(0o755)
    made.show("microphone", heard)
    settings: Settings = load(etc / "earmark.yaml", {})
    (made.folder / "units" / "earmark.service").write_text(unit(settings, prefix=f"{SHOWN}/prefix", config=CONFIG))
    sound = "".join(
        f"Environment={name}={value.replace(str(heard), f'{SHOWN}/microphone')}\n"
        for name, value in microphone.environment.items()
    )
    sound += f"Environment=LD_LIBRARY_PATH={SHOWN}/python/lib\n"  # of this very Python, where it has a shared library
    # A busy machine starts slowly; that it may not take longer than a minute is not what is tried here.
    more = f"StandardError=append:/run/logs/services.log\nTimeoutStartSec={SECONDS}\nWatchdogSec={SECONDS}\n"
    drop_in(made.folder / "units", "test", sound + more)
    with made as booted:
        yield booted


def drop_in(units: Path, name: str, text: str) -> None:
    folder = units / "earmark.service.d"
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.conf").write_text(f"[Service]\n{text}")


@pytest.fixture(scope="module")
def listener(broker: Mosquitto) -> Iterator[Listener]:
    made = Listener(broker.more_ports[0], user=ADMIN, password=ADMIN_PASSWORD)
    yield made
    made.close()


def test_the_daemon_works_under_its_unit(machine: Machine, listener: Listener, microphone: VirtualMicrophone) -> None:
    """Started, heard somebody, told it over TLS, reloaded, stopped: as an account that nobody else is."""
    machine.systemctl("start", "earmark", timeout=SECONDS)
    try:
        listener.wait(f"{BASE}/availability", b"online")
        assert machine.shown("earmark", "SubState") == "running", machine.told()
        assert "broker" in machine.shown("earmark", "StatusText")
        wait_for(lambda: microphone.recorders() == 1, f"it listens: {machine.told()}")
        microphone.play(read_samples(ASSETS / "clip-1-ada.ogg"))
        microphone.play(read_samples(ASSETS / "clip-5-stranger.ogg"))
        wait_for(lambda: utterances(listener), f"an event: {machine.told()}")
        assert utterances(listener)[0]["speaker"] == "Ada"
        listener.wait("homeassistant/device/earmark_kitchen/config")
        health = json.loads(listener.wait(f"{BASE}/health"))
        assert health["mic_problem"] is False and "security_warning" not in health
        uid = int(machine.shown("earmark", "UID"))
        assert uid >= 61184, "systemd's own range"
        state = machine.root / "var/lib/private/earmark"
        assert {stat.S_IMODE(p.stat().st_mode) for p in state.iterdir() if p.suffix == ".sqlite"} == {0o600}
        assert (state / "outbox.sqlite").stat().st_uid == uid
        socket = machine.root / "run/earmark/control.sock"
        assert socket.exists() and stat.S_IMODE(socket.parent.stat().st_mode) == 0o750
        machine.systemctl("reload", "earmark", timeout=SECONDS)
        listener.wait(f"{BASE}/availability", b"online", count=2)
    finally:
        machine.systemctl("stop", "earmark", check=False, timeout=SECONDS)
    assert listener.wait(f"{BASE}/availability", b"offline", count=1)
    assert machine.shown("earmark", "Result") == "success"
    said = machine.log
    assert "Traceback" not in said and "does not allow" not in said
    assert PASSWORD not in said and VOICEPRINT_KEY not in said


@pytest.fixture(scope="module")
def probed(machine: Machine) -> dict:
    """What a program in the daemon's place can do."""
    return probe(machine)


def probe(machine: Machine, text: str = "") -> dict:
    """Run probe.py in the daemon's place, under its unit or under another ``text``."""
    units = machine.root / "etc/systemd/system"
    if text:
        (units / "earmark.service").write_text(text)
    command = f"{PYTHON} {SHOWN}/source/tests/deploy/booted/probe.py /var/lib/earmark/probe.json"
    drop_in(units, "probe", f"Type=oneshot\nRestart=no\nWatchdogSec=0\nExecStart=\nExecStart={command}\n")
    machine.systemctl("daemon-reload")
    machine.systemctl("start", "earmark", timeout=SECONDS)
    found = json.loads((machine.root / "var/lib/earmark/probe.json").read_text())
    assert isinstance(found, dict)
    return found


def writes_its_own_only(probed: dict) -> None:
    own = ("/var/lib/earmark", "/var/lib/private/earmark", "/run/earmark", "/tmp", "/var/tmp")
    assert "/var/lib/private/earmark" in probed["writable"] or "/var/lib/earmark" in probed["writable"]
    assert [path for path in probed["writable"] if not path.startswith(own)] == []
    assert set(probed["run"].values()) == {"EACCES"}, "what it writes it cannot run"
    assert probed["setuid"] == "EPERM"


def test_it_can_write_nothing_but_its_own(probed: dict) -> None:
    writes_its_own_only(probed)


def test_sound_is_the_only_device(probed: dict) -> None:
    assert probed["sound"] in {"ENXIO", "ENODEV"}, "allowed, and no card is behind it here"
    assert probed["input"] == "EPERM", "its mode would let everybody open it"
    harmless = {f"/dev/{name}" for name in ("null", "zero", "full", "random", "urandom", "tty", "ptmx", "pts/ptmx")}
    assert set(probed["devices"]) <= harmless


def test_it_has_no_privilege_and_no_way_to_one(probed: dict) -> None:
    assert probed["uid"] >= 61184
    assert {probed["status"][key].strip("0") for key in ("CapEff", "CapBnd", "CapAmb")} == {""}
    assert (probed["status"]["NoNewPrivs"], probed["status"]["Seccomp"]) == ("1", "2")
    assert {name: error for name, error in probed["calls"].items() if error != "EPERM"} == {}


def test_only_the_house_can_be_reached(probed: dict) -> None:
    assert probed["send"].pop("127.0.0.1") == "ok"
    assert set(probed["send"].values()) <= {"EPERM", "ENETUNREACH"}
    assert set(probed["families"].values()) == {"EAFNOSUPPORT"}


def test_secrets_come_as_credentials_and_are_nobody_elses(probed: dict) -> None:
    assert set(probed["credentials"]) == {"mqtt-password", "earmark-voiceprint-key", "mqtt-key"}
    assert {mode for mode, _ in probed["credentials"].values()} <= {"0o400", "0o440"}
    assert probed["secret file"] == "EACCES"
    assert probed["core"] == [0, 0]
    assert probed["processes"] is True
    assert set(probed["homes"].values()) == {"EACCES"}


def test_secrets_may_lie_encrypted_on_the_disk(machine: Machine, probed: dict) -> None:
    """As `systemd-creds encrypt` makes them; what is not there is an empty line."""
    assert probed["credentials"]["mqtt-password"][1] == len(PASSWORD) + 1
    store = machine.root / "etc/credstore.encrypted"
    store.mkdir(mode=0o700)
    machine.run("systemd-creds", "encrypt", "/etc/earmark/mqtt-password", "/etc/credstore.encrypted/mqtt-password")
    settings = load(machine.root / "etc/earmark/earmark.yaml", {})
    found = probe(machine, unit(settings, prefix=f"{SHOWN}/prefix", config=CONFIG, encrypted=True))
    assert found["credentials"]["mqtt-password"][1] == len(PASSWORD) + 1
    assert found["credentials"]["earmark-voiceprint-key"][1] == 1
    assert PASSWORD.encode() not in (store / "mqtt-password").read_bytes()


def test_an_account_that_stays_is_as_confined(machine: Machine, probed: dict) -> None:
    """As the installer makes it, with a key that a drop-in replaces by an encrypted one."""
    for name, line in (("passwd", "ears:x:990:990::/var/lib/earmark:/usr/sbin/nologin\n"), ("group", "ears:x:990:\n")):
        with (machine.root / "etc" / name).open("a") as file:
            file.write(line)
    key = "/etc/earmark/voiceprint-key.cred"
    machine.run("systemd-creds", "encrypt", "--name=earmark-voiceprint-key", "/etc/earmark/earmark-voiceprint-key", key)
    (machine.root / "etc/earmark/earmark-voiceprint-key").unlink()
    drop_in(machine.root / "etc/systemd/system", "key", f"LoadCredentialEncrypted=earmark-voiceprint-key:{key}\n")
    settings = load(machine.root / "etc/earmark/earmark.yaml", {})
    found = probe(machine, unit(settings, prefix=f"{SHOWN}/prefix", config=CONFIG, user="ears"))
    assert found["uid"] == 990
    assert found["credentials"]["earmark-voiceprint-key"][1] == len(VOICEPRINT_KEY) + 1
    writes_its_own_only(found)
    same = ("status", "devices", "sound", "input", "calls", "families", "core", "homes", "processes", "secret file")
    assert {key: found[key] for key in same} == {key: probed[key] for key in same}
