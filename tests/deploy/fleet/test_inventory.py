"""The inventory: what stands nearer wins, and what is wrong is named."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.fleet.faults import InventoryError
from deploy.fleet.inventory import load_inventory
from deploy.fleet.plan import waves
from edge.settings import load

HOUSE = """
defaults:
  ssh: {user: pi, port: 2200, options: [ProxyJump=gate]}
  settings:
    mqtt: {host: broker.lan, port: 8883}
    log: {level: debug}
groups:
  upstairs:
    hosts: [study]
    become: none
    settings: {decide: {profile: strict}}
  quiet:
    settings: {log: {level: warning}}
rollout: {canary: [kitchen], wave: 50%, soak_seconds: 600, clock_seconds: 1.5}
hosts:
  kitchen:
    address: 192.168.1.20
    settings: {node: {name: kitchen, room: "on"}}
  bedroom:
    groups: [upstairs, quiet]
    ssh: {port: 22}
    earmark: /srv/earmark/bin/earmark
    settings: {node: {name: bedroom}, log: {level: error}}
  study:
    settings: {node: {name: study}}
"""


def inventory(folder: Path, text: str = HOUSE):
    path = folder / "fleet.yaml"
    path.write_text(text, encoding="utf-8")
    return load_inventory(path)


def test_what_stands_nearer_to_a_host_wins(tmp_path: Path) -> None:
    found = inventory(tmp_path)
    kitchen, bedroom, study = found.hosts
    assert (kitchen.address, bedroom.address) == ("192.168.1.20", "bedroom")
    assert (kitchen.ssh.user, kitchen.ssh.port, bedroom.ssh.port) == ("pi", 2200, 22)
    assert bedroom.ssh.options == ("ProxyJump=gate",)
    assert (kitchen.sudo, bedroom.sudo, study.sudo) == (True, False, False)
    assert bedroom.earmark == "/srv/earmark/bin/earmark"
    assert (found.pace.canary, found.pace.wave, found.pace.soak_seconds, found.pace.clock_seconds) == (
        ("kitchen",), "50%", 600, 1.5,
    )  # fmt: skip


def test_settings_are_merged_key_by_key_and_mean_on_the_device_what_was_written(tmp_path: Path) -> None:
    levels, profiles = [], []
    for host in inventory(tmp_path).hosts:
        file = tmp_path / "earmark.yaml"
        file.write_text(host.settings, encoding="utf-8")
        settings = load(file, {})
        assert settings.mqtt.host == "broker.lan"
        assert settings.node.name == host.name
        levels.append(settings.log.level)
        profiles.append(settings.decide.profile)
        if host.name == "kitchen":
            assert settings.node.room == "on"
    assert levels == ["debug", "error", "debug"]
    assert profiles == ["balanced", "strict", "strict"]


def test_hosts_are_chosen_by_name_and_group_in_the_order_of_the_file(tmp_path: Path) -> None:
    found = inventory(tmp_path)
    assert [host.name for host in found.select(["study", "kitchen"])] == ["kitchen", "study"]
    assert [host.name for host in found.select(["upstairs"])] == ["bedroom", "study"]
    assert [host.name for host in found.select([])] == ["kitchen", "bedroom", "study"]
    with pytest.raises(InventoryError, match="kichen") as caught:
        found.select(["kichen"])
    assert "kitchen" in caught.value.remedy


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("hosts: {}", "no hosts"),
        ("", "no hosts"),
        ("hosts:\n  a: {adress: b}", "did you mean address"),
        ("hosts:\n  a: {}\n  a: {}", "line 3: a stands twice"),
        ("hosts:\n  a: {groups: [b]}", "no group 'b'"),
        ("groups: {g: {hosts: [b]}}\nhosts: {a: {}}", "no host 'b'"),
        ("groups: {a: {}}\nhosts: {a: {}}", "of a group and of a host"),
        ("hosts:\n  a: {become: root}", "a: become"),
        ("hosts:\n  a: {ssh: {port: 0}}", "is no port"),
        ("hosts:\n  a: {ssh: {user: -oProxyCommand=x}}", "ssh.user"),
        ("hosts:\n  a: {address: -oProxyCommand=x}", "a: address"),
        ("hosts:\n  a: {earmark: 'earmark; reboot'}", "a: earmark"),
        ("hosts:\n  a: {settings: {mqtt: {prot: 1}}}", "did you mean mqtt.port"),
        ("hosts:\n  a: {settings: {mqtt: {port: many}}}", "mqtt.port"),
        ("hosts:\n  a: {settings: {mqtt: {port: 0100}}}", "not '0100'"),
        ("hosts: {a: {settings: {node: {name: x}}}, b: {settings: {node: {name: x}}}}", "one node.name"),
        ("hosts: {a: {settings: {log: {level: info}}}, b: {settings: {log: {level: info}}}}", "one node.name"),
        ("hosts: {a: {}}\nrollout: {wave: 0}", "makes no sense"),
        ("hosts: {a: {}}\nrollout: {soak_seconds: long}", "number of seconds"),
        ("hosts: {a: &x {settings: *x}}", "refers to itself"),
        ("hosts: [a]", "must have keys"),
        ("hosts:\n\ta: {}", "not valid YAML"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(InventoryError, match=words) as caught:
        inventory(tmp_path, text)
    assert str(tmp_path / "fleet.yaml") in caught.value.cause
    assert caught.value.exit_code == 2


@given(
    hosts=st.integers(1, 60),
    canary=st.one_of(st.integers(0, 9), st.sets(st.integers(0, 59), max_size=5)),
    wave=st.one_of(st.integers(1, 20).map(str), st.integers(1, 100).map(lambda p: f"{p}%")),
)
def test_every_host_is_in_one_wave_and_the_canary_goes_first(hosts: int, canary: int | set[int], wave: str) -> None:
    names = [f"h{i}" for i in range(hosts)]
    chosen = (str(canary),) if isinstance(canary, int) else tuple(f"h{i}" for i in canary)
    plan = waves(names, chosen, wave)
    assert sorted(name for one in plan for name in one) == sorted(names)
    first = set(names[:canary]) if isinstance(canary, int) else set(chosen) & set(names) or {"h0"}
    if first:
        assert set(plan[0]) == first
    size = int(wave) if wave.isdigit() else max(1, -(-hosts * int(wave[:-1]) // 100))
    assert all(len(one) <= size for one in (plan[1:] if first else plan))
    assert all(len(one) == size for one in (plan[1:-1] if first else plan[:-1]))


def test_what_refers_to_itself_a_billion_times_costs_no_more_than_its_size(tmp_path: Path) -> None:
    """Without a memory of what was read before, this would end neither today nor tomorrow."""
    bomb = ["a: &a [x, x, x, x, x, x, x, x, x]"]
    for below, name in zip("abcdefgh", "bcdefghi", strict=True):
        bomb.append(f"{name}: &{name} [{', '.join([f'*{below}'] * 9)}]")
    with pytest.raises(InventoryError, match="a is not a key of the file"):
        inventory(tmp_path, "\n".join([*bomb, "hosts: {kitchen: *i}"]))


def test_an_anchor_may_be_used_by_several_hosts(tmp_path: Path) -> None:
    text = "hosts:\n  one: &usual {ssh: {user: pi, port: 2200}}\n  two: *usual\n"
    assert {host.ssh.port for host in inventory(tmp_path, text).hosts} == {2200}
