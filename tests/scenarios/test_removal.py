"""Removing a person with a real daemon and a real broker: nothing of them is left in topics, discovery or files."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from edge.people import PeopleStore
from tests.broker import Mosquitto, retained, wait_for
from tests.scenarios.household import BASE, NODE, PLAY, Daemon, listening

pytestmark = pytest.mark.broker
DISCOVERY = f"homeassistant/device/earmark_{NODE}/config"


@pytest.fixture
def people(mosquitto: Mosquitto, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """``people("remove", "Ada", ...)`` with the daemon's settings; gives the JSON."""
    from edge.cli import main

    monkeypatch.setenv("EARMARK_NODE__NAME", NODE)
    monkeypatch.setenv("EARMARK_MQTT__HOST", "127.0.0.1")
    monkeypatch.setenv("EARMARK_MQTT__PORT", str(mosquitto.port))

    def run(*arguments: object):
        capsys.readouterr()
        assert main(["people", *map(str, arguments), "--json"]) == 0
        return json.loads(capsys.readouterr().out)

    return run


def traces(folder: Path, words: list[bytes]) -> list[tuple[str, bytes]]:
    files = [file for file in folder.iterdir() if file.is_file() and not file.name.startswith("audit")]
    return [(file.name, word) for file in files for word in words if word in file.read_bytes()]


def mentions(port: int, words: list[bytes]) -> list[str]:
    return [
        topic
        for topic, payload in retained(port).items()
        if any(word in payload or word in topic.encode() for word in words)
    ]


def test_whoever_is_removed_leaves_nothing_behind(home: Path, mosquitto: Mosquitto, people) -> None:
    """Ada while no daemon runs, and then Ben under a running one."""
    with PeopleStore(home) as store:
        ada, ben = ([store.find(name).id.encode(), name.encode()] for name in ("Ada", "Ben"))
    with Daemon(home, mosquitto.port, "--source", str(PLAY.stream), "--fast") as daemon:
        assert daemon.finish() == 0
    assert mentions(mosquitto.port, ada) and mentions(mosquitto.port, ben)
    assert traces(home, ada) and traces(home, ben)

    told = people("remove", "Ada", "--yes", "--state", home)
    assert (told["broker"], told["problems"]) == ("cleared", [])
    assert mentions(mosquitto.port, ada) == []
    assert traces(home, ada) == []
    document = json.loads(retained(mosquitto.port)[DISCOVERY])
    assert f"p_{ben[0].decode()}" in document["cmps"]

    clip = str(PLAY.actors[1].clips[0])
    with listening(mosquitto.port) as listener, Daemon(home, mosquitto.port, "--source", clip) as daemon:
        wait_for(lambda: listener.last(f"{BASE}/availability") == b"online", "the daemon")
        told = people("remove", "Ben", "--yes", "--state", home)
        assert (told["broker"], told["problems"]) == ("cleared", [])
        assert [topic for topic in mentions(mosquitto.port, ben) if not topic.endswith("/last")] == []
        assert daemon.finish() == 0
    assert mentions(mosquitto.port, ben) == []


def ask(port: int, verb: str, body: object) -> dict:
    """As the example does."""
    topics = ["-t", f"{BASE}/request/{verb}", "-e", f"{BASE}/response/{verb}"]
    words = ["mosquitto_rr", "-p", str(port), "-q", "1", "-W", "60", *topics, "-m", json.dumps(body)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)["data"]


def test_whoever_is_renamed_and_removed_over_mqtt_leaves_nothing_behind(home: Path, mosquitto: Mosquitto) -> None:
    source, more = str(PLAY.stream), {"EARMARK_MQTT__ENROLMENT": "true"}
    with listening(mosquitto.port) as listener, Daemon(home, mosquitto.port, "--source", source, **more) as daemon:
        wait_for(lambda: listener.last(f"{BASE}/availability") == b"online", "the daemon")
        assert ask(mosquitto.port, "status", {})["enrolled"] == 2
        enrolled = {one["name"]: one["id"] for one in ask(mosquitto.port, "people", {})["people"]}
        ben = enrolled["Ben"]
        assert ask(mosquitto.port, "rename", {"person": "Ben", "name": "Bertram"}) == {"id": ben, "name": "Bertram"}
        wait_for(lambda: b"Bertram heard" in (listener.last(DISCOVERY) or b""), "the new name")
        told = ask(mosquitto.port, "remove", {"person": ben})
        assert told == {"removed": True, "broker": "cleared", "left": 0}
        words = [ben.encode(), b"Bertram"]
        assert mentions(mosquitto.port, words) == []
        assert daemon.terminate() == 0
    assert traces(home, words) == []
    with PeopleStore(home) as store:
        assert [person.name for person in store.people()] == ["Ada"]


def test_a_daemon_that_is_stopped_while_it_removes_somebody_does_so_to_the_end(
    home: Path, mosquitto: Mosquitto
) -> None:
    """And says so: it may be the last time that it is switched on."""
    source, more = str(PLAY.stream), {"EARMARK_MQTT__ENROLMENT": "true"}
    with listening(mosquitto.port) as listener, Daemon(home, mosquitto.port, "--source", source, **more) as daemon:
        wait_for(lambda: listener.last(f"{BASE}/availability") == b"online", "the daemon")
        with PeopleStore(home) as store:
            ben = store.find("Ben").id
            listener.say(f"{BASE}/request/remove", json.dumps({"person": ben}))
            wait_for(lambda: len(store.people()) == 1, "it has begun")
        assert daemon.terminate() == 0
        answer = json.loads(listener.wait(f"{BASE}/response/remove"))
    assert answer["data"] == {"removed": True, "broker": "cleared", "left": 0}
    assert mentions(mosquitto.port, [ben.encode(), b"Ben"]) == []


def test_without_a_broker_it_is_told_later_and_no_event_names_them(home: Path, mosquitto: Mosquitto, people) -> None:
    with PeopleStore(home) as store:
        ada = [store.find("Ada").id.encode(), b"Ada"]
    mosquitto.kill()
    with Daemon(home, mosquitto.port, "--source", str(PLAY.stream), "--fast") as daemon:
        assert daemon.finish() == 0
    told = people("remove", "Ada", "--yes", "--state", home)
    assert told["broker"] == "waiting"
    assert told["events"] > 0
    assert b"Ada" not in (home / "outbox.sqlite").read_bytes()
    mosquitto.start()
    with listening(mosquitto.port) as listener:
        with Daemon(home, mosquitto.port, "--source", str(PLAY.actors[1].clips[0]), "--fast") as daemon:
            assert daemon.finish() == 0
        wait_for(lambda: listener.last(f"{BASE}/availability") == b"offline", "the goodbye")
        assert not [one for one in listener.heard if one.topic == f"{BASE}/utterance" and b"Ada" in one.payload]
    assert mentions(mosquitto.port, ada) == []
