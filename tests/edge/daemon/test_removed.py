"""Somebody who was removed at an awkward moment: the device knows them no more, and tells nothing of them."""

from __future__ import annotations

from typing import Any

import pytest

from edge.people import PeopleStore
from edge.pipeline import Pipeline
from tests.broker import wait_for
from tests.edge.daemon.room import SILENCE, Room, Stage


def test_whoever_is_removed_while_listening_is_switched_on_is_not_recognised(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command comes in one thread, and the removal is noticed in another."""
    station = room.station
    station._set_listening(False)
    room.stage = Stage()

    def build(*arguments: Any, **more: Any) -> Pipeline:
        made = Pipeline(*arguments, **more)
        with PeopleStore(room.folder) as store:
            store.remove("Ada")
        station.refresh_people()
        return made

    monkeypatch.setattr("edge.daemon.station.Pipeline", build)
    station._set_listening(True)
    room.stage.say(SILENCE)
    wait_for(lambda: station.heard_seconds, "the pipeline has heard something")
    assert [v.name for v in station._pipeline._voiceprints] == ["Ben"]
