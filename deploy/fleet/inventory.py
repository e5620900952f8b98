"""The inventory: which devices there are, how each is reached, and what its settings should be.

Takes ``fleet.yaml``. Gives frozen ``Host``s. Must hold: what stands nearer to a host wins (defaults, then its groups in
the order of the file, then the host itself); an unknown key names the nearest known one; settings are checked by the
device's own rules before anything is sent; no two hosts claim one ``node.name``.
"""

from __future__ import annotations

import difflib
import re
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import yaml

from deploy.fleet.document import Branch, dump, read
from deploy.fleet.faults import InventoryError
from edge.errors import SettingsError
from edge.settings import load

DEFAULT_FILE: Final = Path("fleet.yaml")
DEFAULT_EARMARK: Final = "/opt/earmark/current/bin/earmark"
"""Where the installer puts the command."""
DEFAULT_WAVE: Final = "25%"
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_ADDRESS: Final = re.compile(r"[A-Za-z0-9\[][A-Za-z0-9._:%\[\]-]{0,252}")
_PATH: Final = re.compile(r"/[A-Za-z0-9/_.+-]+")
_SSH: Final = ("user", "port", "identity", "config", "options")
_HOST: Final = ("address", "groups", "ssh", "become", "earmark", "config", "state", "settings")
_SHARED: Final = tuple(key for key in _HOST if key not in {"address", "groups"})
_TOP: Final = ("defaults", "groups", "hosts", "rollout")
_ROLLOUT: Final = ("canary", "wave", "soak_seconds", "health_seconds", "settle_seconds", "clock_seconds")


@dataclass(frozen=True, slots=True)
class Ssh:
    """How a host is reached. Empty and 0: whatever ``~/.ssh/config`` says. ``options``: ``-o`` of ssh."""

    user: str = ""
    port: int = 0
    identity: str = ""
    config: str = ""
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Host:
    """One device. ``sudo``: whether commands need it. ``earmark``: the command there. ``config``, ``state``: its
    settings file and state folder, empty for the usual ones. ``settings``: the text that its settings file should have,
    empty where the inventory says nothing about settings.
    """

    name: str
    address: str
    groups: tuple[str, ...] = ()
    ssh: Ssh = Ssh()
    sudo: bool = True
    earmark: str = DEFAULT_EARMARK
    config: str = ""
    state: str = ""
    settings: str = ""


@dataclass(frozen=True, slots=True)
class Pace:
    """How a rollout goes. ``canary``: names of the hosts that go first, or how many. ``wave``: ``3``, or ``25%``.
    ``soak_seconds``: between waves. ``health_seconds``: how long a host may take to be well; ``settle_seconds``: how
    long it must stay so. ``clock_seconds``: how wrong its clock may be.
    """

    canary: tuple[str, ...] = ("1",)
    wave: str = DEFAULT_WAVE
    soak_seconds: float = 0.0
    health_seconds: float = 90.0
    settle_seconds: float = 5.0
    clock_seconds: float = 2.0


@dataclass(frozen=True, slots=True)
class Inventory:
    """``hosts`` in the order of the file; ``groups``: name -> hosts."""

    path: Path
    hosts: tuple[Host, ...]
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    pace: Pace = Pace()

    def select(self, wanted: Sequence[str]) -> tuple[Host, ...]:
        """The hosts of these names and groups in the order of the file; all where nothing is named. Raises
        ``InventoryError`` for an unknown name.
        """
        known = {host.name for host in self.hosts}
        chosen: set[str] = set() if wanted else set(known)
        for name in wanted:
            if name in known:
                chosen.add(name)
            elif name in self.groups:
                chosen |= set(self.groups[name])
            elif name == "all":
                chosen |= known
            else:
                raise InventoryError(
                    f"{self.path} has no host or group {name!r}", _nearest(name, [*known, *self.groups])
                )
        return tuple(host for host in self.hosts if host.name in chosen)


def load_inventory(path: Path) -> Inventory:
    """Read and check the file. Raises ``InventoryError`` that names the line."""
    try:
        return _inventory(path)
    except InventoryError as error:
        if str(path) in error.cause:
            raise
        raise InventoryError(f"the inventory {path}, {error.cause}", error.remedy) from error


def _inventory(path: Path) -> Inventory:
    top = _known(read(path), "the file", _TOP)
    shared = _known(top["defaults"], "defaults", _SHARED) if "defaults" in top else {}
    groups: dict[str, Mapping[str, Branch]] = {}
    members: dict[str, list[str]] = {}
    for name, branch in (top["groups"].mapping("groups") if "groups" in top else {}).items():
        _check(_NAME, name, branch, "the name of a group")
        groups[name] = _known(branch, f"groups.{name}", (*_SHARED, "hosts"))
        members[name] = list(groups[name]["hosts"].texts(f"groups.{name}.hosts")) if "hosts" in groups[name] else []
    if "hosts" not in top or not top["hosts"].mapping("hosts"):
        raise InventoryError(f"the inventory {path} has no hosts", "docs/fleet.md shows the form.")
    raw: dict[str, Mapping[str, Branch]] = {}
    for name, branch in top["hosts"].mapping("hosts").items():
        _check(_NAME, name, branch, "the name of a host")
        if name in groups or name == "all":
            raise branch.fault(f"{name} is the name of a group and of a host")
        raw[name] = _known(branch, f"hosts.{name}", _HOST)
        for group in raw[name]["groups"].texts(f"hosts.{name}.groups") if "groups" in raw[name] else ():
            if group not in groups:
                raise raw[name]["groups"].fault(f"there is no group {group!r}; {_nearest(group, groups)}")
            if name not in members[group]:
                members[group].append(name)
    for group, names in members.items():
        for one in names:
            if one not in raw:
                raise groups[group]["hosts"].fault(f"there is no host {one!r}; {_nearest(one, raw)}")
    hosts = []
    for name, own in raw.items():
        mine = [group for group in groups if name in members[group]]
        layers = [shared, *(groups[group] for group in mine), own]
        hosts.append(_host(path, name, tuple(mine), layers))
    _one_node_each(path, hosts)
    pace = _pace(top["rollout"]) if "rollout" in top else Pace()
    order = {name: i for i, name in enumerate(raw)}
    return Inventory(
        path,
        tuple(hosts),
        {group: tuple(sorted(names, key=order.__getitem__)) for group, names in members.items()},
        pace,
    )


def _host(path: Path, name: str, groups: tuple[str, ...], layers: Sequence[Mapping[str, Branch]]) -> Host:
    def nearest(key: str, pattern: re.Pattern[str] | None = None, default: str = "") -> str:
        for layer in reversed(layers):
            if key in layer and (text := layer[key].text(f"{name}: {key}")):
                if pattern:
                    _check(pattern, text, layer[key], f"{name}: {key}")
                return text
        return default

    become = nearest("become", re.compile("sudo|none"), "sudo")
    return Host(
        name=name,
        address=nearest("address", _ADDRESS, name),
        groups=groups,
        ssh=_ssh(name, [layer["ssh"] for layer in layers if "ssh" in layer]),
        sudo=become == "sudo",
        earmark=nearest("earmark", _PATH, DEFAULT_EARMARK),
        config=nearest("config", _PATH),
        state=nearest("state", _PATH),
        settings=_settings(path, name, [layer["settings"] for layer in layers if "settings" in layer]),
    )


def _ssh(name: str, layers: Sequence[Branch]) -> Ssh:
    values: dict[str, str] = {}
    options: list[str] = []
    for layer in layers:
        keys = _known(layer, f"{name}: ssh", _SSH)
        for key, branch in keys.items():
            if key == "options":
                for option in branch.texts(f"{name}: ssh.options"):
                    if not re.fullmatch(r"[A-Za-z]+[ =].+", option):
                        raise branch.fault(f"ssh.options has {option!r}, and Name=value is needed")
                    options.append(option)
            else:
                values[key] = branch.text(f"{name}: ssh.{key}")
                if key == "port" and not (values[key].isdigit() and 0 < int(values[key]) < 65536):
                    raise branch.fault(f"ssh.port {values[key]!r} is no port")
                if key == "user":
                    _check(re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,31}"), values[key], branch, "ssh.user")
    return Ssh(
        values.get("user", ""),
        int(values.get("port", 0)),
        values.get("identity", ""),
        values.get("config", ""),
        tuple(options),
    )


def _settings(path: Path, name: str, layers: Sequence[Branch]) -> str:
    """The settings file of a host, checked by the edge's own rules."""
    merged: dict[str, dict[str, yaml.Node]] = {}
    for layer in layers:
        for section, keys in layer.mapping(f"{name}: settings").items():
            merged.setdefault(section, {}).update(
                {key: branch.node for key, branch in keys.mapping(f"{name}: settings.{section}").items()}
            )
    if not merged:
        return ""
    text = (
        f"# Settings of {name}. Made by `earmark fleet settings` from {path.name}: change them there.\n{dump(merged)}"
    )
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "earmark.yaml"
        file.write_text(text, encoding="utf-8")
        try:
            load(file, {})
        except SettingsError as error:
            cause = error.cause.replace(str(file), f"{path} for {name}")
            raise InventoryError(re.sub(r" \(line \d+\)", "", cause), error.remedy) from error
    return text


def _one_node_each(path: Path, hosts: Iterable[Host]) -> None:
    """Two devices with one name would throw each other out at the broker."""
    taken: dict[str, str] = {}
    for host in hosts:
        found = re.search(r"^node:\n(?:  .*\n)*?  name: (\S+)$", host.settings, re.MULTILINE)
        node = found.group(1).strip("'\"") if found else "earmark" if host.settings else ""
        if node and node in taken:
            raise InventoryError(
                f"the inventory {path} gives {taken[node]} and {host.name} one node.name ({node})",
                "Give each host its own under settings.node.name.",
            )
        taken[node or f"?{host.name}"] = host.name


def _pace(branch: Branch) -> Pace:
    keys = _known(branch, "rollout", _ROLLOUT)
    values: dict[str, float] = {}
    for key in _ROLLOUT[2:]:
        if key in keys:
            text = keys[key].text(f"rollout.{key}")
            if not re.fullmatch(r"\d{1,6}(\.\d+)?", text):
                raise keys[key].fault(f"rollout.{key} must be a number of seconds")
            values[key] = float(text)
    return Pace(
        canary=keys["canary"].texts("rollout.canary") if "canary" in keys else ("1",),
        wave=check_wave(keys["wave"].text("rollout.wave")) if "wave" in keys else DEFAULT_WAVE,
        **values,
    )


def check_wave(text: str) -> str:
    """``text``, which must be a number of hosts or a percentage. Raises ``InventoryError``."""
    found = re.fullmatch(r"(\d{1,5})(%?)", text)
    if not found or not int(found[1]) or (found[2] and int(found[1]) > 100):
        raise InventoryError(f"a wave of {text!r} makes no sense", "Say a number of hosts (3) or a percentage (25%).")
    return text


def _known(branch: Branch, what: str, names: Sequence[str]) -> Mapping[str, Branch]:
    """The mapping, without unknown keys."""
    found = branch.mapping(what)
    for key, value in found.items():
        if key not in names:
            raise value.fault(f"{key} is not a key of {what}; {_nearest(key, names)}")
    return found


def _check(pattern: re.Pattern[str], text: str, branch: Branch, what: str) -> None:
    if not pattern.fullmatch(text):
        raise branch.fault(f"{text!r} will not do as {what}")


def _nearest(name: str, known: Iterable[str]) -> str:
    names = list(known)
    near = difflib.get_close_matches(name, names, n=1)
    return f"did you mean {near[0]}?" if near else f"known are: {', '.join(names) or 'none'}"
