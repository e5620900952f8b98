"""Verification told to Home Assistant, and people removed from there: the samples of the documents act on both."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

from edge.auth.attempt import Gate
from edge.auth.lockout import FAILURES_IN_A_ROW
from edge.errors import EXIT_LOCKED, EXIT_NO, EXIT_OK, EXIT_SPOOF
from edge.people import PeopleStore
from edge.settings import Settings
from tests.homeassistant.samples import Samples
from tests.scenarios.household import BASE, ROOT

if TYPE_CHECKING:
    from tests.homeassistant.scenes import Scenes

EVENT = "event.kitchen_auth"


class Asking:
    """The steps about it."""

    def __init__(self, scenes: Scenes, samples: Samples) -> None:
        self._scenes = scenes
        self._samples = samples
        self._rest = scenes.rest

    def verified(self) -> str:
        """Ada, the same recording again, and somebody else, which is one failure too many."""
        self._samples.need()
        assert self._verify("clip-1-ada.ogg") == EXIT_OK
        self._tells("verified")
        assert self._verify("clip-1-ada.ogg") == EXIT_SPOOF
        self._tells("spoof_suspected")
        self._rest.until("the sample tells it", lambda: "spoof_suspected" in self._note("verification"))
        with PeopleStore(self._scenes.state) as store, Gate(self._scenes.state, Settings()) as gate:
            ada = store.find("Ada").id
            while gate.failures(ada) < FAILURES_IN_A_ROW - 1:
                with gate.begin(ada, requester="cli"):
                    pass
        assert self._verify("clip-4-ben.ogg") == EXIT_NO
        self._tells("locked_out")
        self._rest.until("the sample tells it", lambda: "locked_out" in self._note("verification"))
        assert self._verify("") == EXIT_LOCKED
        told = [json.loads(payload) for payload in self._scenes.listener.payloads(f"{BASE}/auth")]
        kinds = [event["event_type"] for event in told]
        assert kinds == ["verified", "spoof_suspected", "failed", "locked_out"], kinds
        return f"{', '.join(kinds)} for {told[-1]['retry_s']} s"

    def removed(self) -> str:
        """By the script of the documents, which tells the answer; everybody but Ada."""
        self._samples.need()
        self._rest.call("script.remove_voice", person="Nobody")
        self._rest.until("the error is told", lambda: "Nobody of that name or id" in self._note("removal"))
        with PeopleStore(self._scenes.state) as store:
            others = {person.id: person.name for person in store.people() if person.name != "Ada"}
        assert others
        for ident, name in others.items():
            assert f"earmark_kitchen_{ident}" in self._scenes.entities()
            self._rest.call("script.remove_voice", person=ident)
            entity = f"earmark_kitchen_{ident}"
            self._rest.until(f"{name}'s entity goes", lambda e=entity: e not in self._scenes.entities())
            self._rest.until("the answer is told", lambda: self._note("removal").startswith("Removed."))
        return f"{', '.join(others.values())} removed; {self._scenes.complete()}"

    def _tells(self, kind: str) -> None:
        self._rest.until(kind, lambda: self._rest.attribute(EVENT, "event_type") == kind)
        assert self._rest.attribute(EVENT, "person") == "Ada"

    def _note(self, name: str) -> str:
        found = self._scenes.house.websocket("persistent_notification/get")
        return next((str(one["message"]) for one in found if one["notification_id"] == name), "")

    def _verify(self, clip: str) -> int:
        """Ask the daemon for Ada's voice, and let it hear this once it listens."""
        words = [sys.executable, "-m", "edge.cli", "verify", "Ada", "--timeout", "15"]
        process = subprocess.Popen(
            [*words, "--state", str(self._scenes.state)],
            cwd=ROOT, env=os.environ, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert process.stderr is not None
        told = process.stderr.readline()
        if clip:
            assert "the daemon holds the microphone and listens" in told.lower(), told
            self._scenes.say(clip)
        process.stderr.read()
        return process.wait(60)
