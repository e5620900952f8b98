"""Waves, stops, ways back and resumption, on hosts that are a few lines of Python."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from deploy.fleet import journal as journals
from deploy.fleet import one_host, rollout
from deploy.fleet.actions import Foresight
from deploy.fleet.asking import Report
from deploy.fleet.faults import ChangeFailed, HostError
from deploy.fleet.inventory import Host, Pace
from deploy.fleet.journal import Journal
from deploy.fleet.plan import waves
from deploy.fleet.rollout import Rollout

PACE = Pace(health_seconds=0, settle_seconds=0)


@dataclass
class Device:
    """What a shell leads to: what runs there, and how it takes a change."""

    host: Host
    runs: str = "old"
    faults: tuple[str, ...] = ()
    reachable: bool = True
    dropped: int = 0
    taking: str = "well"
    """``well``; ``sick``: runs the new one with a fault; ``stuck``: so, and cannot go back; ``refuses``; ``loses``
    events; ``falls ill`` before it is changed; ``vanishes``: cannot be reached any more; ``dawdles``: goes on out of
    sight."""
    log: list[str] = field(default_factory=list)


def ask(device: Device) -> Report:
    if not device.reachable:
        return Report(device.host.name, False, problem="cannot be reached")
    status: dict[str, Any] = {"version": "1", "fingerprint": device.runs, "model": device.runs}
    status |= {"faults": list(device.faults), "outbox_dropped": device.dropped}
    return Report(device.host.name, True, True, "", status, 0.0)


class Renewal:
    title, digest = "renewal", ""

    def foresee(self, host: Host, report: Report) -> Foresight:
        return Foresight(report.get("model"), "new", already=report.get("model") == "new")

    def apply(self, shell: Device, report: Report) -> bool:
        shell.log.append("apply")
        if shell.taking == "falls ill":
            shell.faults = ("broker: away",)
            raise HostError("the kit does not arrive")
        if shell.taking == "refuses":
            raise ChangeFailed("no, thank you", as_before=True)
        if shell.taking == "dawdles":
            raise ChangeFailed("did not finish in time", as_before=False, ended=False)
        shell.runs = "new"
        if shell.taking in {"sick", "stuck"}:
            shell.faults = (*shell.faults, "microphone: gone")
        if shell.taking == "loses":
            shell.dropped += 3
        if shell.taking == "vanishes":
            shell.reachable = False
            raise HostError("the connection broke")
        return True

    def amiss(self, before: Report, after: Report) -> str:
        return "" if after.get("model") == "new" else "it runs the old one"

    def undo(self, shell: Device) -> None:
        shell.log.append("undo")
        if not shell.reachable:
            raise HostError("cannot be reached")
        if shell.taking == "stuck":
            raise ChangeFailed("it does not let go", as_before=False)
        shell.runs, shell.faults = "old", tuple(one for one in shell.faults if not one.startswith("microphone"))


@pytest.fixture(autouse=True)
def python_hosts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(one_host, "ask", ask)
    monkeypatch.setattr(rollout, "ask", ask)
    monkeypatch.setattr(one_host, "_LOOK_SECONDS", 0.0)


def fleet(count: int = 6, **taking: str) -> dict[str, Device]:
    return {f"h{i}": Device(Host(f"h{i}", f"h{i}"), taking=taking.get(f"h{i}", "well")) for i in range(count)}


def go(
    path: Path, devices: dict[str, Device], *, journal: Journal | None = None, pace: Pace = PACE, **more: Any
) -> int:
    if journal is None:
        journal = journals.begin(path / "j.json", {"what": "renewal"}, waves(list(devices), ("1",), "2"))
    shells: Any = devices
    return Rollout(journal, shells, Renewal(), pace, lambda name, text: None, **more).run()


def states(path: Path) -> list[str]:
    found = journals.load(path / "j.json")
    assert found is not None
    return [found.hosts[name].state for name in sorted(found.hosts)]


def test_all_hosts_are_changed_wave_by_wave(tmp_path: Path) -> None:
    devices = fleet()
    assert go(tmp_path, devices) == 0
    assert {device.runs for device in devices.values()} == {"new"}
    assert states(tmp_path) == ["done"] * 6


@pytest.mark.parametrize("taking", ["sick", "refuses", "loses"])
def test_the_first_host_that_fails_is_as_before_and_nothing_further_begins(tmp_path: Path, taking: str) -> None:
    devices = fleet(h2=taking)
    devices["h2"].dropped = 7
    assert go(tmp_path, devices) == 1
    assert states(tmp_path) == ["done", "done", "as_before", "waiting", "waiting", "waiting"]
    assert [device.runs for device in devices.values()] == ["new", "new", "old", "old", "old", "old"]
    assert not devices["h3"].log


@pytest.mark.parametrize("taking", ["stuck", "vanishes"])
def test_a_host_that_cannot_go_back_is_called_broken(tmp_path: Path, taking: str) -> None:
    assert go(tmp_path, fleet(h0=taking)) == 5
    assert states(tmp_path) == ["broken", *["waiting"] * 5]


def test_a_host_on_which_something_may_still_go_on_is_neither_as_before_nor_taken_back(tmp_path: Path) -> None:
    """A way back that meets the way there would lead to something older."""
    devices = fleet(2, h0="dawdles")
    assert go(tmp_path, devices) == 5
    assert states(tmp_path) == ["broken", "waiting"]
    assert devices["h0"].log == ["apply"]
    devices["h0"].runs = "new"
    assert go(tmp_path, devices, journal=journals.load(tmp_path / "j.json")) == 0
    assert states(tmp_path) == ["already", "done"]


def test_a_host_that_was_not_changed_is_not_taken_back_to_something_older(tmp_path: Path) -> None:
    devices = fleet(1, h0="falls ill")
    assert go(tmp_path, devices) == 5
    assert devices["h0"].log == ["apply"]


def test_a_host_that_is_not_well_is_not_touched_unless_that_is_wanted(tmp_path: Path) -> None:
    devices = fleet(1)
    devices["h0"].faults = ("broker: not connected",)
    assert go(tmp_path, devices) == 1
    assert not devices["h0"].log
    assert go(tmp_path, devices, allow_faults=True) == 0


def looks(monkeypatch: pytest.MonkeyPatch, *well: bool) -> tuple[str, int]:
    """What comes of a host that is well at some looks, one a second, and as at the last one from then on; and how many
    looks that took."""
    device, seconds = Device(Host("h0", "h0"), runs="new"), [0]
    before = ask(device)

    def look(one: Device) -> Report:
        return replace(ask(one), problem="" if well[min(seconds[0], len(well) - 1)] else "away")

    def look_again(pause: float) -> None:
        seconds[0] += 1

    monkeypatch.setattr(one_host, "ask", look)
    monkeypatch.setattr(one_host, "time", SimpleNamespace(monotonic=lambda: float(seconds[0]), sleep=look_again))
    shell: Any = device
    why = one_host.watch(shell, Renewal(), before, Pace(health_seconds=6, settle_seconds=3))
    return why, seconds[0] + 1


def test_a_host_must_stay_well_for_the_time_to_settle(monkeypatch: pytest.MonkeyPatch) -> None:
    assert looks(monkeypatch, True) == ("", 4)
    assert looks(monkeypatch, True, True, False, True) == ("", 7)
    assert looks(monkeypatch, *[True, True, False] * 9)[0] == "it did not stay well"
    assert looks(monkeypatch, False) == ("away", 11)


def test_a_host_whose_clock_is_wrong_is_not_touched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    devices = fleet(1)
    for skew, uncertain, code in ((2.5, 0.1, 1), (-2.5, 0.1, 1), (2.5, 1.0, 0)):
        late = lambda one, s=skew, u=uncertain: replace(ask(one), clock_seconds=s, clock_uncertain_seconds=u)  # noqa: E731
        monkeypatch.setattr(one_host, "ask", late)
        assert go(tmp_path, devices) == code


def test_a_rollout_goes_on_where_it_stopped(tmp_path: Path) -> None:
    devices = fleet(h2="refuses")
    assert go(tmp_path, devices) == 1
    devices["h2"].taking = "well"
    assert go(tmp_path, devices, journal=journals.load(tmp_path / "j.json")) == 0
    assert states(tmp_path) == ["done"] * 6
    assert devices["h0"].log == ["apply"]
    assert devices["h2"].log == ["apply", "apply"]


def test_a_host_that_was_being_changed_when_everything_ended_is_asked_what_it_runs(tmp_path: Path) -> None:
    devices = fleet(2)
    journal = journals.begin(tmp_path / "j.json", {"what": "renewal"}, (("h0",), ("h1",)))
    journal.note("h0", state="working")
    devices["h0"].runs = "new"
    assert go(tmp_path, devices, journal=journals.load(tmp_path / "j.json")) == 0
    assert states(tmp_path) == ["already", "done"]
    assert not devices["h0"].log


def test_a_host_that_falls_ill_while_it_soaks_goes_back_and_stops_everything(tmp_path: Path) -> None:
    devices = fleet(3)

    class Ill(Renewal):
        def apply(self, shell: Device, report: Report) -> bool:
            if shell.host.name == "h1":
                devices["h0"].faults = ("microphone: gone",)
            return super().apply(shell, report)

    journal = journals.begin(tmp_path / "j.json", {}, (("h0",), ("h1",), ("h2",)))
    shells: Any = devices
    pace = replace(PACE, soak_seconds=0.01)
    assert Rollout(journal, shells, Ill(), pace, lambda name, text: None).run() == 1
    assert states(tmp_path) == ["as_before", "done", "waiting"]
    assert [device.runs for device in devices.values()] == ["old", "new", "old"]


def test_a_host_that_runs_something_else_after_it_has_soaked_stops_everything(tmp_path: Path) -> None:
    """Its own installer may go back later than anybody watches."""
    devices = fleet(3)

    class GoesBack(Renewal):
        def apply(self, shell: Device, report: Report) -> bool:
            if shell.host.name == "h1":
                devices["h0"].runs = "old"
            return super().apply(shell, report)

    journal = journals.begin(tmp_path / "j.json", {}, (("h0",), ("h1",), ("h2",)))
    shells: Any = devices
    pace = replace(PACE, soak_seconds=0.01)
    assert Rollout(journal, shells, GoesBack(), pace, lambda name, text: None).run() == 1
    assert states(tmp_path) == ["as_before", "done", "waiting"]


def test_a_host_that_had_a_fault_is_as_before_with_it(tmp_path: Path) -> None:
    """`--allow-faults` changes hosts that are not well; they need not be better when a change is taken back."""
    devices = fleet(3)
    devices["h0"].faults = ("broker: away for 3 s",)

    class Ill(Renewal):
        def apply(self, shell: Device, report: Report) -> bool:
            if shell.host.name == "h1":
                devices["h0"].faults = ("broker: away for 9 s", "microphone: gone")
            return super().apply(shell, report)

    journal = journals.begin(tmp_path / "j.json", {}, (("h0",), ("h1",), ("h2",)))
    shells: Any = devices
    pace = replace(PACE, soak_seconds=0.01)
    assert Rollout(journal, shells, Ill(), pace, lambda name, text: None, allow_faults=True).run() == 1
    assert states(tmp_path) == ["as_before", "done", "waiting"]
    assert (devices["h0"].runs, devices["h0"].faults) == ("old", ("broker: away for 9 s",))


def test_a_way_back_that_is_cut_off_is_not_forgotten(tmp_path: Path) -> None:
    devices = fleet(3)

    class CutOff(Renewal):
        def apply(self, shell: Device, report: Report) -> bool:
            if shell.host.name == "h1":
                devices["h0"].faults = ("microphone: gone",)
            return super().apply(shell, report)

        def undo(self, shell: Device) -> None:
            raise KeyboardInterrupt

    journal = journals.begin(tmp_path / "j.json", {}, (("h0",), ("h1",), ("h2",)))
    shells: Any = devices
    with pytest.raises(KeyboardInterrupt):
        Rollout(journal, shells, CutOff(), replace(PACE, soak_seconds=0.01), lambda name, text: None).run()
    assert states(tmp_path) == ["working", "done", "waiting"]
    assert go(tmp_path, devices, journal=journals.load(tmp_path / "j.json")) == 1
    assert states(tmp_path) == ["as_before", "done", "waiting"]
    devices["h0"].faults = ()
    assert go(tmp_path, devices, journal=journals.load(tmp_path / "j.json")) == 0


def test_a_host_that_had_it_already_is_not_taken_back_to_something_older(tmp_path: Path) -> None:
    devices = fleet(2)
    devices["h0"].runs = "new"

    class Ill(Renewal):
        def foresee(self, host: Host, report: Report) -> Foresight:
            devices["h0"].faults = ("microphone: gone",)
            return super().foresee(host, report)

    journal = journals.begin(tmp_path / "j.json", {}, (("h0",), ("h1",)))
    shells: Any = devices
    pace = replace(PACE, soak_seconds=0.01)
    assert Rollout(journal, shells, Ill(), pace, lambda name, text: None).run() == 5
    assert states(tmp_path) == ["broken", "waiting"]
    assert (devices["h0"].runs, devices["h0"].log) == ("new", [])


def test_a_host_at_which_nothing_had_to_be_done_is_not_taken_back(tmp_path: Path) -> None:
    """Only the host knows whether its settings differ: what its way back leads to is of an earlier rollout."""
    devices = fleet(2)

    class AsItWas(Renewal):
        def foresee(self, host: Host, report: Report) -> Foresight:
            return Foresight("as there", "as in the inventory")

        def amiss(self, before: Report, after: Report) -> str:
            return ""

        def apply(self, shell: Device, report: Report) -> bool:
            if shell.taking == "sick":
                shell.faults = ("microphone: gone",)
            return False

    shells: Any = devices
    journal = journals.begin(tmp_path / "j.json", {}, (("h0",), ("h1",)))
    devices["h1"].taking = "sick"
    assert Rollout(journal, shells, AsItWas(), PACE, lambda name, text: None).run() == 5
    assert states(tmp_path) == ["already", "broken"]
    assert not devices["h1"].log


def test_ctrl_c_finishes_the_hosts_in_hand_and_can_be_resumed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    devices = fleet(3)
    really, pressed = Rollout._next, []

    def pressing(results: Any) -> Any:
        if not pressed:
            pressed.append(True)
            raise KeyboardInterrupt
        return really(results)

    monkeypatch.setattr(Rollout, "_next", staticmethod(pressing))
    assert go(tmp_path, devices) == 130
    assert states(tmp_path) == ["done", "waiting", "waiting"]
    assert go(tmp_path, devices, journal=journals.load(tmp_path / "j.json")) == 0


def test_a_second_ctrl_c_leaves_the_hosts_in_hand_to_be_asked_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pressing(results: Any) -> Any:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Rollout, "_next", staticmethod(pressing))
        with pytest.raises(KeyboardInterrupt):
            go(tmp_path, fleet(2))
    assert states(tmp_path) == ["working", "waiting"]
    assert go(tmp_path, fleet(2), journal=journals.load(tmp_path / "j.json")) == 0


def test_a_mistake_of_the_program_is_a_broken_host_and_no_hang(tmp_path: Path) -> None:
    class Wrong(Renewal):
        def amiss(self, before: Report, after: Report) -> str:
            raise ZeroDivisionError("oh")

    journal = journals.begin(tmp_path / "j.json", {}, (("h0",), ("h1",)))
    shells: Any = fleet(2)
    assert Rollout(journal, shells, Wrong(), PACE, lambda name, text: None).run() == 5
    assert states(tmp_path) == ["broken", "waiting"]


def test_a_rollout_that_goes_on_looks_once_more_at_what_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else Ctrl-C while the canary soaks would count as its being well."""
    devices = fleet(3)
    shells: Any = devices
    pace = replace(PACE, soak_seconds=0.01)
    journal = journals.begin(tmp_path / "j.json", {}, (("h0",), ("h1",), ("h2",)))

    def pressed(seconds: float) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as interrupted, pytest.raises(KeyboardInterrupt):
        interrupted.setattr(rollout.time, "sleep", pressed)
        Rollout(journal, shells, Renewal(), pace, lambda name, text: None).run()
    assert states(tmp_path) == ["done", "waiting", "waiting"]
    devices["h0"].faults = ("microphone: gone",)
    assert Rollout(journals.load(tmp_path / "j.json"), shells, Renewal(), pace, lambda name, text: None).run() == 1
    assert states(tmp_path) == ["as_before", "waiting", "waiting"]
