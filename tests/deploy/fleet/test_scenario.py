"""Three devices with real sshd and daemons, and a real broker: bundles and settings are rolled out, no event is lost.

The devices are shared by the tests of this module; the last one leaves them as they are.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.broker import wait_for
from tests.deploy.fleet.hosts import BUNDLE, Lab, make_bundle
from tests.deploy.fleet.sshd import PATIENCE_SECONDS, states

pytestmark = [pytest.mark.broker, pytest.mark.timeout(1200)]


def test_settings_come_to_a_group_and_a_bundle_of_another_space_to_nobody(lab: Lab, tmp_path: Path) -> None:
    other = make_bundle(tmp_path, BUNDLE, "9", other_space=True)
    told = lab.fleet("bundle", other, "--wave", "2", "--dry-run", code=1)
    assert [(row["wave"], row["would"]) for row in told["hosts"]] == [(1, "refuse"), (2, "refuse"), (2, "refuse")]
    assert "2 people enrolled there would not be recognised until enrolled again" in told["hosts"][0]["why"]

    lab.write_inventory(settings=True)
    told = lab.fleet("settings", "upstairs", "--canary", "2")
    assert states(told) == {"cellar": "done", "kitchen": "done"}
    for name in ("cellar", "kitchen"):
        assert f"room of {name}" in lab.hosts[name].config.read_text()
        assert "reloaded" in lab.hosts[name].messages()
    rows = lab.fleet("status")["hosts"]
    assert [(row["host"], row["healthy"], row["enrolled"]) for row in rows] == [(name, True, 2) for name in lab.hosts]
    assert all(abs(row["clock_skew_seconds"]) <= row["clock_uncertain_seconds"] + 1 for row in rows)


def test_bundles_come_to_all_devices_without_loss_although_one_fails_at_first(lab: Lab, tmp_path: Path) -> None:
    new, other = make_bundle(tmp_path, BUNDLE, "2"), make_bundle(tmp_path, BUNDLE, "9", other_space=True)
    kitchen = lab.hosts["kitchen"]
    for name in lab.hosts:
        wait_for(lambda name=name: len(lab.events(name)) >= 2, f"events of {name}", PATIENCE_SECONDS)
    # What only the daemon itself looks at: it will refuse to reload.
    good = kitchen.config.read_text()
    kitchen.config.write_text(good + "control:\n  group: no-such-group\n")
    told = lab.fleet("bundle", new, "--canary", "attic", "--wave", "2", "--new", code=1)
    assert states(told) == {"attic": "done", "cellar": "done", "kitchen": "as_before"}
    assert "refused to reload: control.group" in told["hosts"][2]["why"]
    assert not (kitchen.state / "bundles" / f"{BUNDLE}.earmark").exists()

    # Cut off from the broker it is not touched, unless that is wanted: its events wait meanwhile.
    kitchen.config.write_text(good)
    lab.cable.pull()
    told = lab.fleet("resume", code=1)
    assert states(told) == {"attic": "done", "cellar": "done", "kitchen": "as_before"}
    assert "it is not well as it is (broker" in told["hosts"][2]["why"]
    told = lab.fleet("bundle", other, "kitchen", "--allow-faults", "--force", "--new")
    assert states(told) == {"kitchen": "done"}
    lab.cable.plug()

    for name, version in (("attic", "2"), ("cellar", "2"), ("kitchen", "9")):
        model = f"{BUNDLE}-{version}"
        wait_for(
            lambda name=name, model=model: lab.events(name)[-1]["model"] == model,
            f"new events of {name}",
            PATIENCE_SECONDS,
        )
        lab.hosts[name].stop_daemon()
        decided = lab.hosts[name].messages().count("utterance")
        wait_for(
            lambda name=name, n=decided: len(lab.events(name)) >= n, f"{decided} events of {name}", PATIENCE_SECONDS
        )
        heard = lab.events(name)
        assert len(heard) == decided
        assert [one["id"] for one in heard] == sorted(one["id"] for one in heard)
        models = [one["model"] for one in heard]
        assert models == sorted(models)
        assert set(models) == {f"{BUNDLE}-1", model}

    lab.hosts["cellar"].stop()
    known = lab.operator.known_hosts
    known.write_text(known.read_text().replace(kitchen.known_host, ""))
    checks = {row["host"]: row["checks"] for row in lab.fleet("check", code=1)["hosts"]}
    wrong = {host: [one for one in found if one["status"] == "fail"] for host, found in checks.items()}
    assert [one["name"] for one in wrong["attic"]] == ["daemon"]
    assert "No daemon answers" in wrong["attic"][0]["sentence"]
    assert [one["name"] for one in checks["cellar"] + checks["kitchen"]] == ["login", "login"]
    assert "cannot be reached" in checks["cellar"][0]["sentence"]
    assert "Host key verification failed" in checks["kitchen"][0]["sentence"]
