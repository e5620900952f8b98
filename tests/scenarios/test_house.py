"""Two nodes of one house at one broker: where each person was last heard, whichever node heard them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from edge.events import schema
from edge.people import PeopleStore
from tests.broker import Mosquitto, retained, wait_for
from tests.scenarios.household import PLAY, Daemon, listening, utterances

pytestmark = pytest.mark.broker
HOUSE = "homeassistant/device/earmark_house/config"
ADA, BEN = (str(actor.clips[0]) for actor in PLAY.actors)


@pytest.fixture
def homes(enrolled: Path, tmp_path: Path) -> dict[str, Path]:
    """Two nodes with the same people, as after `earmark people export` and `import`."""
    return {node: Path(shutil.copytree(enrolled, tmp_path / node / "state")) for node in ("kitchen", "hall")}


def node(homes: dict[str, Path], name: str, port: int, clip: str, house: str = "kitchen,hall", **more: str) -> Daemon:
    """The daemon ``name``, which hears ``clip`` and ends."""
    return Daemon(
        homes[name], port, "--source", clip, "--fast",
        EARMARK_NODE__NAME=name, EARMARK_NODE__ROOM=name.capitalize(), EARMARK_HOMEASSISTANT__HOUSE=house, **more,
    )  # fmt: skip


def hears(*arguments: object) -> None:
    """Until it is through."""
    with node(*arguments) as daemon:
        assert daemon.finish() == 0


def test_the_house_knows_where_each_person_was_heard_last_whichever_node_heard_them(
    homes: dict[str, Path], mosquitto: Mosquitto
) -> None:
    """What was heard while a node was cut off comes later, once: not at each connection, over what is newer."""
    port = mosquitto.port
    with PeopleStore(homes["kitchen"]) as store:
        ada, ben = (store.find(name).id for name in ("Ada", "Ben"))
    topic = f"earmark/house/person/{ada}"
    with listening(port) as listener, node(homes, "kitchen", port, ADA), node(homes, "hall", port, ADA):
        wait_for(lambda: len({json.loads(p)["node"] for p in listener.payloads(topic)}) == 2, "both have heard Ada")
        wait_for(lambda: len(listener.payloads(HOUSE)) >= 2, "both have told of the house")
        documents = set(listener.payloads(HOUSE))
        events = [e for name in homes for e in utterances(listener, f"earmark/{name}/utterance")]
        seen = [json.loads(payload) for payload in listener.payloads(topic)]
    assert len(documents) == 1, "whichever node says it"
    document = json.loads(documents.pop())
    assert set(document["cmps"]) == {f"p_{ada}", f"p_{ben}"}
    assert [one["t"] for one in document["avty"]] == ["earmark/hall/availability", "earmark/kitchen/availability"]
    for one in seen:
        Draft202012Validator(schema("house")).validate(one)
        assert one["room"] == one["node"].capitalize()
        assert (one["node"], one["ts"]) in {(e["node"], e["ts"]) for e in events if e["speaker_id"] == ada}

    mosquitto.kill()
    hears(homes, "kitchen", port, ADA)
    mosquitto.start()
    hears(homes, "hall", port, ADA)
    newest = json.loads(retained(port)[topic])
    assert newest["node"] == "hall"
    heard = []
    for _ in range(2):
        with listening(port) as listener:
            hears(homes, "kitchen", port, BEN)
            listener.say("test/end", b"")
            listener.wait("test/end")
            heard.append([json.loads(m.payload) for m in listener.heard if m.topic == topic and not m.retain])
    late, again = heard
    assert late and all(one["node"] == "kitchen" and one["ts"] < newest["ts"] for one in late)
    assert again == []
