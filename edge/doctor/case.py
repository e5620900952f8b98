"""What is examined, and what several checks need.

Takes settings (or why there are none), and where to look. Must hold: a bundle is opened once, however many checks want
it; nothing is opened before a check asks.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from edge.bundle import Bundle, open_bundle
from edge.clock import SystemClock
from edge.errors import EarmarkError, SettingsError
from edge.records import Clock
from edge.settings import Settings, bundle_dirs, state_dir


@dataclass(slots=True)
class Case:
    """One examination.

    ``settings``: as all other commands see them; None where they cannot be used, and ``fault`` says why. ``state``:
    ``--state``. ``listen_seconds``: how long ``level`` listens. ``root``: where the system's files are looked for.
    """

    settings: Settings | None
    fault: SettingsError | None = None
    state: Path | None = None
    listen_seconds: float = 3.0
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    clock: Clock = field(default_factory=SystemClock)
    root: Path = Path("/")
    _bundle: Bundle | EarmarkError | None = None

    @property
    def known(self) -> Settings:
        """The settings. Raises ``SettingsError`` where there are none."""
        if self.settings is None:
            raise self.fault or SettingsError("the settings cannot be used")
        return self.settings

    def bundle(self) -> Bundle:
        """The bundle of the settings, without packs, which are a check of their own. Raises ``BundleError`` or
        ``RuntimeMissingError``.
        """
        if self._bundle is None:
            settings = self.known
            try:
                directories = bundle_dirs(settings, self.state, self.environ)
                models = replace(settings.models, packs=())
                self._bundle = open_bundle(settings.models.bundle, models, directories=directories)
            except EarmarkError as error:
                self._bundle = error
        if isinstance(self._bundle, EarmarkError):
            raise self._bundle
        return self._bundle

    def folder(self) -> Path:
        """The state folder, made where it does not exist, as by every command. Raises ``StorageError``."""
        return state_dir(self.known, self.state, self.environ)
