"""What a rollout has done so far, kept on the disk so that it can go on after anything.

Takes changes of state. Gives them back. Must hold: after a power cut the file is that of before or after a change,
never half of one; two rollouts of one inventory never run at a time.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal

from deploy.fleet.faults import RolloutError
from edge.errors import StorageError

State = Literal["waiting", "working", "done", "already", "as_before", "broken"]
"""Of a host. ``already``: it was as it should be. ``as_before``: the change failed, and it is as it was. ``broken``: it
is not known to be well."""
SETTLED: Final = frozenset({"done", "already"})
_SCHEMA: Final = 1


@dataclass(slots=True)
class Entry:
    """One host. ``why``: what stands against it, empty where nothing does. ``before``, ``after``: what it ran.
    ``faults``: what was wrong with it before it was touched.
    """

    state: State = "waiting"
    before: str = ""
    after: str = ""
    why: str = ""
    seconds: float = 0.0
    faults: tuple[str, ...] = ()


@dataclass(slots=True)
class Journal:
    """One rollout. ``order``: the arguments that began it. ``waves``: the plan."""

    path: Path
    order: Mapping[str, Any]
    waves: tuple[tuple[str, ...], ...]
    hosts: dict[str, Entry] = field(default_factory=dict)
    began: str = ""
    ended: str = ""

    @property
    def finished(self) -> bool:
        """Whether nothing is left to do."""
        return all(entry.state in SETTLED for entry in self.hosts.values())

    def note(self, name: str, **changes: Any) -> Entry:
        """Change a host's entry, on the disk too."""
        entry = self.hosts.setdefault(name, Entry())
        for key, value in changes.items():
            setattr(entry, key, value)
        self.save()
        return entry

    def save(self) -> None:
        """Write it. Raises ``StorageError``."""
        body = {
            "schema": _SCHEMA,
            "order": dict(self.order),
            "waves": [list(wave) for wave in self.waves],
            "hosts": {name: asdict(entry) for name, entry in self.hosts.items()},
            "began": self.began,
            "ended": self.ended,
        }
        fresh = self.path.with_name(f"{self.path.name}.new")
        try:
            with fresh.open("w", encoding="utf-8") as file:
                json.dump(body, file, indent=1)
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(self.path)
        except OSError as error:
            raise StorageError(
                f"the journal {self.path} cannot be written: {error.strerror}", "Name another with --journal."
            ) from error


def begin(path: Path, order: Mapping[str, Any], waves: tuple[tuple[str, ...], ...]) -> Journal:
    """A new journal with every host waiting."""
    hosts = {name: Entry() for wave in waves for name in wave}
    journal = Journal(path, order, waves, hosts, began=now())
    journal.save()
    return journal


def load(path: Path) -> Journal | None:
    """The journal at ``path``, None where there is none. Raises ``RolloutError`` for one that cannot be understood."""
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        if raw["schema"] != _SCHEMA:
            raise KeyError("schema")
        hosts = {str(name): Entry(**entry) for name, entry in raw["hosts"].items()}
        waves = tuple(tuple(str(name) for name in wave) for wave in raw["waves"])
        if {name for wave in waves for name in wave} != set(hosts):
            raise KeyError("waves")
        return Journal(path, dict(raw["order"]), waves, hosts, str(raw["began"]), str(raw["ended"]))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RolloutError(
            f"the journal {path} cannot be understood",
            "Remove it, and begin again: hosts that are done are left alone.",
        ) from error


def usual_place(inventory: Path) -> Path:
    """Where the journal of an inventory is kept: in the state folder of whoever rolls out."""
    base = os.environ.get("XDG_STATE_HOME", "")
    folder = Path(base) if base.startswith("/") else Path.home() / ".local" / "state"
    mark = hashlib.sha256(str(inventory.resolve()).encode()).hexdigest()[:12]
    return folder / "earmark-fleet" / f"{inventory.stem}-{mark}.json"


@contextlib.contextmanager
def alone(path: Path) -> Iterator[None]:
    """Hold the journal's lock. Raises ``RolloutError`` where another rollout does."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = path.with_name(f"{path.name}.lock").open("w")
    except OSError as error:
        raise StorageError(
            f"the journal {path} cannot be made: {error.strerror}", "Name another with --journal."
        ) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise RolloutError("another rollout of this inventory is under way", "Wait for it to end.") from None
        yield


def now() -> str:
    """UTC, to the second."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
