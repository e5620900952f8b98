"""Two nodes of one house: Home Assistant shows where each person was last heard, whichever node says it."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

from edge.mqtt import Topics
from edge.mqtt.house import HouseTopics
from edge.people import PeopleStore
from edge.records import Message
from tests.scenarios.household import Daemon

if TYPE_CHECKING:
    from tests.homeassistant.scenes import Scenes

HOUSE = HouseTopics()
ADA, BEN = "sensor.house_ears_ada_room", "sensor.house_ears_ben_room"
_LIST = {"EARMARK_HOMEASSISTANT__HOUSE": "kitchen,hall"}


class Neighbours:
    """The step about them."""

    def __init__(self, scenes: Scenes) -> None:
        self._scenes = scenes
        self._rest = scenes.rest

    def hear(self) -> str:
        """Ada in the hall, then in the kitchen; what comes late changes nothing; a node leaves, and then the house."""
        scenes, rest = self._scenes, self._rest
        ada, ben = self._ids()
        hall = self._in_hall("clip-1-ada.ogg")
        rest.shows(ADA, "unavailable")  # since nobody of the house is there
        scenes.hear(**_LIST)
        rest.shows(ADA, "Hall")
        early = json.loads(hall)
        assert self._told(ADA) == {key: early[key] for key in ("ts", "node", "speaker_id")}
        scenes.say("clip-2-ada.ogg")
        rest.shows(ADA, "kitchen")
        newer = self._told(ADA)
        assert newer["node"] == "kitchen" and newer["ts"] > early["ts"]

        self._say(ada, hall)
        self._say(ben, json.dumps(early | {"speaker_id": ben}).encode())
        rest.shows(BEN, "Hall")  # said after the late one, so that is in, too
        assert (rest.value(ADA), self._told(ADA)) == ("kitchen", newer)

        self._say(ada, json.dumps(early | {"ts": "2101-01-01T00:00:00.000Z"}).encode())
        rest.shows(ADA, "Hall")
        self._say(ada, json.dumps(early | newer | {"room": "kitchen"}).encode())
        rest.shows(ADA, "kitchen")  # a clock that is ahead does not silence the others
        assert self._told(ADA) == newer

        scenes.hear()
        rest.shows(ADA, "unknown")  # what the kitchen has said is cleared, and the house stays
        for gone in (HOUSE.discovery, Topics(node="hall").discovery):
            scenes.publish(Message(gone, b"", 1, True, "state"))
        rest.until("the house goes", lambda: not {u for u in scenes.entities() if u.startswith("earmark_house_")})
        return f"Hall, then kitchen; what came late changed nothing; {scenes.complete()}"

    def _ids(self) -> tuple[str, str]:
        with PeopleStore(self._scenes.state) as store:
            return store.find("Ada").id, store.find("Ben").id

    def _in_hall(self, clip: str) -> bytes:
        """Let a daemon in the hall hear a clip; gives what it told the house."""
        scenes = self._scenes
        scenes.end()
        state = scenes.state.parent / "hall" / "state"
        shutil.copytree(scenes.state, state, ignore=shutil.ignore_patterns("outbox*", "*.sock", "*.lock"))
        room = {"EARMARK_NODE__NAME": "hall", "EARMARK_NODE__ROOM": "Hall"}
        topic = HOUSE.person(self._ids()[0])
        with Daemon(state, scenes.broker.port, "--source", str(scenes.wav(clip)), "--fast", **room, **_LIST) as daemon:
            assert daemon.finish() == 0
        return scenes.listener.wait(topic)

    def _say(self, person: str, payload: bytes) -> None:
        self._scenes.publish(Message(HOUSE.person(person), payload, 1, True, "event"))

    def _told(self, entity: str) -> dict[str, Any]:
        return {key: self._rest.attribute(entity, key) for key in ("ts", "node", "speaker_id")}
