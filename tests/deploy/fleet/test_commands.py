"""What `earmark fleet` remembers of a rollout, on hosts that nobody reaches."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from deploy.fleet import commands
from deploy.fleet import journal as journals
from tests.deploy.fleet.test_actions import kit


def test_a_rollout_does_not_go_on_with_another_file(
    tmp_path: Path, own_ssh: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Later waves would get at once what no canary has tried."""
    (own_ssh / "bin" / "ssh").write_text("#!/bin/sh\nexit 255\n")
    inventory, journal = tmp_path / "fleet.yaml", tmp_path / "journal.json"
    inventory.write_text("hosts: {attic: {}, cellar: {}}\n")
    file = kit(tmp_path)
    usual = ["--inventory", str(inventory), "--journal", str(journal), "--json"]
    assert commands.fleet(["deploy", str(file), *usual]) == 1
    began = file.read_bytes()
    kit(tmp_path, more="another build of the same version")
    capsys.readouterr()
    assert commands.fleet(["resume", *usual]) == 1
    error = json.loads(capsys.readouterr().out)["error"]
    assert error["code"] == "rollout"
    assert f"{file} is another file than the one" in error["message"]
    assert "--new" in error["remedy"]
    assert commands.fleet(["deploy", str(file), *usual]) == 1
    assert "has not ended" in json.loads(capsys.readouterr().out)["error"]["message"]

    file.write_bytes(began)
    assert commands.fleet(["resume", *usual]) == 1
    assert [row["state"] for row in json.loads(capsys.readouterr().out)["hosts"]] == ["as_before", "waiting"]
    assert commands.fleet(["deploy", str(file), "--new", *usual]) == 1
    found = journals.load(journal)
    assert found is not None
    assert len(found.order["sha256"]) == 64
