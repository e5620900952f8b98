"""Secrets: read from a file or a systemd credential, and never shown.

Takes: the name in ``mqtt.password_file``. Gives: a ``Secret``; where a secret lies; who else can read it.
Must hold: neither ``repr``, ``str``, formatting nor any error message shows the value.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from edge.errors import SettingsError
from edge.settings.network import Mqtt

_LARGEST_SECRET_BYTES: Final = 4096


class Secret:
    """A text that does not show itself; ``reveal`` gives it to the library that needs it."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself."""
        return self._text

    def __repr__(self) -> str:
        return "Secret(hidden)"

    def __reduce__(self) -> tuple[type, tuple[str]]:
        raise TypeError("a Secret is never serialised")


def mqtt_password(mqtt: Mqtt, environ: Mapping[str, str] = os.environ) -> Secret | None:
    """The broker's password, or None where ``password_file`` is empty.

    Raises ``SettingsError`` for a file that is missing, unreadable, empty or no text.
    """
    if not mqtt.password_file:
        return None
    path = credential_path(mqtt.password_file, environ)
    try:
        with path.open("rb") as file:
            raw = file.read(_LARGEST_SECRET_BYTES + 1)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise SettingsError(
            f"mqtt.password_file {path} cannot be read: {reason}",
            "Name a file that holds the password, readable by the user that Earmark runs as, or a systemd credential.",
        ) from error
    if len(raw) > _LARGEST_SECRET_BYTES:
        raise SettingsError(
            f"mqtt.password_file {path} is too long to hold a password", "Put only the password into it."
        )
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        # `from None`: the decoding error carries the bytes.
        raise SettingsError(f"mqtt.password_file {path} is not UTF-8 text", "Write the password as text.") from None
    lines = text.splitlines()
    if not lines or not lines[0]:
        raise SettingsError(f"mqtt.password_file {path} is empty", "Write the password on its first line.")
    return Secret(lines[0])


def credential_path(name: str, environ: Mapping[str, str] = os.environ) -> Path:
    """Where a secret lies that the settings name.

    A name without a slash is a systemd credential where there is one of that name (``$CREDENTIALS_DIRECTORY``), else,
    like everything with a slash, a file.
    """
    credentials = environ.get("CREDENTIALS_DIRECTORY", "")
    if credentials and "/" not in name:
        candidate = Path(credentials) / name
        if candidate.exists():
            return candidate
    return Path(name).expanduser()


def readable_by_all(name: str, environ: Mapping[str, str] = os.environ) -> bool:
    """Whether every user of this machine can read the secret that the settings name."""
    path = credential_path(name, environ)
    try:
        return bool(path.stat().st_mode & stat.S_IROTH)
    except OSError:
        return False
