"""Gender and emotion on a composed device: told, announced, kept nowhere, and gone when they are switched off."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest

from edge.clock import SystemClock
from edge.daemon.station import Station
from edge.demo.stage import ASSETS
from edge.errors import BundleError
from edge.events import schema
from edge.mqtt import Command
from edge.outbox import Outbox
from edge.settings import Audio, Models, Mqtt, Node, Privacy, Settings
from tests.broker import HOST, free_port, wait_for
from tests.edge import small_bundles
from tests.edge.cli import voice_bundle
from tests.edge.made_labels import make_pack

DISCOVERY = "homeassistant/device/earmark_kitchen/config"
BOTH = Privacy(gender=True, emotion=True, labels_acknowledged=True)


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A device in the kitchen whose broker is away, which listens to a recording with a made-up pack."""
    folder = tmp_path_factory.mktemp("labels")
    bundle = voice_bundle.make(folder / "voices")
    pack = make_pack(folder / "made-up", bundle, 38, loudness=30.0)
    return Settings(
        node=Node(name="kitchen"),
        audio=Audio(source=str(ASSETS / "clip-1-ada.ogg")),
        models=Models(bundle=str(bundle), packs=(str(pack),)),
        mqtt=Mqtt(host=HOST, port=free_port()),
        privacy=BOTH,
    )


def through(settings: Settings, folder: Path, *chosen: str) -> dict[str, list[bytes]]:
    """Run a station to the end of its recording; gives topic -> payloads that wait for the broker. ``chosen``: what
    comes by MQTT before it begins, as ``name=value``.
    """
    station = Station(settings, folder, SystemClock(), realtime=False)
    for name, _, value in (one.partition("=") for one in chosen):
        station._command(Command("set", name, value.encode()))
    station.start()
    wait_for(lambda: station.ended, "the recording is through")
    station.stop(5)
    waiting: dict[str, list[bytes]] = {}
    with Outbox(folder / "outbox.sqlite") as outbox:
        for _, message in outbox.pending(1000):
            waiting.setdefault(message.topic, []).append(message.payload)
    return waiting


def test_what_is_switched_on_is_told_and_announced(told, tmp_path) -> None:
    waiting = through(told, tmp_path)
    cmps = json.loads(waiting[DISCOVERY][-1])["cmps"]
    events = [json.loads(payload) for payload in waiting["earmark/kitchen/utterance"]]
    assert events
    for event in events:
        jsonschema.validate(event, schema("utterance"))
        for kind in ("gender", "emotion"):
            assert event[kind] in cmps[kind]["options"], "Home Assistant drops any other state"
            assert 0 < event[f"{kind}_p"] <= 1
    info = json.loads(waiting["earmark/kitchen/info"][-1])
    jsonschema.validate(info, schema("info"))
    assert (info["analyses"], info["packs"]) == (["gender", "emotion"], ["made-up-1.2"])


def test_no_state_says_how_anybody_sounded(told, tmp_path) -> None:
    """Only the event does, and the broker does not keep it."""
    through(told, tmp_path)
    with Outbox(tmp_path / "outbox.sqlite") as outbox:
        kept = {m.topic: m.payload for _, m in outbox.states() if m.topic not in {DISCOVERY, "earmark/kitchen/info"}}
    assert kept
    for payload in kept.values():
        assert not any(word in payload for word in (b"gender", b"emotion", b"happy", b"neutral"))


def test_switched_off_again_the_entities_go(told, tmp_path) -> None:
    through(told, tmp_path)
    waiting = through(replace(told, privacy=Privacy(gender=True, labels_acknowledged=True)), tmp_path)
    *_, reduced, last = (json.loads(payload)["cmps"] for payload in waiting[DISCOVERY])
    assert reduced["emotion"] == {"p": "sensor"}, "which makes Home Assistant remove the entity"
    assert "emotion" not in last
    assert "gender" in last
    event = json.loads(waiting["earmark/kitchen/utterance"][-1])
    assert "gender" in event
    assert "emotion" not in event


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"privacy": replace(BOTH, labels_acknowledged=False)},
         ["gender and emotion are switched on and not yet acknowledged", "privacy.labels_acknowledged: true"]),
        ({"models": "bare"},
         ["gender is switched on (privacy.gender), but neither the bundle voices nor a pack", "(privacy.emotion)"]),
        ({"privacy": Privacy()}, []),
    ],
)  # fmt: skip
def test_what_is_not_told_is_said_at_the_start(told, tmp_path, caplog, change, words) -> None:
    """And the device goes on telling who speaks."""
    if "models" in change:
        change = {"models": replace(told.models, packs=())}
    with caplog.at_level(logging.WARNING):
        waiting = through(replace(told, **change), tmp_path)
    said = [record.getMessage() for record in caplog.records if "privacy." in record.getMessage()]
    assert [word for word in words if not any(word in one for one in said)] == []
    assert bool(said) == bool(words)
    event = json.loads(waiting["earmark/kitchen/utterance"][-1])
    assert not {"gender", "gender_p", "emotion", "emotion_p"} & set(event)
    assert not {"gender", "emotion"} & set(json.loads(waiting[DISCOVERY][-1])["cmps"])
    assert "analyses" not in json.loads(waiting["earmark/kitchen/info"][-1])


SWITCHES = {
    "gender": "earmark/kitchen/cfg/analyse_gender/state",
    "emotion": "earmark/kitchen/cfg/analyse_emotion/state",
}


def switchable(told: Settings, **privacy: bool) -> Settings:
    """The household has acknowledged it, and switches it from afar."""
    acknowledged = Privacy(labels_acknowledged=True, **privacy)
    return replace(told, mqtt=replace(told.mqtt, commands=True), privacy=acknowledged)


def labels_of(waiting: dict[str, list[bytes]]) -> set[str]:
    events = [json.loads(payload) for payload in waiting["earmark/kitchen/utterance"]]
    assert events
    return {kind for event in events for kind in SWITCHES if kind in event}


def test_what_is_switched_on_over_mqtt_is_told_and_kept_for_the_next_start(told, tmp_path) -> None:
    waiting = through(switchable(told), tmp_path)
    assert labels_of(waiting) == set()
    assert {waiting[topic][-1] for topic in SWITCHES.values()} == {b"OFF"}
    assert {*SWITCHES, "analyse_gender", "analyse_emotion"} <= set(json.loads(waiting[DISCOVERY][-1])["cmps"])
    Path(tmp_path / "outbox.sqlite").unlink()
    waiting = through(switchable(told), tmp_path, "analyse_emotion=ON")
    assert labels_of(waiting) == {"emotion"}
    assert waiting[SWITCHES["emotion"]][-1] == b"ON"
    assert json.loads(waiting["earmark/kitchen/info"][-1])["analyses"] == ["emotion"]
    Path(tmp_path / "outbox.sqlite").unlink()
    assert labels_of(through(switchable(told), tmp_path)) == {"emotion"}
    Path(tmp_path / "outbox.sqlite").unlink()
    waiting = through(switchable(told), tmp_path, "analyse_emotion=OFF")
    assert labels_of(waiting) == set()
    assert "analyses" not in json.loads(waiting["earmark/kitchen/info"][-1])


def test_what_is_switched_off_over_mqtt_is_told_no_more(told, tmp_path) -> None:
    waiting = through(switchable(told, gender=True, emotion=True), tmp_path, "analyse_gender=off")
    assert labels_of(waiting) == {"emotion"}
    assert (waiting[SWITCHES["gender"]][-1], waiting[SWITCHES["emotion"]][-1]) == (b"OFF", b"ON")


def test_what_is_switched_takes_effect_while_the_device_listens(told, tmp_path) -> None:
    endless = replace(switchable(told), audio=Audio(source=str(ASSETS / "stream.ogg")))
    station = Station(endless, tmp_path, SystemClock(), realtime=True)
    station.start()
    try:
        for value, kinds in ((b"ON", ("gender",)), (b"OFF", ())):
            station._command(Command("set", "analyse_gender", value))
            wait_for(lambda kinds=kinds: station._pipeline.analyses.kinds == kinds, "the pipeline has taken it up")
    finally:
        station.stop(5)


@pytest.mark.parametrize("why", ["not acknowledged", "nothing can tell it", "no commands"])
def test_nothing_can_be_switched_that_may_not_or_cannot_be_told(told, tmp_path, why) -> None:
    """And what was switched on before that holds no longer."""
    assert labels_of(through(switchable(told), tmp_path, "analyse_emotion=ON")) == {"emotion"}
    changed = switchable(told)
    if why == "not acknowledged":
        changed = replace(changed, privacy=Privacy())
    elif why == "nothing can tell it":
        changed = replace(changed, models=replace(told.models, packs=()))
    else:
        changed = replace(changed, mqtt=told.mqtt)
    waiting = through(changed, tmp_path, "analyse_emotion=ON", "analyse_gender=ON")
    events = waiting["earmark/kitchen/utterance"]
    assert not {"gender", "emotion"} & set(json.loads(events[-1]))
    left = json.loads(waiting[DISCOVERY][-1])["cmps"]
    assert not {*SWITCHES, "analyse_gender", "analyse_emotion"} & set(left)
    with Outbox(tmp_path / "outbox.sqlite") as outbox:
        assert not any(message.payload and message.topic in SWITCHES.values() for _, message in outbox.states())


def test_a_pack_of_another_encoder_prevents_the_start(told, tmp_path) -> None:
    other = small_bundles.make(tmp_path / "small")
    pack = make_pack(tmp_path / "alien", other, 24)
    with pytest.raises(BundleError, match="does not fit the bundle voices"):
        Station(replace(told, models=replace(told.models, packs=(str(pack),))), tmp_path, SystemClock(), realtime=False)
