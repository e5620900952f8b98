"""The inventory of a fleet: YAML that is a bomb, refers to itself, or holds other kinds of values than it should."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Final

from deploy.fleet.faults import InventoryError
from deploy.fleet.inventory import load_inventory
from deploy.fleet.plan import check_canary, waves
from tests.fuzz.mutate import SCRAPS, mutate
from tests.fuzz.target import Finding, Target, only_earmark_errors

_BOMB: Final = "".join(
    f"{name}: &{name} [{', '.join([f'*{below}'] * 9) if below else 'lol'}]\n"
    for below, name in zip(" abcdefgh", "abcdefghi", strict=True)
).replace("* ", "lol")
_SETTINGS_BOMB: Final = "hosts:\n  a: &a\n    settings:\n      mqtt: &m {ca_file: &x [1, 2]}\n" + "".join(
    f"  h{i}: {{settings: {{mqtt: *m, node: {{name: n{i}, room: *x}}}}}}\n" for i in range(12)
)
_PLAIN: Final = """\
defaults:
  ssh: {user: pi, identity: ~/.ssh/earmark, options: [ProxyJump=gate.example.org]}
  become: sudo
  settings: {mqtt: {host: broker.lan, username: ears, password_file: mqtt-password}}
groups:
  upstairs: {hosts: [bedroom], settings: {decide: {profile: strict}}}
rollout: {canary: kitchen, wave: 25%, soak_seconds: 600, health_seconds: 90, clock_seconds: 2}
hosts:
  kitchen: {address: 192.168.1.20, settings: {node: {name: kitchen, room: Kitchen}}}
  bedroom: {address: "fe80::1%eth0", groups: [upstairs], ssh: {port: 2222}, state: /var/lib/x}
"""
_MORE: Final = (
    b"&a ", b"*a", b"&a [*a, *a, *a, *a, *a, *a, *a, *a, *a]", b"<<: *a", b"!!python/object:os.system x", b"!!binary a",
    b"? [a]\n: b\n", b"{" * 3000, b"[" * 3000, b"- " * 3000, b"null", b"~", b"on", b"-o ProxyCommand=touch x", b"25%",
    b"0%", b"99999999999999999999", b"1" * 5000, b"hosts:\n", b"  settings: {", b"%TAG ! x\n", b"---\n", b"...\n",
)  # fmt: skip


def _seeds(_: Path) -> list[bytes]:
    nested = "hosts: " + "[" * 2000 + "]" * 2000
    bomb = f"{_BOMB}hosts:\n  kitchen: *i\n"
    below = f"hosts:\n  kitchen:\n    settings:\n      mqtt:\n        host: {{x: &x 1}}\n{_BOMB}"
    return [text.encode() for text in (_PLAIN, bomb, below, _SETTINGS_BOMB, nested)]


def _change(seed: bytes, rng: random.Random) -> bytes:
    return mutate(seed, rng, SCRAPS + _MORE)


def _inventory(data: bytes, place: Path) -> None:
    path = place / "fleet.yaml"
    path.write_bytes(data)
    with only_earmark_errors():
        found = load_inventory(path)
        for host in found.hosts:
            # What ssh would take for an option.
            if host.address.startswith("-") or host.ssh.user.startswith("-") or "\n" in host.address:
                raise Finding(f"ssh would be told {host.address!r}, {host.ssh.user!r}")
        names = [host.name for host in found.hosts]
        check_canary(found.pace.canary, names)
        planned = waves(names, found.pace.canary, found.pace.wave)
        if sorted(name for wave in planned for name in wave) != sorted(names):
            raise Finding("a host is in no wave, or in two")
        for group in (*found.groups, "all", "kitchen"):
            try:
                found.select([group])
            except InventoryError as error:
                if group in found.groups:
                    raise Finding("a group is not known by its name") from error


TARGETS: Final = (Target("inventory", _seeds, _inventory, _change, cost=2),)
