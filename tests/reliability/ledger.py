"""What has been decided, as the driver of the chaos knows it, and what of it has arrived.

An event is *decided* when the daemon has committed it to its outbox, which it does before it does anything else with
it: between the end of the decision and the commit lie the making of a JSON text and one fsync. Two witnesses:

- the daemon's log: its line ``utterance`` with the event's id is written after the commit, and the pipe that it goes
  through outlives the process;
- the outbox itself, copied file by file right after SIGKILL, before anybody opens it.

Whatever either of them names must arrive. Must hold: nothing is taken off the ledger.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
import threading
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.reliability.device import BASE


@dataclass(slots=True)
class Autopsy:
    """Of one killed daemon: ids in its outbox, oldest first, and what SQLite says about the files."""

    waiting: list[str]
    verdicts: dict[str, str]


@dataclass(slots=True)
class Ledger:
    """``order``: ids as decided. ``unlogged``: committed, but killed before the line in the log."""

    order: list[str] = field(default_factory=list)
    unlogged: int = 0
    _known: set[str] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def line(self, line: dict[str, Any]) -> None:
        """A line of the daemon's log."""
        if line.get("message") == "utterance":
            self._add(line["id"])

    def found(self, waiting: list[str]) -> None:
        """What a killed daemon left in its outbox."""
        with self._lock:
            new = [one for one in waiting if one not in self._known]
        self.unlogged += len(new)
        for one in new:
            self._add(one)

    def __len__(self) -> int:
        return len(self.order)

    def _add(self, ident: str) -> None:
        with self._lock:
            if ident not in self._known:
                self._known.add(ident)
                self.order.append(ident)


def open_up(state: Path, scratch: Path) -> Autopsy:
    """Copy the databases of a daemon that does not run, with their logs, and look at the copies."""
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    waiting: list[str] = []
    verdicts: dict[str, str] = {}
    for path in sorted(state.glob("*.sqlite*")):
        if not path.name.endswith("-shm"):
            shutil.copy(path, scratch / path.name)
    for path in sorted(scratch.glob("*.sqlite")):
        with closing(sqlite3.connect(path)) as db:
            try:
                verdicts[path.name] = "; ".join(row[0] for row in db.execute("PRAGMA integrity_check"))
                if path.name == "outbox.sqlite" and db.execute("PRAGMA user_version").fetchone()[0]:
                    rows = db.execute("SELECT payload FROM messages WHERE kind = 'event' ORDER BY id").fetchall()
                    waiting = [json.loads(payload)["id"] for (payload,) in rows]
            except sqlite3.DatabaseError as error:
                verdicts[path.name] = str(error)
    return Autopsy(waiting, verdicts)


def first_arrivals(payloads: list[bytes]) -> list[dict[str, Any]]:
    """Events as a reader has them that drops ids it has seen."""
    found: dict[str, dict[str, Any]] = {}
    for event in map(json.loads, payloads):
        found.setdefault(event["id"], event)
    return list(found.values())


def in_order(arrived: list[str], decided: list[str]) -> bool:
    """Whether events arrived in the order in which they were decided."""
    place = {ident: number for number, ident in enumerate(decided)}
    places = [place[one] for one in arrived if one in place]
    return places == sorted(places)


def expected_states(events: list[dict[str, Any]], people: dict[str, str]) -> dict[str, dict[str, Any]]:
    """Topic -> keys that its retained state must have after these events; ``people``: id -> name."""
    states: dict[str, dict[str, Any]] = {f"{BASE}/last": {"event_type": "none", "speaker": "nobody"}}
    states |= {f"{BASE}/person/{one}/state": {"heard": "OFF", "speaker": name} for one, name in people.items()}
    for event in events:
        if event["event_type"] in {"identified", "unknown"}:
            keys = ("event_type", "id", "ts", "speaker_id", "speaker", "score", "probability", "duration_s")
            states[f"{BASE}/last"] = {key: event[key] for key in keys if key in event}
        if event["event_type"] == "identified":
            topic = f"{BASE}/person/{event['speaker_id']}/state"
            told = {key: event[key] for key in ("speaker", "score", "probability")}
            states[topic] = {"heard": "ON", "last_heard": event["ts"], **told}
    return states
