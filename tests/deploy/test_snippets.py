"""The texts for udev, ALSA and the broker, each tried on the part that will read it."""

import ctypes
import ctypes.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from deploy.access import PUBLISHED
from deploy.commands import deploy
from deploy.snippets import asound, udev_rule
from edge.errors import UsageError
from edge.settings import Settings, load


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert deploy(list(arguments)) == 0
    return capsys.readouterr().out


def test_the_sample_settings_change_nothing(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "earmark.yaml"
    path.write_text(printed(capsys, "sample-config"))
    assert load(path, {}) == Settings()


def test_every_key_of_the_sample_settings_can_be_uncommented(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "earmark.yaml"
    sample = printed(capsys, "sample-config")
    path.write_text(re.sub(r"^  # ", "  ", sample, flags=re.MULTILINE))
    assert load(path, {}) == Settings()
    keys = [key for section in yaml.safe_load(path.read_text()).values() for key in section]
    assert len(keys) > 20


def test_the_rule_names_the_card_of_this_microphone_only() -> None:
    rule = udev_rule(vendor="2886", product="001A", serial="A1-2", name="kitchen").splitlines()[-1]
    assert rule.split(", ") == [
        'SUBSYSTEM=="sound"',
        'KERNEL=="card*"',
        'ACTION=="add"',
        'ATTRS{idVendor}=="2886"',
        'ATTRS{idProduct}=="001a"',
        'ATTRS{serial}=="A1-2"',
        'ATTR{id}="kitchen"',
    ]


@pytest.mark.parametrize(
    "wrong",
    [
        {"vendor": "28861"},
        {"product": "xyz1"},
        {"serial": '1", RUN+="/bin/sh'},
        {"name": "a name"},
        {"name": 'x", RUN+="/bin/sh'},
        {"name": "sixteen_letters_"},
        {"name": "1mic"},
    ],
)
def test_a_rule_takes_nothing_that_could_end_a_string(wrong: dict[str, str]) -> None:
    with pytest.raises(UsageError):
        udev_rule(**({"vendor": "2886", "product": "0018"} | wrong))


LIST_DEVICES = """
import ctypes, ctypes.util
alsa = ctypes.CDLL(ctypes.util.find_library("asound"))
alsa.snd_device_name_get_hint.restype = ctypes.c_char_p
alsa.snd_device_name_get_hint.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
hints = ctypes.POINTER(ctypes.c_void_p)()
assert alsa.snd_device_name_hint(-1, b"pcm", ctypes.byref(hints)) == 0
index = 0
while hints[index]:
    for word in (b"NAME", b"DESC"):
        print((alsa.snd_device_name_get_hint(hints[index], word) or b"").decode())
    index += 1
"""


def test_alsa_lists_the_device_that_the_snippet_describes(tmp_path: Path) -> None:
    if ctypes.util.find_library("asound") is None:
        pytest.skip("libasound is not installed (apt install libasound2)")
    path = tmp_path / "asound.conf"
    path.write_text(asound("kitchen"))
    result = subprocess.run(
        [sys.executable, "-c", LIST_DEVICES],
        env=os.environ | {"ALSA_CONFIG_PATH": str(path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "kitchen" in result.stdout.splitlines()
    assert "Earmark microphone" in result.stdout.splitlines()


def test_rights_need_an_account() -> None:
    with pytest.raises(UsageError, match="no account"):
        deploy(["acl", "--node", "kitchen"])


def test_rights_follow_the_settings(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "earmark.yaml"
    path.write_text(
        "node: {name: attic}\nmqtt: {username: ears, base_topic: house/ears}\n"
        "homeassistant: {prefix: ha, status_topic: ha/birth}\n"
    )
    lines = [line for line in printed(capsys, "acl", "--config", str(path)).splitlines() if not line.startswith("#")]
    assert lines == [
        "user ears",
        *(f"topic write house/ears/attic/{topic}" for topic in PUBLISHED),
        "topic write ha/device/earmark_attic/config",
        "topic read ha/birth",
    ]


def test_rights_leave_home_assistant_out_where_it_is_off(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "earmark.yaml"
    path.write_text("mqtt: {username: ears}\nhomeassistant: {enabled: false}\n")
    assert "homeassistant" not in printed(capsys, "acl", "--config", str(path))
