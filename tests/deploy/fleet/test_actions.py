"""What is asked of a host, and what its answers mean, on a shell that answers as it is told to."""

from __future__ import annotations

import argparse
import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from deploy.fleet import asking, commands
from deploy.fleet.actions import BundleAction, Foresight, SoftwareAction
from deploy.fleet.asking import Report, ask
from deploy.fleet.faults import ChangeFailed, HostError, InventoryError
from deploy.fleet.inventory import Host
from deploy.fleet.settings import SettingsAction
from deploy.fleet.ssh import Done
from deploy.fleet.tables import duration, status_table
from deploy.install import arguments
from edge.bundle import pack
from tests.edge.small_bundles import make

HOST = Host("attic", "attic")


@dataclass
class Answers:
    """A shell that answers from a list, and remembers what it was asked."""

    told: list[Done | HostError] = field(default_factory=list)
    host: Host = HOST
    asked: list[list[str]] = field(default_factory=list)
    forgotten: list[str] = field(default_factory=list)

    def run(self, words: Sequence[str], **_: Any) -> Done:
        if words[0] in {"true", "date"}:
            return Done(0, "0\n", "")
        self.asked.append(list(words))
        answer = self.told.pop(0) if self.told else Done(0, "{}", "")
        if isinstance(answer, HostError):
            raise answer
        return answer

    def earmark(self, *words: str, **more: Any) -> Done:
        return self.run([self.host.earmark, *words], **more)

    def put(self, file: Path, digest: str) -> str:
        return f"/home/pi/.cache/{file.name}"

    def forget(self, target: str) -> None:
        self.forgotten.append(target)


def kit(folder: Path, version: str = "0.2.0", more: str = "") -> Path:
    path = folder / f"earmark-{version}-arm64.pyz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("kit.json", json.dumps({"version": version, "more": more}))
    return path


def installed(version: str = "0.1.0") -> Report:
    return Report("attic", True, True, "", {"version": version, "model": "accurate-1"})


def of_the_installer(words: Sequence[str]) -> argparse.Namespace:
    """Words after ``earmark deploy`` as the installer itself understands them."""
    top = argparse.ArgumentParser(exit_on_error=False)
    arguments.add_words(top.add_subparsers(dest="what"))
    return top.parse_args(list(words))


def test_an_upgrade_and_its_way_back_are_what_the_installer_understands(tmp_path: Path) -> None:
    shell: Any = Answers()
    action = SoftwareAction(kit(tmp_path))
    assert action.foresee(HOST, installed()).after == "0.2.0"
    assert action.foresee(HOST, installed("0.2.0")).already
    action.apply(shell, installed())
    action.undo(shell)
    (earmark, deploy, *upgrade), (_, _, *back) = shell.asked
    assert (earmark, deploy) == (HOST.earmark, "deploy")
    assert of_the_installer(upgrade).source.endswith("earmark-0.2.0-arm64.pyz")
    assert (of_the_installer(upgrade).json, of_the_installer(back).what) == (True, "rollback")


def test_where_earmark_is_not_installed_a_kit_installs_itself(tmp_path: Path) -> None:
    shell: Any = Answers()
    SoftwareAction(kit(tmp_path)).apply(shell, Report("attic", True, False, "Earmark is not installed"))
    python, file, *words = shell.asked[0]
    assert (python, Path(file).suffix) == ("python3", ".pyz")
    assert of_the_installer(words).what == "install"


def test_what_cannot_come_to_a_device_without_earmark_is_refused_before_anything_is_sent(tmp_path: Path) -> None:
    bare = Report("attic", True, False, "Earmark is not installed")
    wheel = tmp_path / "earmark-0.3.1-py3-none-any.whl"
    wheel.write_bytes(b"")
    assert "needs a kit" in SoftwareAction(wheel).foresee(HOST, bare).refused
    assert not SoftwareAction(kit(tmp_path)).foresee(HOST, bare).refused
    assert SettingsAction().foresee(replace(HOST, settings="log: {}"), bare).refused == "Earmark is not installed"
    assert not SettingsAction().foresee(replace(HOST, settings="log: {}"), installed()).refused


@pytest.mark.parametrize(
    ("code", "out", "as_before"),
    [
        (1, '{"error": {"code": "install", "message": "The self-test failed"}}', True),
        (5, '{"error": {"code": "install", "message": "no room"}}', True),
        (2, "", True),
        (5, '{"error": {"code": "control", "message": "the daemon is not well"}}', False),
        (137, "", False),
    ],
)
def test_what_the_installer_says_is_passed_on(tmp_path: Path, code: int, out: str, as_before: bool) -> None:
    shell: Any = Answers([Done(code, out, "last words\n")])
    with pytest.raises(ChangeFailed) as caught:
        SoftwareAction(kit(tmp_path)).apply(shell, installed())
    assert caught.value.as_before == as_before
    assert shell.forgotten == ["/home/pi/.cache/earmark-0.2.0-arm64.pyz"], "it stays on the host for good"
    assert (json.loads(out)["error"]["message"] if out else "last words") in caught.value.cause


def test_an_installer_that_is_out_of_sight_is_not_said_to_have_ended(tmp_path: Path) -> None:
    """Its pip may take longer than anybody waits, and switch in the end."""
    shell: Any = Answers([HostError("attic did not finish `earmark` within 7200 s")])
    with pytest.raises(ChangeFailed, match="may still go on") as caught:
        SoftwareAction(kit(tmp_path)).apply(shell, installed())
    assert (caught.value.ended, caught.value.as_before) == (False, False)
    assert not shell.forgotten, "it is still being read"


@pytest.mark.parametrize("name", ["earmark-0.2.0.tar.gz", "numpy-2.0-py3-none-any.whl", "kit.pyz"])
def test_what_is_neither_kit_nor_wheel_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"something")
    with pytest.raises(InventoryError):
        SoftwareAction(tmp_path / name)


def test_a_kit_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(InventoryError, match="is no file"):
        SoftwareAction(tmp_path / "earmark-0.2.0.pyz")


def test_a_wheel_has_its_version_in_its_name(tmp_path: Path) -> None:
    wheel = tmp_path / "earmark-0.3.1-py3-none-any.whl"
    wheel.write_bytes(b"")
    assert SoftwareAction(wheel).title == "Earmark 0.3.1"


@pytest.mark.parametrize(
    ("told", "installed", "answers", "words"),
    [
        (Done(127, "", "sh: 1: /opt/earmark: not found\n"), False, False, "not installed"),
        (Done(1, "", "ModuleNotFoundError: No module named 'numpy'\n"), True, False, "ModuleNotFoundError"),
        (Done(5, '{"error": {"message": "No daemon answers"}}\n', ""), True, False, "No daemon answers"),
        (Done(0, "garbage \x1b[31m\n", ""), True, False, "garbage"),
        (Done(1, '{"version": "1", "faults": ["broker: away"]}\n', ""), True, True, "broker: away"),
        (Done(0, '{"version": "1", "outbox_dropped": Infinity}\n', ""), True, False, "Infinity"),
        (Done(0, '{"version": "1", "uptime_s": 1e999}\n', ""), True, False, "1e999"),
        (Done(1, f'{{"faults": ["disk: full"], "uptime_s": 1{400 * "0"}}}', ""), True, True, "disk: full"),
        (Done(0, "[" * 100_000, ""), True, False, "[[["),
        (HostError("cannot be reached"), False, False, "cannot be reached"),
    ],
)
def test_every_answer_makes_a_report_and_a_line(
    told: Done | HostError, installed: bool, answers: bool, words: str
) -> None:
    shell: Any = Answers([told])
    report = ask(shell)
    assert (report.installed, report.answers, report.healthy) == (installed, answers, False)
    assert words in report.faults[0]
    text = "\n".join(status_table([report], 2.0))
    assert words in text
    assert "\x1b" not in text
    json.dumps(report.to_json(), allow_nan=False)


@pytest.mark.parametrize("said", ["inf", "-inf", "nan", "noon"])
def test_a_clock_that_says_no_time_is_not_told(said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    shell: Any = Answers()
    monkeypatch.setattr(shell, "run", lambda words, **_: Done(0, said, ""))
    report = ask(shell)
    assert (report.clock_seconds, report.clock_uncertain_seconds) == (None, 0.0)


def test_the_clock_is_that_of_the_shortest_question(monkeypatch: pytest.MonkeyPatch) -> None:
    shell: Any = Answers()
    ours = iter([0.0, 4.0, 10.0, 10.2, 20.0, 22.0])
    theirs = iter(["", "9.0", "11.1", "25.0"])  # the first is for the connection
    monkeypatch.setattr(asking, "time", SimpleNamespace(time=lambda: next(ours)))
    monkeypatch.setattr(shell, "run", lambda words, **_: Done(0, next(theirs, "{}"), ""))
    report = ask(shell)
    assert (report.clock_seconds, report.clock_uncertain_seconds) == (pytest.approx(1.0), pytest.approx(0.1))


@pytest.mark.parametrize("value", [float("inf"), float("nan"), "many", None])
def test_what_is_no_number_counts_as_none(value: Any) -> None:
    assert Report("attic", True, True, "", {"outbox_dropped": value}).number("outbox_dropped") == 0


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0s"), (59.9, "59s"), (60, "1m"), (7500, "2h 5m"), (86400, "1d"), (273600, "3d 4h")],
)
def test_durations_in_words(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_an_error_is_json_where_json_was_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["status", "--inventory", str(tmp_path / "absent.yaml")]
    assert commands.fleet([*words, "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "inventory"
    with pytest.raises(InventoryError):
        commands.fleet(words)


def test_every_example_of_the_help_is_understood() -> None:
    lines = [line.split()[2:] for line in commands.EXAMPLES.splitlines() if line.startswith("  earmark fleet")]
    assert len(lines) > 5
    for words in lines:
        assert commands.parser().parse_args(words).act


def test_what_would_come_of_a_bundle_is_known_before_it_is_sent(tmp_path: Path) -> None:
    """By name, fingerprint, space and encoder of the one in use; ``--force`` is for encoders alone."""
    pack(make(tmp_path / "made", "statistics", version="2.0"), tmp_path / "small.earmark")
    careful, forced = (BundleAction(tmp_path / "small.earmark", force=force, wait_seconds=1) for force in (False, True))
    offer = careful._offer
    used = {
        "bundle": "small",
        "model": "small-1.0",
        "encoder": offer["encoder"],
        "fingerprint": "0" * 16,
        "enrolled": 2,
    }

    def seen(action: BundleAction, **changes: Any) -> Foresight:
        return action.foresee(HOST, Report("attic", True, True, "", used | changes))

    assert seen(careful) == Foresight("small-1.0", "small-2.0")
    assert seen(careful, fingerprint=offer["fingerprint"]).already
    other = {"encoder": "f" * 16, "space": ""}
    assert "2 people enrolled there would not be recognised" in seen(careful, **other).refused
    assert seen(forced, **other) == seen(careful, **other, enrolled=0) == Foresight("small-1.0", "small-2.0")
    for action in (careful, forced):
        assert "this bundle is called small" in seen(action, bundle="accurate").refused
    assert careful.foresee(HOST, Report("attic", True, True, "No daemon answers")).refused == "No daemon answers"
    assert careful.amiss(installed(), Report("attic", True, True, "", used)) == "it listens with small-1.0 from "
    assert (
        careful.amiss(installed(), Report("attic", True, True, "", used | {"fingerprint": offer["fingerprint"]})) == ""
    )
