"""The encryption of voiceprints: whether it is in force, and who could read the key.

Takes a ``Case``; gives a finding. Must hold: nothing is changed, and no file is made.
"""

from __future__ import annotations

import os

from edge.doctor.case import Case
from edge.doctor.findings import Finding
from edge.people import PeopleStore
from edge.vault import KEY_FILE


def vault(case: Case) -> Finding:
    """Whether voiceprints are encrypted, and where the key is."""
    folder = case.folder()
    if not (folder / "people.sqlite").exists():
        return Finding("vault", "ok", "No voiceprint is stored yet; the key is made with the first.", facts={})
    path = folder / KEY_FILE
    exposed = os.path.lexists(path) and bool(path.lstat().st_mode & 0o077)  # before opening closes it
    with PeopleStore(folder) as store:
        if not store.encrypted:
            said = "The voiceprints are not encrypted: they were stored by an earlier version."
            return Finding("vault", "warn", said, "earmark people protect", {"encrypted": False})
        key = store.key
    facts = {"encrypted": True, "key": "file" if key.ours else "credential", "path": str(key.path), "exposed": exposed}
    if exposed and key.ours:
        said = f"Others could read the key of the voiceprints, {path}; it is closed now, but they may have copied it."
        return Finding("vault", "warn", said, "earmark people revoke", facts)
    where = f"with the key in {key.path}" if key.ours else "with a key that systemd keeps as a credential"
    return Finding("vault", "ok", f"The voiceprints are encrypted, {where}.", facts=facts)
