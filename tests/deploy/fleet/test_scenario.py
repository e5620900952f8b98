"""Three devices with real sshd and daemons, and a real broker: bundles and settings are rolled out, no event is lost.

The devices are shared by the tests of this module; each test leaves them running and well.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge.bundle import pack, seal
from edge.bundle.locate import PACKAGED
from tests.broker import wait_for
from tests.deploy.fleet.hosts import BUNDLE, Lab

pytestmark = [pytest.mark.broker, pytest.mark.timeout(1200)]


def make_bundle(folder: Path, version: str, *, other_space: bool = False) -> Path:
    """The packaged bundle with another version, and another head where its space shall be another."""
    made = Path(shutil.copytree(PACKAGED / BUNDLE, folder / version))
    card = json.loads((made / "card.json").read_text(encoding="utf-8")) | {"version": version}
    if other_space:
        with np.load(made / "head.npz") as arrays:
            head = dict(arrays)
        np.savez(made / "head.npz", **(head | {"bias": head["bias"] + np.float32(0.01)}))
    seal(made, card)
    pack(made, folder / f"{BUNDLE}-{version}.earmark")
    return folder / f"{BUNDLE}-{version}.earmark"


def states(told: dict[str, Any]) -> dict[str, str]:
    return {row["host"]: row["state"] for row in told["hosts"]}


def test_a_bundle_of_another_space_is_refused_where_people_are_enrolled(lab: Lab, tmp_path: Path) -> None:
    other = make_bundle(tmp_path, "9", other_space=True)
    told = lab.fleet("bundle", other, "--dry-run", code=1)
    assert [(row["wave"], row["would"]) for row in told["hosts"]] == [(1, "refuse"), (2, "refuse"), (3, "refuse")]
    assert "2 people enrolled there would not be recognised until enrolled again" in told["hosts"][0]["why"]


def test_a_bundle_comes_to_all_devices_without_loss_although_one_fails_at_first(lab: Lab, tmp_path: Path) -> None:
    new = make_bundle(tmp_path, "2")
    kitchen = lab.hosts["kitchen"]
    try:
        for name in lab.hosts:
            wait_for(lambda name=name: len(lab.events(name)) >= 2, f"events of {name}")
        # What only the daemon itself looks at: it will refuse to reload.
        kitchen.config.write_text(kitchen.settings() + "control:\n  group: no-such-group\n")
        told = lab.fleet("bundle", new, "--canary", "attic", "--wave", "1", "--new", code=1)
        assert states(told) == {"attic": "done", "cellar": "done", "kitchen": "as_before"}
        assert "refused to reload: control.group" in told["hosts"][2]["why"]
        assert not (kitchen.state / "bundles" / f"{BUNDLE}.earmark").exists()

        # Cut off from the broker it is not touched, unless that is wanted: its events wait meanwhile.
        kitchen.config.write_text(kitchen.settings())
        lab.cable.pull()
        told = lab.fleet("resume", code=1)
        assert states(told) == {"attic": "done", "cellar": "done", "kitchen": "as_before"}
        assert "it is not well as it is (broker" in told["hosts"][2]["why"]
        assert states(lab.fleet("bundle", new, "kitchen", "--allow-faults", "--new")) == {"kitchen": "done"}
        lab.cable.plug()

        for name in lab.hosts:
            wait_for(lambda name=name: lab.events(name)[-1]["model"] == f"{BUNDLE}-2", f"new events of {name}")
        for name, host in lab.hosts.items():
            host.stop_daemon()
            decided = host.messages().count("utterance")
            wait_for(lambda name=name, n=decided: len(lab.events(name)) >= n, f"{decided} events of {name}")
            heard = lab.events(name)
            assert len(heard) == decided
            assert [one["id"] for one in heard] == sorted(one["id"] for one in heard)
            models = [one["model"] for one in heard]
            assert models == sorted(models)
            assert set(models) == {f"{BUNDLE}-1", f"{BUNDLE}-2"}
    finally:
        lab.cable.pull()
        lab.cable.plug()
        for host in lab.hosts.values():
            host.start_again()


def test_settings_and_conditions_of_devices(lab: Lab, tmp_path: Path) -> None:
    lab.write_inventory(settings=True)
    assert states(lab.fleet("settings", "upstairs", "--new")) == {"cellar": "done", "kitchen": "done"}
    for name in ("cellar", "kitchen"):
        assert f"room of {name}" in lab.hosts[name].config.read_text()
        assert "reloaded" in lab.hosts[name].messages()
    other = make_bundle(tmp_path, "9", other_space=True)
    assert states(lab.fleet("bundle", other, "kitchen", "--force", "--new")) == {"kitchen": "done"}

    lab.hosts["attic"].stop_daemon()
    lab.hosts["cellar"].stop()
    rows = {row["host"]: row for row in lab.fleet("status", code=1)["hosts"]}
    assert [(row["reachable"], row["healthy"]) for row in rows.values()] == [
        (True, False),
        (False, False),
        (True, True),
    ]
    assert "No daemon answers" in rows["attic"]["faults"][0]
    assert "cannot be reached" in rows["cellar"]["faults"][0]
    assert (rows["kitchen"]["bundle_version"], rows["kitchen"]["enrolled"]) == ("9", 0)
    assert abs(rows["kitchen"]["clock_skew_seconds"]) <= rows["kitchen"]["clock_uncertain_seconds"] + 1

    known = lab.folder / "known_hosts"
    known.write_text(known.read_text().replace(lab.hosts["attic"].known_host(), ""))
    checks = {row["host"]: row["checks"] for row in lab.fleet("check", "kitchen", "attic", code=1)["hosts"]}
    assert [one["name"] for one in checks["kitchen"] if one["status"] != "ok"] == []
    assert "settings" in [one["name"] for one in checks["kitchen"]]
    assert [(one["name"], one["status"]) for one in checks["attic"]] == [("login", "fail")]
    assert "Host key verification failed" in checks["attic"][0]["sentence"]
