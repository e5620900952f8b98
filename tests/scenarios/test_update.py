"""A newer model put beside a running daemon: offered, installed over MQTT, and taken back where it does not do. What
needs no daemon is in tests/edge/daemon/test_updating.py.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from edge.bundle import pack, read_card
from tests.broker import Listener, Mosquitto, wait_for
from tests.edge.cli import voice_bundle
from tests.scenarios.household import BASE, Daemon, listening

pytestmark = pytest.mark.broker
STATE, INSTALL = f"{BASE}/update/state", f"{BASE}/cmd/update_install"
NAME = "voices"


@pytest.fixture(scope="module")
def versions(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Version -> file. The daemon refuses to reload with 1.2, whose files are all well."""
    folder = tmp_path_factory.mktemp("versions")
    made = {}
    for version, more in (("1.0", {}), ("1.1", {"summary": "Hears better."}), ("1.2", {"calibration": {"made": "up"}})):
        made[version] = folder / f"{version}.earmark"
        pack(voice_bundle.make(folder / version, name=NAME, version=version, **more), made[version])
    return made


class Device:
    """A daemon that listens to ten quiet minutes with version 1.0."""

    def __init__(self, folder: Path, port: int, versions: dict[str, Path]) -> None:
        self.state = folder / "state"
        (self.state / "bundles").mkdir(parents=True, mode=0o700)
        (self.state / "bundles" / f"{NAME}.earmark").write_bytes(versions["1.0"].read_bytes())
        (self.state / "updates").mkdir(mode=0o700)
        quiet = folder / "quiet.flac"
        soundfile.write(quiet, np.zeros(16_000 * 600, np.int16), 16_000)
        self._versions = versions
        self._words = (self.state, port, "--source", str(quiet))

    def run(self) -> Daemon:
        switches = {"EARMARK_MQTT__UPDATES": "true", "EARMARK_MODELS__BUNDLE": NAME}
        return Daemon(*self._words, **switches)

    def bring(self, version: str) -> None:
        """Put a version into the folder, as somebody with rights on the device would."""
        (self.state / "updates" / f"{version}.earmark").write_bytes(self._versions[version].read_bytes())

    @property
    def in_use(self) -> str:
        return str(read_card(self.state / "bundles" / f"{NAME}.earmark").raw["version"])


@pytest.fixture
def device(tmp_path: Path, mosquitto: Mosquitto, versions: dict[str, Path]) -> Device:
    return Device(tmp_path, mosquitto.port, versions)


def told(listener: Listener, **values: Any) -> dict[str, Any]:
    """Until the latest state has these values."""
    found: dict[str, Any] = {}

    def so() -> bool:
        found.clear()
        found.update(json.loads(listener.last(STATE) or b"{}"))
        return values.items() <= found.items()

    wait_for(so, f"{values}; it says {listener.last(STATE)!r}", 120)
    return found


def test_a_newer_model_is_installed_when_that_is_asked_for_and_one_that_does_not_do_is_taken_back(
    mosquitto: Mosquitto, device: Device
) -> None:
    """What was taken back is not offered again, and no path of the machine is told."""
    with listening(mosquitto.port) as listener, device.run() as daemon:
        idle = told(listener, installed_version="1.0", latest_version="1.0", in_progress=False)
        assert idle == {"v": 1, "installed_version": "1.0", "latest_version": "1.0", "in_progress": False,
                        "title": "Earmark model voices"}  # fmt: skip
        listener.say(INSTALL, "INSTALL")
        wait_for(lambda: "there is no newer bundle" in daemon.log.read_text(), "it is told that there is none")
        device.bring("1.1")
        told(listener, latest_version="1.1", release_summary="Hears better.", installed_version="1.0")
        listener.say(INSTALL, "INSTALL")
        told(listener, in_progress=True)
        told(listener, installed_version="1.1", latest_version="1.1", in_progress=False)
        assert device.in_use == "1.1"
        info = json.loads(listener.last(f"{BASE}/info") or b"{}")
        assert (info["bundle"], info["bundle_version"]) == (NAME, "1.1")

        device.bring("1.2")
        told(listener, latest_version="1.2")
        listener.say(INSTALL, "INSTALL")
        taken = told(listener, reason="taken_back", installed_version="1.1", latest_version="1.1", in_progress=False)
        assert "tried and taken back" in taken["release_summary"]
        assert device.in_use == "1.1"
        said = b"".join(listener.payloads(STATE))
        log = daemon.log.read_text()
        assert daemon.terminate() == 0
    assert log.count("installing voices-1.1") == log.count("installed voices-1.1") == 1
    assert "voices-1.2 was not installed: the daemon did not come back well" in log
    record = json.loads((device.state / "updates.json").read_text())
    assert (set(record), list(record["failed"].values())) == ({"failed"}, ["taken_back"])
    assert str(device.state).encode() not in said
