"""The sample flow for Node-RED, really run: somebody speaks, and what the flow makes of it is read back."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.broker import wait_for
from tests.homeassistant.node_red import VERSION, NodeRed
from tests.scenarios.household import BASE, ROOT, utterances

if TYPE_CHECKING:
    from tests.homeassistant.scenes import Scenes

FLOW = ROOT / "examples" / "node-red" / "flow.json"
_ADA, _ALERT = "Ada speaks in the kitchen", "An unknown voice in the kitchen"
_SWITCH = "switch.kitchen_listening"


class Flow:
    """The step about it."""

    def __init__(self, scenes: Scenes) -> None:
        self._scenes = scenes
        self._event: dict[str, Any] = {}
        self._marks = 0

    def acts(self) -> str:
        """Every path through it, and every path that must lead to nothing."""
        red = NodeRed(self._scenes.house.root)
        red.make()
        with red:
            red.deploy(self._flow())
            red.shows("online")  # retained, as are those who were heard lately
            self._greets(red)
            self._alerts(red)
            self._closes(red)
            last = [one for one in red.shown() if isinstance(one, dict) and one["speaker"] == "Ada"][-1]
            assert last["heard"] == "ON", last
            assert not red.complaints(), red.complaints()
            return f"Node-RED {VERSION}: {_ADA}; {_ALERT}, once; the microphone is closed"

    def _flow(self) -> list[dict[str, Any]]:
        """As it is, with the one thing that a person has to set."""
        flow: list[dict[str, Any]] = json.loads(FLOW.read_text("utf-8"))
        (broker,) = (node for node in flow if node["type"] == "mqtt-broker")
        broker["port"] = str(self._scenes.broker.port)
        return flow

    def _greets(self, red: NodeRed) -> None:
        """Each event once, although it may come again."""
        heard = len(self._adas())
        self._scenes.say("clip-1-ada.ogg")
        red.shows(_ADA)
        wait_for(lambda: len(self._adas()) > heard, "the same event at our listener")
        self._event = self._adas()[-1]
        before = red.shown().count(_ADA)
        self._publish()
        self._mark(red)
        assert red.shown().count(_ADA) == before, "the same event twice"

    def _adas(self) -> list[dict[str, Any]]:
        return [event for event in utterances(self._scenes.listener) if event["speaker"] == "Ada"]

    def _alerts(self, red: NodeRed) -> None:
        """Of enough speech, and once in ten minutes."""
        self._publish(id="flow-short", event_type="unknown", speech_s=1.4)
        self._mark(red)
        assert _ALERT not in red.shown(), "too little speech"
        self._scenes.say("clip-5-stranger.ogg", "clip-6-stranger.ogg")
        red.shows(_ALERT)
        self._publish(id="flow-again", event_type="unknown", speech_s=3.0)
        self._mark(red)
        assert red.shown().count(_ALERT) == 1, "a second alert within ten minutes"

    def _closes(self, red: NodeRed) -> None:
        """The button closes the microphone, which is opened again here."""
        scenes = self._scenes
        red.press("earmark-off")
        scenes.rest.shows(_SWITCH, "off")
        wait_for(lambda: scenes.microphone.recorders() == 0, "it no longer records")
        scenes.rest.call("switch.turn_on", entity_id=_SWITCH)
        scenes.rest.shows(_SWITCH, "on")
        wait_for(lambda: scenes.microphone.recorders() == 1, "it records again")

    def _mark(self, red: NodeRed) -> None:
        """Until the flow is through with what was published before."""
        self._marks += 1
        name = f"Mark {self._marks}"
        self._publish(id=name, speaker=name)
        red.shows(f"{name} speaks in the kitchen")

    def _publish(self, **changes: Any) -> None:
        """What was heard of Ada once more, but for ``changes``."""
        self._scenes.listener.say(f"{BASE}/utterance", json.dumps(self._event | changes))
