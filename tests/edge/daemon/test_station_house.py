"""A composed device in a house of several: what it leaves there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edge.clock import SystemClock
from edge.daemon.station import Station
from edge.mqtt import Publisher
from edge.outbox import Outbox
from edge.people import PeopleStore
from edge.settings import HomeAssistant, Node, Settings
from tests.edge.daemon.test_station import bundle, cleared, enrol, settings, states, through
from tests.edge.test_events import decision, result

__all__ = ["bundle", "settings"]
HOUSE = "homeassistant/device/earmark_house/config"


def test_whoever_is_heard_while_they_are_being_removed_is_not_left_in_the_house(
    settings: Settings, bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the listening thread says between two steps of the main thread would stay there for good."""
    ids = enrol(tmp_path, bundle, "Ada")
    home = replace(settings, homeassistant=HomeAssistant(house=("kitchen",)))
    station = Station(home, tmp_path, SystemClock(), realtime=False)
    station.start()
    announce = station._discovery.announce

    def hear_ada() -> None:
        ada = decision("identified")
        assert ada.best is not None
        station._announcer.result(result(replace(ada, best=replace(ada.best, person_id=ids["Ada"]))), 1.0)

    def announce_and_hear(*words: Any) -> None:
        announce(*words)
        hear_ada()

    hear_ada()
    monkeypatch.setattr(station._discovery, "announce", announce_and_hear)
    with PeopleStore(tmp_path) as store:
        store.remove("Ada")
    station.refresh_people()
    station.stop(5)
    with Outbox(tmp_path / "outbox.sqlite") as outbox:
        said = [bool(m.payload) for _, m in outbox.pending(1000) if m.topic == f"earmark/house/person/{ids['Ada']}"]
    # The first may have been dropped from the outbox already; what comes last is what stands in the house.
    assert said in ([True, False], [False])


def test_a_node_that_has_left_the_house_does_not_greet_the_broker_with_its_old_document(
    settings: Settings, bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which the others may have replaced, and would not say again before they are restarted."""
    enrol(tmp_path, bundle, "Ada")
    through(replace(settings, homeassistant=HomeAssistant(house=("kitchen", "hall"))), tmp_path)
    assert HOUSE in states(tmp_path)
    greeting: list[bool] = []
    monkeypatch.setattr(Publisher, "start", lambda _: greeting.append(HOUSE in states(tmp_path)))
    through(settings, tmp_path)
    assert greeting == [False]


def test_a_device_that_is_called_house_is_not_taken_for_one(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its own document lies where a house's would: taken away at each start, it would take names and areas along."""
    alone = replace(settings, node=Node(name="house"))
    greeting: list[bool] = []
    monkeypatch.setattr(Publisher, "start", lambda _: greeting.append(HOUSE in states(tmp_path)))
    through(alone, tmp_path)
    through(alone, tmp_path)
    assert greeting == [False, True]
    assert HOUSE in states(tmp_path)
    through(settings, tmp_path)
    assert HOUSE in cleared(tmp_path), "a name that the device has given up"
