"""Where state and bundles lie.

Takes: settings, ``--state``, the environment. Gives: folders.
Must hold: the state folder is made with mode 0700; nobody else's folder has its mode changed; one that cannot be
written is a ``StorageError`` with a sentence.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from edge.errors import StorageError
from edge.settings.sections import Settings

ASSISTANT_FOLDER: Final = "assistant"
"""Below the state folder: lock and outbox of `earmark wyoming`."""
_OURS: Final = frozenset({"people.sqlite", "outbox.sqlite"})


def state_dir(
    settings: Settings | None = None,
    override: str | Path | None = None,
    environ: Mapping[str, str] = os.environ,
) -> Path:
    """The state folder, made with mode 0700 where it does not exist.

    In order: ``override`` (``--state``), ``$EARMARK_STATE``, ``state.dir``, ``$STATE_DIRECTORY`` (systemd),
    ``$XDG_STATE_HOME/earmark``, ``~/.local/state/earmark``. Raises ``StorageError`` where it cannot be made or written.
    """
    path = _choose_state(settings or Settings(), override, environ)
    remedy = "Name a folder that this user may write, with --state or $EARMARK_STATE."
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        _tighten(path)
    except FileExistsError as error:
        raise StorageError(f"the state folder {path} is a file", remedy) from error
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise StorageError(f"the state folder {path} cannot be made: {reason}", remedy) from error
    if not os.access(path, os.W_OK | os.X_OK):
        raise StorageError(f"the state folder {path} cannot be written", remedy)
    return path


def bundle_dirs(
    settings: Settings | None = None,
    override: str | Path | None = None,
    environ: Mapping[str, str] = os.environ,
) -> tuple[Path, ...]:
    """Folders in which bundles are looked for by name besides those that came with the package, first match wins:
    ``$EARMARK_BUNDLES`` (several with ``:`` between), then ``bundles`` in the state folder. None of them is made.
    """
    listed = [_expand(part) for part in environ.get("EARMARK_BUNDLES", "").split(os.pathsep) if part]
    return (*listed, _choose_state(settings or Settings(), override, environ) / "bundles")


def state_place(
    settings: Settings | None = None,
    override: str | Path | None = None,
    environ: Mapping[str, str] = os.environ,
) -> Path:
    """Where ``state_dir`` would be, neither made nor looked at: for those who only ask the daemon there."""
    return _choose_state(settings or Settings(), override, environ)


def _choose_state(settings: Settings, override: str | Path | None, environ: Mapping[str, str]) -> Path:
    # systemd may list several folders; the first is ours.
    systemd = environ.get("STATE_DIRECTORY", "").split(":")[0]
    for candidate in (override, environ.get("EARMARK_STATE"), settings.state.dir, systemd):
        if candidate:
            return _expand(candidate)
    base = environ.get("XDG_STATE_HOME", "")
    # The XDG specification says that a relative value is to be ignored.
    if base and Path(base).is_absolute():
        return Path(base) / "earmark"
    return _expand(environ.get("HOME") or "~") / ".local" / "state" / "earmark"


def _expand(path: str | Path) -> Path:
    # Not Path.expanduser, which raises where the user (systemd's dynamic ones, say) has no home.
    return Path(os.path.expanduser(path)).absolute()  # noqa: PTH111


def _tighten(path: Path) -> None:
    """Take group and others out of an existing folder, but only where it is clearly ours: empty, or with our
    databases.
    """
    status = path.stat()
    if not status.st_mode & 0o077 or status.st_uid != os.geteuid() or status.st_mode & stat.S_ISVTX:
        return
    entries = {entry.name for entry in path.iterdir()}
    if not entries or entries & _OURS:
        path.chmod(0o700)
