"""The studio in a browser beside a daemon on the same state folder: who is enrolled, renamed and removed there is
named, renamed and forgotten by the daemon, at the broker and for Home Assistant (`make test-studio`).
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import pytest

pytest.importorskip("playwright", reason="needs Playwright and Chromium: make test-studio")

import numpy as np
from playwright.sync_api import Page

from tests.broker import Listener, Mosquitto, wait_for
from tests.edge.studio.browser import ADA, BEN, Studio, enrol, page, press, spoken, studio, turn_to
from tests.scenarios.household import BASE, NODE, Daemon, listening, utterances
from tests.scenarios.test_microphone_flow import said

__all__ = ["page", "spoken", "studio"]

pytestmark = [pytest.mark.broker, pytest.mark.timeout(900)]
PATIENCE_SECONDS = 120.0


class Ears:
    """A daemon that hears what is said to it, and what it tells."""

    def __init__(self, daemon: Daemon, listener: Listener) -> None:
        self._daemon, self._listener = daemon, listener

    def told(self, topic: str) -> Any:
        """What a topic says."""
        return json.loads(self._listener.last(topic) or b"{}")

    def until(self, what: str, condition: Callable[[], object]) -> None:
        wait_for(condition, f"{what}; log: {self._daemon.log.read_text()[-800:]}", PATIENCE_SECONDS)

    def hears(self, clip: str, speaker: str) -> None:
        """Say a clip; the daemon tells this name."""
        before = len(utterances(self._listener))
        stream = self._daemon.process.stdin
        assert stream is not None
        stream.write((said(clip) * 32_767).astype(np.int16).tobytes())
        stream.flush()
        self.until("it is heard", lambda: len(utterances(self._listener)) > before)
        assert [one["speaker"] for one in utterances(self._listener)[before:]] == [speaker]

    def entities(self) -> dict[str, str]:
        """Name of each person's entity in Home Assistant's discovery document -> topic of its state."""
        components = self.told(f"homeassistant/device/earmark_{NODE}/config").get("cmps", {})
        return {
            one["name"]: one["state_topic"]
            for one in components.values()
            if one.get("state_topic", "").startswith(f"{BASE}/person/")
        }


@pytest.fixture
def ears(studio: Studio, mosquitto: Mosquitto) -> Iterator[Ears]:
    with (
        listening(mosquitto.port) as listener,
        Daemon(
            studio.state, mosquitto.port, "--source", "-", stdin=subprocess.PIPE, EARMARK_MODELS__BUNDLE="accurate"
        ) as daemon,
    ):
        yield Ears(daemon, listener)


def test_what_is_done_in_the_studio_the_daemon_follows_at_once(studio: Studio, page: Page, ears: Ears) -> None:
    ears.hears("clip-1-ada.ogg", "unknown")
    enrol(page, "Ada", ADA)
    enrol(page, "Ben", BEN)
    ears.until("two entities", lambda: len(ears.entities()) == 2)
    ears.hears("clip-2-ada.ogg", "Ada")
    ears.hears("clip-3-ben.ogg", "Ben")
    adas, bens = (next(topic for name, topic in ears.entities().items() if one in name) for one in ("Ada", "Ben"))

    turn_to(page, "People")
    press(page, "Ben", "Rename")
    page.get_by_label("New name").fill("Benjamin")
    page.get_by_role("dialog").get_by_role("button", name="Rename").click()
    page.get_by_text("Ben is called Benjamin now").wait_for()
    ears.until("its entity's name", lambda: any("Benjamin" in name for name in ears.entities()))
    ears.until("its state", lambda: ears.told(bens)["speaker"] == "Benjamin")
    assert set(ears.entities().values()) == {adas, bens}, "the entity stays"
    ears.hears("clip-4-ben.ogg", "Benjamin")

    ears.hears("clip-2-ada.ogg", "Ada")
    press(page, "Ada", "Remove")
    page.get_by_role("dialog").get_by_role("button", name="Remove Ada").click()
    page.get_by_text("Ada is removed.").wait_for()
    ears.until("Benjamin's entity alone", lambda: set(ears.entities().values()) == {bens})
    ears.until("no state of Ada's", lambda: not ears.told(adas))
    ears.until("nobody was the last", lambda: ears.told(f"{BASE}/last")["speaker"] == "nobody")
    ears.hears("clip-1-ada.ogg", "unknown")
