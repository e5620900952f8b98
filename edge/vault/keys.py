"""The device's key: found, made at first use, replaced.

Takes the state folder and systemd's credentials; gives ``Key``. Must hold: the key file is the owner's only from the
moment it exists, and is whole or absent; two processes that make it at once get the same; while it is replaced there is
at every moment a file with the key that the database needs; a key is never printed.

Where it is looked for: the credential ``earmark-voiceprint-key`` (``LoadCredential=`` or ``LoadCredentialEncrypted=``),
which a command that works on the service's people gets as an open file; then ``voiceprint.key`` in the state folder.
Either holds 64 hexadecimal digits.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
import stat
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from edge.errors import StorageError, VaultError
from edge.whole_file import sync

CREDENTIAL: Final = "earmark-voiceprint-key"
CREDENTIAL_FD: Final = "VOICEPRINT_KEY_FD"
"""Names an open file with the same (``deploy.install.service_key``). Not ``EARMARK_``: an earlier version refuses
variables of that name that it does not know."""
KEY_FILE: Final = "voiceprint.key"
_NEXT: Final = f"{KEY_FILE}.next"
_FORM: Final = re.compile(rb"\s*([0-9a-fA-F]{64})\s*")
_MOST_BYTES: Final = 1024
_RESTORE: Final = "Restore it from the backup that the database came from, or move the database away and enrol again."
_WITH_SERVICE: Final = f"If systemd gives it to the service, type `sudo earmark`, which has it too. {_RESTORE}"


@dataclass(frozen=True, slots=True)
class Key:
    """32 secret bytes. ``path``: where they came from. ``ours``: whether Earmark made the file and may replace it."""

    secret: bytes = field(repr=False)
    path: Path
    ours: bool

    @property
    def ident(self) -> str:
        """16 hexadecimal digits by which the key is known again; they tell nothing of it."""
        return hmac.digest(self.secret, b"earmark key ident 1", hashlib.sha256)[:8].hex()


def credential(environ: Mapping[str, str] | None = None) -> Path | None:
    """The file of the credential, None where systemd has given none (or an empty one)."""
    variables = os.environ if environ is None else environ
    folder, number = variables.get("CREDENTIALS_DIRECTORY", ""), variables.get(CREDENTIAL_FD, "")
    places = [Path(folder) / CREDENTIAL] if folder else []
    places += [Path("/proc/self/fd") / number] if number.isdecimal() else []
    for path in places:
        with suppress(OSError):
            if path.is_file() and path.read_bytes()[:_MOST_BYTES].strip():
                return path
    return None


def current(folder: Path, environ: Mapping[str, str] | None = None) -> Key:
    """The key for a new database: the credential, or the file in ``folder``, which is made where it is missing.

    Raises ``VaultError`` for a file that holds no key, ``StorageError`` where it cannot be read or made.
    """
    given = credential(environ)
    if given is not None:
        return _read(given, ours=False)
    path = folder / KEY_FILE
    if not os.path.lexists(path):
        _make(path)
    return _read(path, ours=True)


def known(folder: Path, ident: str, environ: Mapping[str, str] | None = None) -> Key:
    """The key with this ident. Raises ``VaultError`` where none of the places has it, as ``current`` otherwise."""
    try:
        return _known(folder, ident, environ)
    except (StorageError, VaultError):
        # Between two looks the successor may have taken the key's place; a second time it finds it there.
        return _known(folder, ident, environ)


def _known(folder: Path, ident: str, environ: Mapping[str, str] | None) -> Key:
    given = credential(environ)
    places = [(given, False)] if given is not None else []
    places += [(folder / name, True) for name in (KEY_FILE, _NEXT)]
    there = [(path, ours) for path, ours in places if os.path.lexists(path)]
    fault: VaultError | None = None
    for path, ours in there:
        try:
            key = _read(path, ours=ours)
        except VaultError as error:
            fault = error
            continue
        if hmac.compare_digest(key.ident, ident):
            return key
    if fault is not None:
        raise fault
    if not there:
        raise VaultError(f"the key of the voiceprints, {folder / KEY_FILE}, is missing", _WITH_SERVICE)
    path, ours = there[0]
    remedy = _WITH_SERVICE if given is None else _RESTORE
    named = str(path) if ours else f"the credential {CREDENTIAL}"
    raise VaultError(f"the voiceprints in {folder} were encrypted with another key than {named}", remedy)


def successor(folder: Path) -> Key:
    """A fresh key beside the one in force, for a database that is about to change to it; then ``settle``.

    By whoever has the database locked. Raises ``StorageError``.
    """
    path = folder / _NEXT
    with _in_words(path):
        path.unlink(missing_ok=True)
    _make(path)
    return _read(path, ours=True)


def settle(folder: Path, ident: str) -> None:
    """Put the successor in the place of the key where the database (whose key is ``ident``) has changed to it, or drop
    it where it has not; the key that goes is overwritten. By whoever has the database locked. Raises ``StorageError``.
    """
    following, path = folder / _NEXT, folder / KEY_FILE
    if not os.path.lexists(following):
        return
    with _in_words(following):
        try:
            fits = hmac.compare_digest(_read(following, ours=True).ident, ident)
        except VaultError:
            fits = False
        if not fits:
            following.unlink()
            return
        old = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC) if os.path.lexists(path) else None
        try:
            following.replace(path)
            sync(folder)
            if old is not None:
                os.pwrite(old, bytes(os.fstat(old).st_size), 0)
                os.fsync(old)
        finally:
            if old is not None:
                os.close(old)


def _make(path: Path) -> None:
    """A file with a fresh key, whole or not at all; one that another process has made meanwhile is left alone."""
    part = path.with_name(f"{path.name}.{secrets.token_hex(4)}.part")
    with _in_words(path):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with os.fdopen(handle, "wb") as file:
                file.write(secrets.token_hex(32).encode() + b"\n")
                file.flush()
                os.fsync(file.fileno())
            with suppress(FileExistsError):
                os.link(part, path)  # unlike a renaming, this never replaces a key that is there
        finally:
            part.unlink(missing_ok=True)
        sync(path.parent)


def _read(path: Path, *, ours: bool) -> Key:
    with _in_words(path):
        no_link = os.O_NOFOLLOW if ours else 0  # an open file is reached by a link
        handle = os.open(path, os.O_RDONLY | no_link | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(handle, "rb") as file:
            status = os.fstat(handle)
            if not stat.S_ISREG(status.st_mode):
                raise VaultError(f"the key of the voiceprints, {path}, is no plain file", _RESTORE)
            if ours and status.st_mode & 0o077 and status.st_uid == os.geteuid():
                os.fchmod(handle, 0o600)
            data = file.read(_MOST_BYTES)
    found = _FORM.fullmatch(data)
    if found is None:
        raise VaultError(f"{path} holds no key: 64 hexadecimal digits are needed", _RESTORE)
    return Key(bytes.fromhex(found[1].decode("ascii")), path, ours)


class _in_words:
    """Turn the system's errors into ours."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OSError):
            reason = error.strerror or type(error).__name__
            raise StorageError(
                f"the key of the voiceprints, {self._path}, cannot be read or written: {reason}",
                "Check that the disk is not full and that this user owns the file and may write its folder.",
            ) from error
