"""The machine: Python, processor, clock, and who starts the service.

Takes a ``Case``; gives findings. Must hold: reads the system's files only; starts no program.
"""

from __future__ import annotations

import platform
import re
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from edge.doctor.case import Case
from edge.doctor.findings import Finding

OLDEST_PYTHON: Final = (3, 11)
_DOT_PRODUCT: Final = ("avx512_vnni", "avx_vnni", "amx_int8", "asimddp", "i8mm")
"""Instructions that multiply and add int8 in one step, as Linux names them on x86 and on 64-bit arm."""
_EARLIEST: Final = datetime(2025, 1, 1, tzinfo=UTC).timestamp()
"""Before this, no Earmark existed: a clock that says so was never set."""
_UNITS: Final = ("etc/systemd/system", "run/systemd/system", "usr/local/lib/systemd/system", "usr/lib/systemd/system")
_SERVICE_STATE: Final = "var/lib/earmark"


def python(case: Case) -> Finding:
    """Whether this Python is new enough."""
    return judge_python((sys.version_info[0], sys.version_info[1]), platform.python_version(), sys.maxsize > 2**32)


def judge_python(version: tuple[int, int], full: str, wide: bool) -> Finding:
    """``wide``: whether it is a 64-bit one."""
    facts = {"version": full, "bits": 64 if wide else 32}
    if version < OLDEST_PYTHON:
        return Finding(
            "python",
            "fail",
            f"Python {full} is too old: Earmark needs 3.11.",
            "Use Raspberry Pi OS 12 (bookworm) or newer, whose Python is new enough.",
            facts,
        )
    if not wide:
        return Finding(
            "python",
            "warn",
            f"Python {full} is a 32-bit program: it works where its runtime does, and is slower.",
            "Use the 64-bit Raspberry Pi OS.",
            facts,
        )
    return Finding("python", "ok", f"Python {full}, 64 bit.", facts=facts)


def processor(case: Case) -> Finding:
    """Whether the processor has an instruction that makes int8 networks fast. Nothing can be mended here."""
    text = _read(case.root / "proc/cpuinfo")
    named = re.search(r"^(?:model name|Model)\s*:\s*(.+)$", text, re.MULTILINE)
    listed = re.search(r"^(?:flags|Features)\s*:\s*(.+)$", text, re.MULTILINE)
    name = named.group(1).strip() if named else platform.processor() or platform.machine()
    present = set(listed.group(1).split()) if listed else set()
    found = [flag for flag in _DOT_PRODUCT if flag in present]
    facts = {"processor": name, "architecture": platform.machine(), "dot_product": found if listed else None}
    if not listed:
        said = f"{name}; which int8 instructions it has is not known."
    elif found:
        said = f"{name}, with int8 dot products ({', '.join(found)})."
    else:
        said = f"{name}; it has no int8 dot product, so that int8 is hardly faster than float (`earmark bench`)."
    return Finding("processor", "ok", said, facts=facts)


def clock(case: Case) -> Finding:
    """Whether the clock can be right: events and TLS need it, and a Pi has no battery for one."""
    now = case.clock.now()
    told = datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    remedy = "Let the network set it: sudo timedatectl set-ntp true"
    if now < _EARLIEST:
        return Finding("clock", "fail", f"The clock says {told}, which cannot be.", remedy, {"now": told})
    folder = case.root / "run/systemd/timesync"
    if folder.is_dir() and not (folder / "synchronized").exists():
        return Finding(
            "clock",
            "warn",
            f"The clock says {told}, but the network has not set it since the start.",
            remedy,
            {"now": told, "synchronized": False},
        )
    return Finding("clock", "ok", f"The clock says {told}.", facts={"now": told})


def service(case: Case) -> Finding:
    """Whether systemd can run Earmark, and whether it looks at the same people as this command."""
    if not (case.root / "run/systemd/system").is_dir():
        return Finding(
            "service",
            "warn",
            "systemd does not run here, so that nothing starts Earmark with the machine.",
            "Start `earmark run` by whatever starts programs here.",
            {"systemd": False},
        )
    unit = next((p for p in (case.root / u / "earmark.service" for u in _UNITS) if p.exists()), None)
    facts = {"systemd": True, "unit": str(unit) if unit else None}
    if unit is None:
        return Finding(
            "service",
            "ok",
            "systemd runs here; Earmark is not installed as a service.",
            "To have it started with the machine: earmark deploy unit | sudo tee /etc/systemd/system/earmark.service",
            facts,
        )
    theirs = case.root / _SERVICE_STATE
    ours = case.folder()
    if ours.resolve() != theirs.resolve() and "StateDirectory=earmark" in _read(unit):
        return Finding(
            "service",
            "warn",
            f"The service keeps its people in {theirs}, and this command looks into {ours}.",
            f"Enrol people for the service with --state {theirs}",
            facts | {"service_state": str(theirs)},
        )
    return Finding("service", "ok", f"systemd runs here, and starts Earmark by {unit}.", facts=facts)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
