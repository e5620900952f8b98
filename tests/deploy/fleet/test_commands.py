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


def test_a_rollout_that_has_not_ended_is_not_left_behind_by_one_to_other_hosts(
    tmp_path: Path, own_ssh: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (own_ssh / "bin" / "ssh").write_text("#!/bin/sh\nexit 255\n")
    (tmp_path / "fleet.yaml").write_text("hosts: {attic: {}, cellar: {}}\n")
    usual = ["--inventory", str(tmp_path / "fleet.yaml"), "--journal", str(tmp_path / "journal.json"), "--json"]
    assert commands.fleet(["settings", "attic", *usual]) == 1
    capsys.readouterr()
    assert commands.fleet(["settings", "cellar", *usual]) == 1
    assert "has not ended" in json.loads(capsys.readouterr().out)["error"]["message"]
    assert commands.fleet(["settings", "attic", *usual]) == 1
    assert [row["host"] for row in json.loads(capsys.readouterr().out)["hosts"]] == ["attic"]


@pytest.mark.parametrize(("faults", "code", "would"), [([], 0, "change"), (["microphone: gone"], 1, "refuse")])
def test_the_exit_code_says_whether_all_are_well_and_would_be_changed(
    tmp_path: Path, own_ssh: Path, capsys: pytest.CaptureFixture[str], faults: list[str], code: int, would: str
) -> None:
    earmark, inventory = own_ssh / "earmark", tmp_path / "fleet.yaml"
    earmark.write_text(f"#!/bin/sh\necho '{json.dumps({'version': '0.1.0', 'faults': faults})}'\n")
    earmark.chmod(0o755)
    inventory.write_text(
        f"defaults: {{become: none, earmark: {earmark}, config: {tmp_path}/earmark.yaml}}\n"
        "hosts: {attic: {settings: {node: {name: attic}}}}\n"
    )
    usual = ["--inventory", str(inventory), "--json"]
    assert commands.fleet(["status", *usual]) == code
    (told,) = json.loads(capsys.readouterr().out)["hosts"]
    assert (told["healthy"], told["faults"], told["clock_wrong"]) == (not faults, faults, False)
    assert commands.fleet(["settings", "--dry-run", *usual]) == code
    assert [row["would"] for row in json.loads(capsys.readouterr().out)["hosts"]] == [would]
    assert commands.fleet(["check", *usual]) == code
    assert json.loads(capsys.readouterr().out)["ok"] == (not faults)
    assert not (tmp_path / "earmark.yaml").exists(), "nothing of it changes anything"
