"""Settings, state folder, people and outbox.

Takes a ``Case``; gives findings. Must hold: the databases are read and not changed; one that does not exist is not
made.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Final

from edge.bundle import known_spaces
from edge.doctor.case import Case
from edge.doctor.findings import Finding, fault
from edge.errors import EarmarkError
from edge.outbox import peek
from edge.people import PeopleStore
from edge.settings import ENVIRONMENT, bundle_dirs
from edge.vault import KEY_FILE

_NEEDED_MB: Final = 10
_ADVISED_MB: Final = 100
_PRIVATE: Final = ("people.sqlite", KEY_FILE, "repeats.sqlite", "attempts.sqlite", "outbox.sqlite")


def settings(case: Case) -> Finding:
    """Where the settings come from, and whether they can be used."""
    if case.settings is None:
        return fault("settings", case.fault) if case.fault else Finding("settings", "fail", "There are no settings.")
    variables = sorted(v for v in case.environ if v.startswith("EARMARK_") and v not in ENVIRONMENT)
    path = case.settings.path
    facts = {"file": str(path) if path else None, "environment": variables}
    laid = f", with {', '.join(variables)} over it" if variables else ""
    said = f"The settings in {path} are valid" if path else "There is no settings file, so the defaults hold"
    return Finding("settings", "ok", f"{said}{laid}.", facts=facts)


def state(case: Case) -> Finding:
    """Whether the state folder can be written, is private, and has room."""
    folder = case.folder()
    free_mb = shutil.disk_usage(folder).free / 1e6
    facts = {"folder": str(folder), "free_mb": round(free_mb)}
    if free_mb < _NEEDED_MB:
        said = f"The disk of the state folder {folder} is full: {free_mb:.0f} MB are left."
        return Finding("state", "fail", said, "Make room: sudo journalctl --vacuum-size=50M; sudo apt-get clean", facts)
    owner = folder.stat().st_uid
    if owner != os.geteuid():
        said = f"The state folder {folder} belongs to another user ({owner})."
        remedy = f"Run this as that user, or: sudo chown -R {os.geteuid()} {folder}"
        return Finding("state", "warn", said, remedy, facts)
    open_ones = [p for p in (folder, *(folder / name for name in _PRIVATE)) if _open_to_others(p)]
    if open_ones:
        said = f"Others may look into {', '.join(map(str, open_ones))}, where voiceprints are."
        return Finding("state", "warn", said, f"chmod go= {' '.join(map(str, open_ones))}", facts)
    if free_mb < _ADVISED_MB:
        said = f"The disk of the state folder {folder} is nearly full: {free_mb:.0f} MB are left."
        return Finding("state", "warn", said, "Make room: sudo journalctl --vacuum-size=50M; sudo apt-get clean", facts)
    said = f"The state folder {folder} is private, and its disk has {_size(free_mb)} to spare."
    return Finding("state", "ok", said, facts=facts)


def people(case: Case) -> Finding:
    """Who is enrolled, and whom the bundle in use knows."""
    path = case.folder() / "people.sqlite"
    nobody = Finding(
        "people",
        "warn",
        "Nobody is enrolled yet, so that every voice is unknown.",
        "earmark enroll NAME --mic",
        {"enrolled": 0, "outdated": []},
    )
    if not path.exists():
        return nobody
    with PeopleStore(path, known_spaces(bundle_dirs(case.known, case.state, case.environ))) as store:
        everybody = store.people()
        if not everybody:
            return nobody
        try:
            opened = case.bundle()
        except EarmarkError:
            # What is wrong with it, the check of the bundle says.
            said = f"{_number(len(everybody))} enrolled; whether the bundle knows them cannot be told without it."
            return Finding("people", "warn", said, "Mend the bundle first.", {"enrolled": len(everybody)})
        outdated = [person.name for person in store.others(opened.encoder, opened.space)]
    facts = {"enrolled": len(everybody), "outdated": outdated}
    if outdated:
        return Finding(
            "people",
            "warn",
            f"{_number(len(everybody))} enrolled, but with another model than {opened.name}: {', '.join(outdated)}.",
            f'Enrol again: earmark enroll "{outdated[0]}" --add CLIPS, or name the old model in models.bundle',
            facts,
        )
    names = ", ".join(person.name for person in everybody)
    return Finding("people", "ok", f"{_number(len(everybody))} enrolled: {names}.", facts=facts)


def outbox(case: Case) -> Finding:
    """How much waits for the broker."""
    path = case.folder() / "outbox.sqlite"
    if not path.exists():
        return Finding("outbox", "ok", "The outbox is empty: nothing was published yet.", facts={"pending": 0})
    counters = peek(path)
    size_mb = path.stat().st_size / 1e6
    facts = {
        "pending": counters.pending,
        "refused": counters.refused,
        "dropped": counters.dropped,
        "size_mb": round(size_mb, 1),
    }
    lost = f" {counters.dropped} events were given up for lack of room, ever." if counters.dropped else ""
    if counters.refused:
        said = f"The broker does not allow {counters.refused} messages in the outbox.{lost}"
        remedy = "Extend the access list of the broker for this user; docs/mqtt.md lists the topics."
        return Finding("outbox", "warn", said, remedy, facts)
    if counters.pending:
        said = f"{counters.pending} messages wait for the broker.{lost}"
        remedy = "`earmark run` delivers them once the broker answers; see the check of the broker."
        return Finding("outbox", "warn", said, remedy, facts)
    return Finding("outbox", "ok", f"Everything was delivered.{lost}", facts=facts)


def _open_to_others(path: Path) -> bool:
    return path.exists() and bool(path.stat().st_mode & 0o077)


def _number(people: int) -> str:
    return "1 person is" if people == 1 else f"{people} people are"


def _size(megabytes: float) -> str:
    return f"{megabytes / 1000:.0f} GB" if megabytes >= 10_000 else f"{megabytes:.0f} MB"
