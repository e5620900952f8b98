"""Settings, state folder, people and outbox.

Takes a ``Case``; gives findings. Must hold: the databases are read and not changed; one that does not exist is not
made.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from edge.bundle import Bundle, installed_bundles, known_spaces, read_card
from edge.doctor.case import Case
from edge.doctor.findings import Finding, fault
from edge.errors import BundleError, EarmarkError
from edge.outbox import peek
from edge.people import PeopleStore
from edge.records import Person
from edge.settings import ENVIRONMENT, Settings, bundle_dirs
from edge.vault import KEY_FILE

_NEEDED_MB: Final = 10
_ADVISED_MB: Final = 100
_GONE: Final = "another model of its space"
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
    directories = bundle_dirs(case.known, case.state, case.environ)
    with PeopleStore(path, known_spaces(directories)) as store:
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
        elsewhere = _learnt_elsewhere(opened, store.people(opened.encoder, opened.space), directories)
    facts = {"enrolled": len(everybody), "outdated": outdated, "learnt_with": elsewhere}
    if outdated:
        return Finding(
            "people",
            "warn",
            f"{_number(len(everybody))} enrolled, but with another model than {opened.name}: {', '.join(outdated)}.",
            f'Enrol again: earmark enroll "{outdated[0]}" --add CLIPS, or name the old model in models.bundle',
            facts,
        )
    if elsewhere:
        return _foreign(case.known, len(everybody), elsewhere, facts)
    names = ", ".join(person.name for person in everybody)
    return Finding("people", "ok", f"{_number(len(everybody))} enrolled: {names}.", facts=facts)


def _learnt_elsewhere(opened: Bundle, people: Sequence[Person], directories: Sequence[Path]) -> dict[str, list[str]]:
    """Name of each person with clips that another bundle of the space embedded -> its name, or what stands for one
    that is not installed any more.
    """
    names: dict[str, str] = {}
    for name, path in installed_bundles(directories).items():
        with suppress(BundleError):
            names.setdefault(read_card(path).encoder, name)
    made = {person.name: {clip.encoder for clip in person.exemplars} - {opened.encoder} for person in people}
    return {who: sorted({names.get(one, _GONE) for one in encoders}) for who, encoders in made.items() if encoders}


def _foreign(
    settings: Settings, enrolled: int, elsewhere: Mapping[str, list[str]], facts: Mapping[str, Any]
) -> Finding:
    """They can be compared; but a bundle's thresholds fit the voiceprints that it makes itself."""
    listens = settings.models.bundle
    learnt = sorted({bundle for bundles in elsewhere.values() for bundle in bundles})
    first, *others = elsewhere
    whose = f"{first} and {len(others)} more" if len(others) > 1 else " and ".join(elsewhere)
    apart = "Leave enrolment.bundle empty, and: " if settings.enrolment.bundle not in ("", listens) else ""
    return Finding(
        "people",
        "warn",
        f"{_number(enrolled)} enrolled, but {whose} with {' and '.join(learnt)} while {listens} listens, whose "
        "thresholds fit its own voiceprints: such people are named much less often.",
        f'{apart}earmark people remove "{first}"; earmark enroll "{first}" --mic --bundle {listens}',
        facts,
    )


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
