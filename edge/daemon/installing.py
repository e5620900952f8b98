"""The installation of a newer bundle: by ``earmark bundle install`` in a process of its own, over the reload.

Takes an ``Offer``. Gives whether one is under way, and what became of those before. Must hold: one at a time; what is
not brought to its end, by a crash of the new bundle or a power cut, is taken back before the daemon listens again; what
failed once is known after a restart, too.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, Literal

from edge.bundle import fingerprint, read_card
from edge.bundle.arrivals import Offer
from edge.bundle.locate import SUFFIX
from edge.bundle.shelf import Shelf
from edge.errors import EarmarkError
from edge.whole_file import replace_whole

_LOG = logging.getLogger(__name__)
_COMMAND: Final = (sys.executable, "-m", "edge.cli", "bundle", "install")
_STOP_SECONDS: Final = 5.0
_MOST_FAILED: Final = 32

Why = Literal["refused", "taken_back"]
"""Why a bundle was not installed: it cannot be used here; or it was in use, and the daemon not well with it."""


class Installer:
    """``folder``: the state folder; ``reload``: has the daemon open its bundle again. It belongs to the process: a
    station ends while its successor is being tried.
    """

    def __init__(self, folder: Path, reload: Callable[[], None] = lambda: None) -> None:
        self._folder = folder
        self._reload = reload
        self._path = folder / "updates.json"
        self._thread: threading.Thread | None = None
        self._child: subprocess.Popen[bytes] | None = None
        self._stopping = False

    @property
    def running(self) -> bool:
        """Whether one is being installed."""
        return self._thread is not None and self._thread.is_alive()

    @property
    def failed(self) -> Mapping[str, Why]:
        """Stamp of an offer -> why it was not installed."""
        found = self._read().get("failed")
        known = found.items() if isinstance(found, dict) else ()
        return {str(stamp): why for stamp, why in known if why in ("refused", "taken_back")}

    def begin(self, offer: Offer, config: Path | None) -> None:
        """Install ``offer`` and return at once. ``config``: the file that the settings came from."""
        if self.running or self._stopping:
            return
        trying = {"name": offer.card.name, "fingerprint": fingerprint(offer.card.raw), "stamp": offer.stamp}
        try:
            self._write({"trying": trying, "failed": dict(self.failed)})
        except OSError as error:  # without it nothing would lead back after a crash
            _LOG.error("%s is not installed, since nothing can be noted in the state folder: %s", offer.model, error)
            return
        _LOG.info("installing %s", offer.model)
        self._thread = threading.Thread(target=self._carry_out, args=(offer, config), name="update", daemon=True)
        self._thread.start()

    def recover(self) -> None:
        """Before anything listens: take back what an earlier run did not bring to its end."""
        trying = self._read().get("trying")
        match trying:
            case {"name": str(name), "fingerprint": str(wanted), "stamp": str(stamp)}:
                self._end(stamp, "taken_back" if self._take_back(name, wanted) else None)

    def stop(self) -> None:
        """End what runs; it is taken back at the next start."""
        self._stopping = True
        if self._child is not None:
            with contextlib.suppress(ProcessLookupError):
                self._child.terminate()
        if self._thread is not None:
            self._thread.join(_STOP_SECONDS)

    def _take_back(self, name: str, wanted: str) -> bool:
        """Let ``name`` mean the former bundle where it means ``wanted``; whether it did."""
        shelf = self._folder / "bundles"
        used = shelf / f"{name}{SUFFIX}"
        try:
            if not used.exists() or fingerprint(read_card(used).raw) != wanted:
                return False
            Shelf(shelf).back(name)
        except (EarmarkError, OSError) as error:
            why = error.sentence() if isinstance(error, EarmarkError) else error.strerror
            _LOG.warning("an update that was cut off cannot be taken back: %s", why)
            return False
        _LOG.error("an update of %s was cut off while it was being tried, and is taken back", name)
        return True

    def _carry_out(self, offer: Offer, config: Path | None) -> None:
        why, told = self._install(offer, config)
        if self._stopping and why is not None:  # it was cut off, and what it has done is taken back at the next start
            return
        if why is None:
            _LOG.info("installed %s", offer.model)
        else:
            _LOG.error("%s was not installed: %s", offer.model, told)
            if self._take_back(offer.card.name, fingerprint(offer.card.raw)):  # what was killed could not
                why = "taken_back"
                self._reload()
        self._end(offer.stamp, why)

    def _install(self, offer: Offer, config: Path | None) -> tuple[Why | None, str]:
        """Why it failed, None where it did not, and what was said about that."""
        words = [*_COMMAND, str(offer.path), "--json", "--state", str(self._folder)]
        words += [] if config is None else ["--config", str(config)]
        try:
            # Of its own, since a child that is ended leaves its copy there.
            with tempfile.TemporaryDirectory(prefix="earmark-update-", ignore_cleanup_errors=True) as place:
                self._child = subprocess.Popen(
                    words,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    env=os.environ | {"TMPDIR": place},
                )
                if self._stopping:
                    self._child.terminate()
                said, _ = self._child.communicate()
        except OSError as error:
            return "refused", str(error)
        if self._child.returncode == 0:
            return None, ""
        match _object(said).get("error"):
            case {"code": str(code), "message": str(cause)}:
                return "taken_back" if code == "rolled_back" else "refused", cause
        return "refused", f"`earmark bundle install` ended with {self._child.returncode}"

    def _end(self, stamp: str, why: Why | None) -> None:
        """Nothing is being tried any more."""
        failed = {one: reason for one, reason in self.failed.items() if one != stamp}
        kept = list(failed.items())[-_MOST_FAILED + 1 :] + ([] if why is None else [(stamp, why)])
        try:
            self._write({"failed": dict(kept)})
        except OSError as error:
            _LOG.warning("what became of the update cannot be noted: %s", error)
            with contextlib.suppress(OSError):
                self._path.unlink(missing_ok=True)  # a note that it is being tried would take it back

    def _write(self, record: Mapping[str, Any]) -> None:
        replace_whole(self._path, json.dumps(record).encode())

    def _read(self) -> dict[str, Any]:
        try:
            return _object(self._path.read_bytes())
        except OSError:
            return {}


def _object(data: bytes) -> dict[str, Any]:
    with contextlib.suppress(ValueError, RecursionError):
        made = json.loads(data)
        if isinstance(made, dict):
            return made
    return {}
