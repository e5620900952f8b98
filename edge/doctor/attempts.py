"""The record of attempts and its log: whether they can be trusted, and who has to wait.

Takes a ``Case``; gives a finding. Must hold: where nobody has tried yet, no file is made.
"""

from __future__ import annotations

from edge.auth import audit, files
from edge.auth.clock import BootClock
from edge.auth.gate import Counter
from edge.doctor.case import Case
from edge.doctor.findings import Finding


def attempts(case: Case) -> Finding:
    """A damaged record refuses everybody, and a log that was changed is worth a warning."""
    folder = case.folder()
    if not files.logs(folder) and not (folder / files.RECORD).exists():
        facts = {"entries": 0, "sound": True, "pin": False}
        return Finding("attempts", "ok", "Nobody has tried to be recognised with `earmark verify` yet.", facts=facts)
    report = audit.check(folder)
    counter = Counter(folder, BootClock())
    try:
        has_pin = counter.has_pin
    finally:
        counter.close()
    facts = {"entries": report.entries, "sound": not report.faults, "pin": has_pin}
    if report.faults:
        said = f"The log of attempts is not as it was written: {report.faults[0].sentence()}"
        return Finding("attempts", "warn", said, "earmark audit --verify", facts)
    said = f"The log of attempts is as it was written, with {report.entries} entries"
    if not has_pin:
        said += "; no PIN is set, so that only waiting ends a lock-out"
        return Finding("attempts", "ok", f"{said} (`earmark unlock --set-pin`).", facts=facts)
    return Finding("attempts", "ok", f"{said}; a PIN is set.", facts=facts)
