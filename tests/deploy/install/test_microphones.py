"""USB microphones as the kernel shows them, and the rules that name them."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from deploy.commands import deploy
from deploy.install.faults import InstallFault
from deploy.install.microphones import cards, choose
from deploy.snippets import udev_rule
from edge.errors import UsageError


def plug(root: Path, number: int, port: str, *, serial: str = "", capture: bool = True) -> None:
    """A USB sound card below ``root``, with the folders and links that Linux makes."""
    device = root / "sys/devices/platform/soc/xhci-hcd.0/usb1" / port
    card = device / f"{port}:1.0" / "sound" / f"card{number}"
    card.mkdir(parents=True)
    for name, text in {"idVendor": "2886", "idProduct": "0018", "product": "ReSpeaker", "serial": serial}.items():
        if text:
            (device / name).write_text(f"{text}\n")
    (card / "id").write_text(f"Device_{number}\n")
    (card / f"pcmC{number}D0{'c' if capture else 'p'}").mkdir()
    links = root / "sys/class/sound"
    links.mkdir(parents=True, exist_ok=True)
    (links / f"card{number}").symlink_to(card)


def test_a_microphone_is_found_by_what_it_is(tmp_path: Path) -> None:
    plug(tmp_path, 1, "1-1.3", serial="A1")
    plug(tmp_path, 2, "1-1.4", capture=False)
    (tmp_path / "sys/class/sound/card3").mkdir()  # not on USB
    (found,) = cards(tmp_path)
    assert (found.number, found.id, found.vendor, found.product) == (1, "Device_1", "2886", "0018")
    assert (found.serial, found.port, found.name) == ("A1", "1-1.3", "ReSpeaker")
    assert choose("auto", tmp_path)[0] == choose("1", tmp_path)[0] == choose("1-1.3", tmp_path)[0] == found


@pytest.mark.parametrize(
    ("serials", "expected"),
    [((), []), (("A1", "B2"), ["--serial", "A1"]), (("A1", "A1"), ["--port", "1-1"]), (("", ""), ["--port", "1-1"])],
)
def test_only_what_tells_it_from_its_twin_is_asked_for(
    tmp_path: Path, serials: tuple[str, ...], expected: list[str]
) -> None:
    for number, serial in enumerate(serials or ("A1",), start=1):
        plug(tmp_path, number, f"1-{number}", serial=serial)
    known = cards(tmp_path)
    assert known[0].choice(known) == ["--vendor", "2886", "--product", "0018", *expected]


def test_which_one_is_not_guessed(tmp_path: Path) -> None:
    with pytest.raises(InstallFault, match="No USB microphone is plugged in"):
        choose("auto", tmp_path)
    for number in (1, 2):
        plug(tmp_path, number, f"1-{number}")
    with pytest.raises(InstallFault, match="2 USB microphones"):
        choose("auto", tmp_path)
    with pytest.raises(InstallFault, match="called '3'"):
        choose("3", tmp_path)


def test_they_are_listed_with_the_command_that_names_them(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    plug(tmp_path, 1, "1-1.3")
    assert deploy(["microphones", "--root", str(tmp_path)]) == 0
    assert "earmark deploy udev --vendor 2886 --product 0018 | sudo tee" in capsys.readouterr().out


def test_a_rule_for_a_port_asks_the_same_parent_for_all() -> None:
    rule = udev_rule(vendor="2886", product="0018", port="1-1.3").splitlines()[-1]
    assert 'KERNELS=="1-1.3", ATTRS{idVendor}=="2886", ATTRS{idProduct}=="0018"' in rule
    with pytest.raises(UsageError, match="no USB port"):
        udev_rule(vendor="2886", product="0018", port='1-1"')


def test_udev_finds_no_fault_in_the_rules(tmp_path: Path) -> None:
    udevadm = shutil.which("udevadm") or "udevadm"
    version = subprocess.run([udevadm, "--version"], capture_output=True, text=True, check=False) if shutil.which(
        "udevadm"
    ) else None  # fmt: skip
    if version is None or int(re.sub(r"\D.*", "", version.stdout) or 0) < 254:
        pytest.skip("`udevadm verify` came with systemd 254")
    for number, options in enumerate(({}, {"serial": "A1"}, {"port": "1-1.3"})):
        path = tmp_path / f"8{number}-earmark.rules"
        path.write_text(udev_rule(vendor="2886", product="0018", **options))
        done = subprocess.run([udevadm, "verify", str(path)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
