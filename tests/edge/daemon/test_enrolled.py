"""Who is enrolled, as the daemon knows it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from edge.daemon.enrolled import Enrolled, leave_no_event, leave_no_stranger
from edge.errors import PeopleError
from edge.outbox import Outbox
from edge.people import PeopleStore
from edge.records import Message
from tests.edge.people_clips import ENCODER, clips


@pytest.fixture
def store(tmp_path: Path) -> Iterator[PeopleStore]:
    with PeopleStore(tmp_path) as opened:
        yield opened


def looked_at(store: PeopleStore, folder: Path, encoder: str = ENCODER) -> Enrolled:
    bundle: Any = SimpleNamespace(encoder=encoder, space=None)
    return Enrolled(store, folder, bundle)


def test_only_a_change_is_seen(store: PeopleStore, tmp_path: Path) -> None:
    enrolled = looked_at(store, tmp_path)
    assert enrolled.look() == frozenset()
    assert enrolled.look() is None
    ada = store.add("Ada", clips(1, 2)).id
    assert enrolled.voiceprints == ()
    assert enrolled.look() == frozenset()
    assert [v.person_id for v in enrolled.voiceprints] == [ada]
    store.remove("Ada")
    assert enrolled.look() == {ada}
    assert enrolled.voiceprints == ()
    assert enrolled.look() is None


def test_whoever_can_be_compared_no_more_is_not_taken_for_removed(store: PeopleStore, tmp_path: Path) -> None:
    store.add("Ada", clips(1, 2))
    enrolled = looked_at(store, tmp_path)
    enrolled.look()
    enrolled._bundle.encoder = "another"  # type: ignore[misc]
    store.rename("Ada", "Ada L.")
    assert enrolled.look() == frozenset()
    assert enrolled.voiceprints == ()


def test_events_about_the_removed_go_and_all_else_stays(tmp_path: Path) -> None:
    path = tmp_path / "outbox.sqlite"
    told = [
        Message("earmark/kitchen/utterance", json.dumps(body).encode(), 1, False, "event")
        for body in (
            {"speaker_id": "p1"},
            {"speaker_id": "p2", "runner_up": "p1"},
            {"speaker_id": "p2"},
            {"person_id": "p1"},
        )
    ]
    with Outbox(path) as outbox:
        outbox.append_all(told)
        leave_no_event(path, {"p1"})
        assert [message for _, message in outbox.pending()] == [told[2]]
    assert b'"p1"' not in b"".join(one.read_bytes() for one in tmp_path.iterdir())


def test_an_outbox_that_cannot_be_opened_stops_nobody_from_listening(tmp_path: Path, caplog) -> None:
    (tmp_path / "outbox.sqlite").write_bytes(b"no database " * 100)
    leave_no_event(tmp_path / "outbox.sqlite", {"p1"})
    assert "may still wait" in caplog.text


def told(body: object) -> Message:
    return Message("earmark/kitchen/utterance", json.dumps(body).encode(), 1, False, "event")


def test_events_about_ids_that_nobody_has_go_before_a_station_begins(
    store: PeopleStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge.daemon.enrolled._PAGE", 2)
    ada, gone = store.add("Ada", clips(1, 2)).id, store.add("Ben", clips(3, 4)).id
    store.remove("Ben")
    stay = [
        told({"speaker_id": ada, "speaker": "Ada"}),
        told({"id": "01", "speaker_id": None, "speaker": "unknown"}),
        told({"person_id": None, "person": "somebody"}),
        told({"status": "ok", "data": {"people": [{"id": ada, "name": "Ada"}]}}),
        told({"status": "ok", "data": {"node": "pabcd"}}),
        told({"person_id": "kitchen-1"}),
        Message("earmark/kitchen/utterance", b"no json", 1, False, "event"),
        Message(f"earmark/kitchen/person/{gone}/state", json.dumps({"speaker_id": gone}).encode(), 1, True, "state"),
    ]
    go = [
        told({"speaker_id": gone, "speaker": "Ben"}),
        told({"speaker_id": ada, "runner_up": gone}),
        told({"person_id": gone, "person": "Ben"}),
        told({"status": "ok", "data": {"people": [{"id": ada}, {"id": gone, "name": "Ben"}]}}),
        told({"status": "ok", "data": {"id": gone, "name": "Ben"}}),
    ]
    with Outbox(tmp_path / "outbox.sqlite") as outbox:
        outbox.append_all([*go, *stay])
        outbox.set_aside(outbox.append(told({"speaker_id": gone})))
        leave_no_stranger(outbox, store)
        assert [message for _, message in outbox.pending()] == stay
        assert outbox.counters.refused == 0


def test_where_it_cannot_be_found_out_who_is_enrolled_nothing_is_dropped(
    store: PeopleStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def people(self: PeopleStore) -> None:
        raise PeopleError("it is damaged")

    monkeypatch.setattr(PeopleStore, "people", people)
    with Outbox(tmp_path / "outbox.sqlite") as outbox:
        outbox.append(told({"speaker_id": "p12ab"}))
        leave_no_stranger(outbox, store)
        assert outbox.counters.pending == 1
    assert "may still wait" in caplog.text
