"""The systemd unit, as systemd itself judges it."""

import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from deploy.commands import deploy
from deploy.units import VOICEPRINT_KEY, unit
from edge.errors import EXIT_USAGE, UsageError
from edge.settings import Control, Mqtt, Settings
from edge.vault.keys import CREDENTIAL

CONFIG = "/etc/earmark/earmark.yaml"
KEY = "earmark-voiceprint-key:/etc/earmark/earmark-voiceprint-key"


@pytest.fixture
def analyze() -> str:
    """The path of systemd-analyze, which needs no running systemd."""
    found = shutil.which("systemd-analyze")
    if found is None:
        pytest.skip("systemd-analyze is not installed (apt install systemd)")
    return found


def text(settings: Settings | None = None, user: str = "") -> str:
    return unit(settings or Settings(), prefix="/opt/earmark", config=CONFIG, user=user)


def values(unit_text: str, key: str) -> list[str]:
    return re.findall(rf"^{key}=(.*)$", unit_text, re.MULTILINE)


def installed(folder: Path, user: str) -> Path:
    """The unit in a file, with a program where it expects one."""
    program = folder / "opt" / "bin" / "earmark"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    path = folder / "earmark.service"
    path.write_text(text(user=user).replace("/opt/earmark", str(folder / "opt")))
    return path


@pytest.mark.parametrize("user", ["", "root"])
def test_systemd_finds_no_fault_in_the_unit(analyze: str, tmp_path: Path, user: str) -> None:
    result = subprocess.run(
        [analyze, "verify", str(installed(tmp_path, user))], capture_output=True, text=True, check=False
    )
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def exposure(analyze: str, path: Path) -> float:
    result = subprocess.run(
        [analyze, "security", "--offline=true", "--no-pager", str(path)], capture_output=True, text=True, check=True
    )
    found = re.search(r"Overall exposure level for earmark.service: ([\d.]+)", result.stdout)
    assert found, result.stdout
    return float(found[1])


def test_systemd_measures_little_exposure(analyze: str, tmp_path: Path) -> None:
    assert exposure(analyze, installed(tmp_path, "")) <= 1.5


def test_an_account_of_ones_own_is_hardly_more_exposed(analyze: str, tmp_path: Path) -> None:
    assert exposure(analyze, installed(tmp_path, "earmark")) <= 1.5


def test_the_microphone_is_the_only_device() -> None:
    made = text()
    assert values(made, "DevicePolicy") == ["closed"]
    assert values(made, "DeviceAllow") == ["char-116 rw"]  # ALSA, loaded or not
    assert values(made, "SupplementaryGroups") == ["audio"]
    assert values(made, "PrivateDevices") == []


def test_the_network_stays_open_to_the_house_only() -> None:
    made = text()
    assert "AF_INET" in values(made, "RestrictAddressFamilies")[0].split()
    assert values(made, "PrivateNetwork") == []
    assert values(made, "IPAddressDeny") == ["any"]
    assert "192.168.0.0/16" in values(made, "IPAddressAllow")[0].split()


@pytest.mark.parametrize(
    ("host", "allowed"),
    [("8.8.8.8", "8.8.8.8"), ("[2001:4860::1]", "2001:4860::1"), ("192.168.1.4", ""), ("broker.lan", "")],
)
def test_a_broker_with_an_address_outside_the_house_can_be_reached(host: str, allowed: str) -> None:
    usual = values(text(), "IPAddressAllow")[0].split()
    made = values(text(replace(Settings(), mqtt=Mqtt(host=host))), "IPAddressAllow")[0].split()
    assert made == usual + ([allowed] if allowed else [])


def test_systemd_supervises_the_daemon() -> None:
    made = text()
    assert values(made, "Type") == ["notify"]
    assert values(made, "Restart") == ["always"]
    assert float(values(made, "WatchdogSec")[0]) > 0
    assert values(made, "ExecStart") == [f"/opt/earmark/bin/earmark run --config {CONFIG}"]
    assert values(made, "ExecReload") == ["/bin/kill -HUP $MAINPID"]
    assert values(made, "RestartPreventExitStatus") == [str(EXIT_USAGE)]


@pytest.mark.parametrize("name", ["", "/etc/secret", "~/secret"])
def test_the_password_comes_as_the_usual_credential(name: str) -> None:
    made = text(replace(Settings(), mqtt=Mqtt(password_file=name)))
    assert values(made, "LoadCredential") == ["mqtt-password:/etc/earmark/mqtt-password", KEY]
    assert values(made, "SetCredential") == ["mqtt-password:\\n", "earmark-voiceprint-key:\\n"]


def test_the_password_comes_under_the_name_that_the_settings_use() -> None:
    made = text(replace(Settings(), mqtt=Mqtt(password_file="broker.pw")))
    assert values(made, "LoadCredential") == ["broker.pw:/etc/earmark/broker.pw", KEY]


def test_what_the_settings_name_for_tls_comes_as_a_credential_where_it_is_no_path() -> None:
    section = Mqtt(tls=True, ca_file="/etc/earmark/ca.crt", cert_file="mqtt-cert", key_file="mqtt-key")
    made = text(replace(Settings(), mqtt=section))
    assert [line.split(":")[0] for line in values(made, "LoadCredential")][2:] == ["mqtt-cert", "mqtt-key"]


def test_secrets_may_lie_encrypted() -> None:
    made = unit(Settings(), prefix="/opt/earmark", config=CONFIG, encrypted=True)
    assert values(made, "LoadCredential") == []
    assert values(made, "LoadCredentialEncrypted") == [
        f"{name}:/etc/credstore.encrypted/{name}" for name in ("mqtt-password", "earmark-voiceprint-key")
    ]


def test_the_key_of_the_voiceprints_has_the_name_under_which_it_is_looked_for() -> None:
    assert VOICEPRINT_KEY == CREDENTIAL


def test_secrets_reach_no_disk_and_nothing_writable_is_run_or_shared() -> None:
    made = text()
    assert (values(made, "LimitCORE"), values(made, "MemorySwapMax")) == (["0"], ["0"])
    assert {"/run", "-/dev/shm"} <= set(values(made, "ReadOnlyPaths")[0].split())
    assert {"/var/lib/earmark", "/tmp", "/run/earmark"} <= set(values(made, "NoExecPaths")[0].split())


def test_an_account_is_made_for_the_run_unless_one_is_named() -> None:
    assert values(text(), "DynamicUser") == ["yes"]
    assert values(text(user="household"), "DynamicUser") == []
    assert values(text(user="household"), "User") == ["household"]


def test_the_control_socket_has_a_folder_and_its_group_is_the_services_own() -> None:
    assert values(text(), "RuntimeDirectory") == ["earmark"]
    assert values(text(), "RuntimeDirectoryMode") == ["0750"]
    assert values(text(), "Group") == []
    assert values(text(replace(Settings(), control=Control(group="voice"))), "Group") == ["voice"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"prefix": "opt/earmark"},
        {"prefix": "/opt/ear mark"},
        {"prefix": "/opt/%h"},
        {"config": "/etc/e\nExecStartPre=/bin/sh"},
        {"prefix": "/home/me/earmark"},
        {"config": "/tmp/earmark.yaml"},
        {"user": "me;you"},
        {"user": "Me"},
    ],
)
def test_what_systemd_would_misread_or_not_see_is_refused(wrong: dict[str, str]) -> None:
    given = {"prefix": "/opt/earmark", "config": CONFIG, "user": ""} | wrong
    with pytest.raises(UsageError):
        unit(Settings(), prefix=given["prefix"], config=given["config"], user=given["user"])


def test_the_command_prints_the_unit(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert deploy(["unit", "--prefix", "/srv/earmark", "--config", "/etc/none/earmark.yaml", "--user", "pi"]) == 0
    expected = unit(Settings(), prefix="/srv/earmark", config="/etc/none/earmark.yaml", user="pi")
    assert capsys.readouterr().out == expected


def test_a_refusal_names_the_option_and_prints_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UsageError, match="--user") as caught:
        deploy(["unit", "--config", "/etc/none/earmark.yaml", "--user", "no body"])
    assert caught.value.exit_code == EXIT_USAGE
    assert capsys.readouterr().out == ""
