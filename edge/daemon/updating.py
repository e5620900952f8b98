"""The model as something that can be updated: what is offered, and its installation when that is asked for over MQTT.

Takes the bundle in use and the folder ``updates`` of the state folder. Gives ``UpdateState``s. Must hold: without
``mqtt.updates`` no folder is made, nothing told and nothing installed; nothing is installed but what lies in that
folder; no path of this machine is told; what failed is not offered again until its file changes.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from edge.bundle import Bundle, keys
from edge.bundle.arrivals import Arrivals, Offer
from edge.daemon.commands import Handlers
from edge.daemon.installing import Installer, Why
from edge.events import UpdateState
from edge.mqtt import Topics
from edge.mqtt.topics import UPDATE_INSTALL
from edge.settings import Settings

_LOG = logging.getLogger(__name__)
FOLDER: Final = "updates"
_LOOK_SECONDS: Final = 5.0
_LONGEST_VERSION: Final = 60
_LONGEST_SUMMARY: Final = 250
"""Home Assistant's limit is 255 letters."""
_OTHER_VOICEPRINTS: Final = "People may be named less often with it until they enrol again. "
_WORDS: Final[dict[Why, str]] = {
    "refused": "Version {} cannot be used here; the device's log says why.",
    "taken_back": "Version {} was tried and taken back, since the device was not well with it; its log says more.",
}


class Updater:
    """``tick`` is for one thread, ``handlers`` for any."""

    def __init__(
        self,
        settings: Settings,
        folder: Path,
        bundle: Bundle,
        installer: Installer,
        topics: Topics,
        *,
        publish: Callable[..., None],
    ) -> None:
        self.on = settings.mqtt.enabled and settings.mqtt.updates
        """Whether anything can be installed over MQTT."""
        self._settings = settings
        self._folder = folder / FOLDER
        self._bundle = bundle
        self._installer = installer
        self._topics = topics
        self._publish = publish
        self._arrivals = Arrivals(self._folder, settings.models.trusted_keys)
        self._due = float("-inf")
        self._unmade = ""  # why the folder could not be made
        self._offers: list[Offer] = []
        self._failed: dict[str, Why] = {}
        self._wanted = False
        self._was_running = False
        self._told: UpdateState | None = None

    @property
    def handlers(self) -> Handlers:
        """What can be asked."""
        return {UPDATE_INSTALL: self.install} if self.on else {}

    def install(self, _payload: str = "") -> None:
        """Install what is offered, at the next tick."""
        self._wanted = True

    def tick(self) -> None:
        """Look into the folder now and then, begin what was asked for, and tell what has changed."""
        if not self.on:
            return
        running = self._installer.running
        if time.monotonic() >= self._due or self._wanted or running != self._was_running:
            self._look()
        self._was_running = running
        if self._wanted:
            self._wanted = False
            self._begin()
        state = self._state()
        if state != self._told:
            self._told = state
            self._publish(self._topics.message("update", state.to_json()))

    def _look(self) -> None:
        self._due = time.monotonic() + _LOOK_SECONDS
        told, self._unmade = self._unmade, ""
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            self._unmade = str(error)
        if self._unmade not in ("", told):  # once, and not at each look
            _LOG.warning("the folder for updates cannot be made: %s", self._unmade)
        # One that is opened by its path stays the one at that path.
        named = self._settings.models.bundle == self._bundle.name
        self._offers = self._arrivals.offers(self._bundle) if named else []
        self._failed = dict(self._installer.failed)

    def _begin(self) -> None:
        offer = self._offer()
        if offer is None:
            _LOG.warning("ignored a command to update: there is no newer bundle")
        elif self._installer.running:
            _LOG.warning("ignored a command to update: one is being installed")
        else:
            self._installer.begin(offer, self._settings.path)

    def _offer(self) -> Offer | None:
        return next((one for one in self._offers if one.stamp not in self._failed), None)

    def _state(self) -> UpdateState:
        installed = keys.shown(str(self._bundle.card["version"]), _LONGEST_VERSION)
        offer = self._offer()
        failed = next((one for one in self._offers if one.stamp in self._failed), None)
        reason, summary, latest = None, None, installed
        if offer is not None:
            latest = keys.shown(offer.version, _LONGEST_VERSION)
            # First, since it is what somebody has to know before they let it be installed.
            warning = "" if offer.card.encoder == self._bundle.encoder else _OTHER_VOICEPRINTS
            summary = keys.shown(warning + keys.text(offer.card.raw, "summary"), _LONGEST_SUMMARY)
        elif failed is not None:
            reason = self._failed[failed.stamp]
            summary = _WORDS[reason].format(keys.shown(failed.version, _LONGEST_VERSION))
        return UpdateState(
            installed_version=installed,
            latest_version=latest,
            title=f"Earmark model {self._bundle.name}",
            in_progress=self._installer.running,
            release_summary=summary,
            reason=reason,
        )
