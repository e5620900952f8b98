"""The key of the voiceprints where systemd gives it to the service, for whoever works on the service's people.

Takes the unit's own lines. Gives an open file in memory that holds the key. Must hold: the key is never in a file that
was not there before, on a command line, or in the environment, where there is only the number of the open file.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final

from deploy.install.faults import InstallFault
from deploy.install.layout import Layout
from deploy.install.programs import attempt, last_words

NAME: Final = "earmark-voiceprint-key"
VARIABLE: Final = "VOICEPRINT_KEY_FD"
"""As ``edge.vault.keys`` knows it."""
_LINE: Final = re.compile(r"LoadCredential(Encrypted)?=\s*([^:\s]*)(?::(.*))?")
_STORES: Final = ("/etc/credstore", "/run/credstore", "/usr/local/lib/credstore", "/usr/lib/credstore")
_MOST_BYTES: Final = 1024


def open_key(layout: Layout) -> int | None:
    """A file in memory with the key, to be passed on by its number; None where the service has none from systemd.

    Raises ``InstallFault`` where there is one that cannot be had.
    """
    found = _source(layout)
    if found is None:
        return None
    path, encrypted = found
    try:
        key = _decrypted(path) if encrypted else path.read_bytes()[:_MOST_BYTES]
    except OSError as error:
        raise InstallFault(f"The key of the voiceprints, {path}, cannot be read: {error.strerror}", "") from error
    if not key.strip():
        return None
    handle = os.memfd_create(NAME)
    os.write(handle, key)
    os.set_inheritable(handle, True)
    return handle


def _source(layout: Layout) -> tuple[Path, bool] | None:
    """The file that the unit and its drop-ins name last, if it is there, and whether it is encrypted."""
    named: tuple[str, bool] | None = None
    for unit in (layout.unit, *sorted(layout.unit.with_name(f"{layout.unit.name}.d").glob("*.conf"))):
        for line in unit.read_text("utf-8", "replace").splitlines() if unit.is_file() else ():
            if (given := _LINE.fullmatch(line.strip())) is None:
                continue
            if not given[2]:  # an empty value takes back those before
                named = None
            elif given[2] == NAME:
                named = (given[3] or NAME, bool(given[1]))
    if named is None:
        return None
    text, encrypted = named
    suffix = ".encrypted" if encrypted else ""
    places = [text] if text.startswith("/") else [f"{store}{suffix}/{text}" for store in _STORES]
    paths = (layout.at(place) for place in places)
    return next(((path, encrypted) for path in paths if path.exists()), None)


def _decrypted(path: Path) -> bytes:
    done = attempt(["systemd-creds", "decrypt", f"--name={NAME}", path, "-"], seconds=60)
    if done.returncode != 0:
        raise InstallFault(
            f"The key of the voiceprints, {path}, cannot be decrypted: {last_words(done.stderr)}",
            "It opens only on the machine (and with the TPM) that it was encrypted on.",
        )
    return done.stdout.encode()
