"""Find the configuration file, read it, lay the environment over it, and check everything.

Takes: an optional path and an environment. Gives: ``Settings``.
Must hold: every problem of file and environment is reported in one ``SettingsError``, each naming its key and, where
there is one, the nearest known name; nothing that may be a secret is repeated in a message.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from edge.errors import SettingsError
from edge.settings.document import Entry, read_document
from edge.settings.keys import Key
from edge.settings.sections import SECTIONS, Settings, describe
from edge.settings.values import convert, disagreements

SYSTEM_CONFIG: Final = Path("/etc/earmark/earmark.yaml")
PREFIX: Final = "EARMARK_"

ENVIRONMENT: Final[dict[str, str]] = {
    "EARMARK_CONFIG": "Path of the configuration file; `--config` wins over it.",
    "EARMARK_STATE": "State folder; `--state` wins over it.",
    "EARMARK_BUNDLES": "Folders, with `:` between, in which bundles are looked for by name.",
    "EARMARK_SPEECH": "Folder with speech for the tests that need real recordings.",
    "EARMARK_TRIALS": "Folder with trial lists for the tests that need them.",
    "EARMARK_CAMPP_CHECKPOINT": "Weights of CAM++ for the tests that compare with it.",
    "EARMARK_CAMPP_ORACLE": "What CAM++ gave elsewhere, for the same tests.",
}
"""Variables that are no settings, and what each is for. Any other ``EARMARK_`` variable must be
``EARMARK_SECTION__KEY``."""

_SECRET_NAMES: Final = frozenset({"password", "passwd", "pass", "pwd", "secret", "token"})


def find_config(path: Path | None = None, environ: Mapping[str, str] = os.environ) -> Path | None:
    """The configuration file that ``load`` would read, or None where there is none.

    A path given, by argument or by ``$EARMARK_CONFIG``, is taken whether it exists or not.
    """
    named = str(path) if path is not None else environ.get("EARMARK_CONFIG", "")
    if named:
        return Path(os.path.expanduser(named))  # noqa: PTH111 - Path.expanduser raises for an unknown user
    base = environ.get("XDG_CONFIG_HOME", "")
    if not base or not Path(base).is_absolute():
        base = str(Path(environ.get("HOME") or os.path.expanduser("~")) / ".config")  # noqa: PTH111
    for candidate in (SYSTEM_CONFIG, Path(base) / "earmark" / "earmark.yaml"):
        # Existing but unreadable is an error later on, not a reason to go on with other settings.
        if os.path.lexists(candidate):
            return candidate
    return None


def load(path: Path | None = None, environ: Mapping[str, str] = os.environ) -> Settings:
    """Read the settings; without a file these are the defaults with the environment on top.

    Raises ``SettingsError`` that names every faulty key at once.
    """
    file = find_config(path, environ)
    problems: list[str] = []
    entries: dict[tuple[str, str], Entry] = {}
    if file is not None:
        found, faults = read_document(file)
        problems += faults
        for entry in found:
            _place(entry, entries, problems)
    for entry in _environment(environ, problems):
        _place(entry, entries, problems)
    values: dict[str, dict[str, Any]] = {section: {} for section in SECTIONS}
    faulty: set[str] = set()
    for (section, name), entry in entries.items():
        key = _keys(section)[name]
        value, problem = convert(key, entry)
        if problem:
            problems.append(f"{entry.where(section, name)} {problem}")
            faulty.add(f"{section}.{name}")
        elif entry.kind != "null":  # a key left empty keeps its default
            values[section][name] = value
    settings = Settings(**{name: kind(**values[name]) for name, kind in SECTIONS.items()}, path=file)
    problems += disagreements(settings, faulty)
    if problems:
        raise _error(problems, file)
    return settings


def _error(problems: list[str], file: Path | None) -> SettingsError:
    where = f"{file}" if file is not None else "the environment"
    remedy = "docs/settings.md lists every key; `earmark doctor` checks the file again."
    if len(problems) == 1:
        return SettingsError(f"the settings in {where} cannot be used: {problems[0]}", remedy)
    listed = "".join(f"\n  - {problem}" for problem in problems)
    return SettingsError(f"the settings in {where} have {len(problems)} errors:{listed}\n", remedy)


def _place(entry: Entry, entries: dict[tuple[str, str], Entry], problems: list[str]) -> None:
    """Put an entry where it belongs, or say that there is no such key."""
    section, name = entry.section, entry.name
    if section in SECTIONS and name in _keys(section):
        entries[section, name] = entry  # the environment comes second and wins
    elif section in SECTIONS and not name:
        if entry.kind != "null":
            problems.append(f"{entry.where(section, '')} must be a section with keys below it")
    elif section in SECTIONS or not name or entry.variable:  # the keys of an unknown section are not worth a line each
        problems.append(_unknown(entry))


def _unknown(entry: Entry) -> str:
    where = entry.where(entry.section, entry.name)
    if entry.name.lower() in _SECRET_NAMES:
        return f"{where} is not a setting; write the password into a file and name that file in mqtt.password_file"
    nearest = _nearest(entry)
    if nearest:
        return f"{where} is not a setting; did you mean {nearest}?"
    if entry.section in SECTIONS:
        return f"{where} is not a setting; {entry.section} has {', '.join(_keys(entry.section))}"
    return f"{where} is not a setting; the sections are {', '.join(SECTIONS)}"


def _nearest(entry: Entry) -> str:
    """The known name that was most likely meant, in the form in which it would be written there; empty where none is
    near.
    """
    if entry.variable and not entry.name:
        known = [*ENVIRONMENT, *(f"{PREFIX}{s}__{k}".upper() for s in SECTIONS for k in _keys(s))]
        return _closest(entry.variable, known)
    found = ""
    if entry.section in SECTIONS:
        name = _closest(entry.name, _keys(entry.section))
        found = f"{entry.section}.{name}" if name else ""
    elif section := _closest(entry.section, SECTIONS):
        name = entry.name and _closest(entry.name, _keys(section))
        found = f"{section}.{name}" if name else section
    if not found:
        # The right key in the wrong section, or at the top level.
        leaf = entry.name or entry.section
        owners = [section for section in SECTIONS if leaf in _keys(section)]
        if owners:
            found = f"{owners[0]}.{leaf}"
        else:
            full = [f"{section}.{key}" for section in SECTIONS for key in _keys(section)]
            found = _closest(f"{entry.section}.{entry.name}".strip("."), full)
    if entry.variable and "." in found:
        return PREFIX + found.upper().replace(".", "__")
    return found


def _closest(name: str, known: Iterable[str]) -> str:
    matches = difflib.get_close_matches(name, list(known), n=1)
    return matches[0] if matches else ""


def _environment(environ: Mapping[str, str], problems: list[str]) -> list[Entry]:
    entries = []
    for variable in sorted(environ):
        if not variable.startswith(PREFIX) or variable in ENVIRONMENT:
            continue
        section, separator, name = variable.removeprefix(PREFIX).lower().partition("__")
        entry = Entry(section, name, environ[variable], "environment", variable=variable)
        if separator and name and variable == variable.upper():
            entries.append(entry)
        else:
            bare = Entry(variable, "", "", "environment", variable=variable)
            problems.append(_unknown(bare))
    return entries


_KEYS: Final[dict[str, dict[str, Key]]] = {
    section: {key.name: key for key in describe(kind)} for section, kind in SECTIONS.items()
}


def _keys(section: str) -> dict[str, Key]:
    return _KEYS[section]
