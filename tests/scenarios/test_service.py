"""``earmark run`` as a real process with a real broker: signals, reloads, crashes, commands."""

from __future__ import annotations

import json
import signal
import sqlite3
from pathlib import Path

import pytest

from edge.cli import main
from tests.broker import Mosquitto, retained, wait_for
from tests.scenarios.household import BASE, OBEDIENT, PLAY, Daemon, listening, utterances

pytestmark = pytest.mark.broker
STREAM = ["--source", str(PLAY.stream)]
CLIP = ["--source", str(PLAY.actors[0].clips[0])]


def test_a_recording_becomes_events_and_states_and_then_it_ends(home: Path, mosquitto: Mosquitto) -> None:
    with listening(mosquitto.port) as listener, Daemon(home, mosquitto.port, *STREAM, "--fast") as daemon:
        assert daemon.finish() == 0
        wait_for(lambda: listener.last(f"{BASE}/availability") == b"offline", "the goodbye")
        events = utterances(listener)
    names = {e["speaker"] for e in events if e["event_type"] == "identified"}
    assert names == {"Ada", "Ben"}
    assert [e["id"] for e in events] == sorted(e["id"] for e in events)
    assert not any(m.retain for m in listener.heard if m.topic.endswith("/utterance"))
    kept = retained(mosquitto.port)
    assert json.loads(kept[f"{BASE}/info"])["node"] == "kitchen"
    assert json.loads(kept[f"{BASE}/last"])["event_type"] in {"identified", "unknown"}
    people = [json.loads(v) for k, v in kept.items() if "/person/" in k]
    assert {p["speaker"] for p in people} == {"Ada", "Ben"}
    document = json.loads(kept["homeassistant/device/earmark_kitchen/config"])
    named = {one.get("name") for one in document["cmps"].values()}
    assert {name for name in named if str(name).endswith(" heard")} == {"Ada heard", "Ben heard"}


def test_sigterm_ends_cleanly_and_says_so(home: Path, mosquitto: Mosquitto) -> None:
    with listening(mosquitto.port) as listener, Daemon(home, mosquitto.port, *STREAM) as daemon:
        listener.wait(f"{BASE}/availability", b"online")
        assert daemon.terminate() == 0
        listener.wait(f"{BASE}/availability", b"offline")
        daemon.wait_notified("STOPPING=1")
    assert retained(mosquitto.port)[f"{BASE}/availability"] == b"offline"


def test_sigterm_in_the_middle_of_a_sentence_still_decides_it(home: Path, mosquitto: Mosquitto) -> None:
    with listening(mosquitto.port) as listener, Daemon(home, mosquitto.port, *CLIP) as daemon:
        listener.wait(f"{BASE}/speaking/state", b"ON")
        assert daemon.terminate() == 0
        wait_for(lambda: utterances(listener), "the open utterance")


def test_sigkill_leaves_the_will(home: Path, mosquitto: Mosquitto) -> None:
    with listening(mosquitto.port) as listener, Daemon(home, mosquitto.port, *STREAM) as daemon:
        listener.wait(f"{BASE}/availability", b"online")
        daemon.signal(signal.SIGKILL)
        listener.wait(f"{BASE}/availability", b"offline")


def test_sighup_reloads_and_a_broken_file_changes_nothing(home: Path, mosquitto: Mosquitto, tmp_path: Path) -> None:
    config = tmp_path / "earmark.yaml"
    config.write_text("decide:\n  profile: relaxed\n")
    run = Daemon(home, mosquitto.port, *STREAM, "--config", str(config))
    with listening(mosquitto.port) as listener, run as daemon:
        listener.wait(f"{BASE}/cfg/profile/state", b"relaxed")
        config.write_text("decide:\n  profil: strict\n")
        daemon.signal(signal.SIGHUP)
        wait_for(lambda: "reload refused" in daemon.log.read_text(), "the refusal in the log")
        assert "profile" in daemon.log.read_text()
        daemon.wait_notified("RELOADING=1")
        config.write_text("node:\n  room: Kitchen\n")
        daemon.signal(signal.SIGHUP)
        wait_for(lambda: b'"room":"Kitchen"' in (listener.last(f"{BASE}/info") or b""), "the new room")
        wait_for(lambda: "reloaded" in daemon.log.read_text(), "the end of the reload")
        assert daemon.terminate() == 0


def test_events_decided_while_the_broker_is_away_arrive_later_once_and_in_order(
    home: Path, mosquitto: Mosquitto
) -> None:
    mosquitto.kill()
    with Daemon(home, mosquitto.port, *STREAM, "--fast") as daemon:
        assert daemon.finish() == 0
    with sqlite3.connect(home / "outbox.sqlite") as outbox:
        (waiting,) = outbox.execute("SELECT COUNT(*) FROM messages WHERE kind = 'event'").fetchone()
    assert waiting > 10
    mosquitto.start()
    with listening(mosquitto.port) as listener, Daemon(home, mosquitto.port, *STREAM) as daemon:
        wait_for(lambda: len(utterances(listener)) >= waiting, "the events of the first run")
        events = utterances(listener)
        assert daemon.terminate() == 0
    assert [e["id"] for e in events] == sorted(e["id"] for e in events)


def test_events_survive_a_daemon_that_is_killed(home: Path, mosquitto: Mosquitto) -> None:
    """What was decided before SIGKILL is in the outbox, and the next run delivers it."""
    with Daemon(home, mosquitto.port, *STREAM, "--fast", wait_ready=False) as daemon:
        path = home / "outbox.sqlite"

        def decided() -> bool:
            if not path.exists():
                return False
            with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as outbox:
                try:
                    return outbox.execute("SELECT MAX(id) > 30 FROM messages").fetchone()[0] == 1
                except sqlite3.OperationalError:
                    return False

        wait_for(decided, "some messages", 60)
        daemon.signal(signal.SIGKILL)
    with listening(mosquitto.port) as listener, Daemon(home, mosquitto.port, *STREAM) as daemon:
        listener.wait(f"{BASE}/availability", b"online")
        wait_for(lambda: _undelivered(home) == 0, "an empty outbox")
        assert daemon.terminate() == 0


def _undelivered(home: Path) -> int:
    with sqlite3.connect(home / "outbox.sqlite") as outbox:
        return int(outbox.execute("SELECT COUNT(*) FROM messages WHERE kind = 'event'").fetchone()[0])


def test_the_profile_and_the_microphone_switch_are_obeyed_echoed_and_remembered(
    home: Path, mosquitto: Mosquitto
) -> None:
    with listening(mosquitto.port) as listener:
        with Daemon(home, mosquitto.port, *STREAM, **OBEDIENT) as daemon:
            listener.wait(f"{BASE}/cfg/profile/state", b"balanced")
            listener.say(f"{BASE}/cfg/profile/set", "nonsense")
            listener.say(f"{BASE}/cfg/profile/set", "strict")
            listener.wait(f"{BASE}/cfg/profile/state", b"strict")
            listener.say(f"{BASE}/cfg/listening/set", "OFF")
            listener.wait(f"{BASE}/cfg/listening/state", b"OFF")
            before = len(utterances(listener))
            listener.say(f"{BASE}/cfg/listening/set", "ON")
            listener.wait(f"{BASE}/cfg/listening/state", b"ON", count=2)
            wait_for(lambda: len(utterances(listener)) > before, "utterances after switching on again")
            assert daemon.terminate() == 0
        assert b"nonsense" not in listener.payloads(f"{BASE}/cfg/profile/state")
        with Daemon(home, mosquitto.port, *STREAM, **OBEDIENT) as daemon:
            listener.wait(f"{BASE}/cfg/profile/state", b"strict", count=2)
            assert daemon.terminate() == 0


def test_a_retained_command_is_ignored(home: Path, mosquitto: Mosquitto) -> None:
    with listening(mosquitto.port) as listener:
        listener.say(f"{BASE}/cfg/profile/set", "relaxed", retain=True)
        with Daemon(home, mosquitto.port, *STREAM, **OBEDIENT) as daemon:
            listener.wait(f"{BASE}/cfg/profile/state", b"balanced")
            listener.wait(f"{BASE}/speaking/state", b"ON")
            assert daemon.terminate() == 0
        assert b"relaxed" not in listener.payloads(f"{BASE}/cfg/profile/state")


def test_nothing_is_obeyed_unless_the_settings_say_so(home: Path, mosquitto: Mosquitto) -> None:
    with listening(mosquitto.port) as listener, Daemon(home, mosquitto.port, *STREAM) as daemon:
        listener.wait(f"{BASE}/cfg/profile/state", b"balanced")
        for name, value in (("profile", "relaxed"), ("listening", "OFF")):
            listener.say(f"{BASE}/cfg/{name}/set", value)
        wait_for(lambda: len(utterances(listener)) >= 2, "it goes on listening")
        assert daemon.terminate() == 0
        assert listener.payloads(f"{BASE}/cfg/profile/state") == [b"balanced"]
        assert listener.payloads(f"{BASE}/cfg/listening/state") == [b"ON"]
    document = json.loads(retained(mosquitto.port)["homeassistant/device/earmark_kitchen/config"])
    assert not {"listening", "profile"} & set(document["cmps"])
    assert not (home / "choices.json").exists()


def test_somebody_removed_meanwhile_disappears_everywhere(home: Path, mosquitto: Mosquitto) -> None:
    with listening(mosquitto.port) as listener, Daemon(home, mosquitto.port, *STREAM) as daemon:
        wait_for(lambda: sum("/person/" in m.topic for m in listener.heard) >= 2, "both people")
        assert main(["people", "remove", "Ben", "--yes", "--state", str(home)]) == 0
        discovery = "homeassistant/device/earmark_kitchen/config"
        wait_for(lambda: b'"Ben' not in (listener.last(discovery) or b"Ben"), "a document without Ben")
        assert daemon.terminate() == 0
    people = [v for k, v in retained(mosquitto.port).items() if "/person/" in k]
    assert len(people) == 1


def test_two_daemons_never_share_a_state_folder(home: Path, mosquitto: Mosquitto) -> None:
    with Daemon(home, mosquitto.port, *STREAM) as first:
        with Daemon(home, mosquitto.port, *STREAM, wait_ready=False) as second:
            assert second.finish() == 5
        assert "Another Earmark runs" in second.log.read_text()
        assert first.terminate() == 0


def test_the_watchdog_is_petted(home: Path, mosquitto: Mosquitto) -> None:
    with Daemon(home, mosquitto.port, *STREAM, WATCHDOG_USEC="10000000") as daemon:
        daemon.wait_notified("WATCHDOG=1")
        assert daemon.terminate() == 0


def test_the_log_can_be_json_with_one_object_a_line(home: Path, mosquitto: Mosquitto) -> None:
    with Daemon(home, mosquitto.port, *CLIP, "--fast", "--log-format", "json") as daemon:
        assert daemon.finish() == 0
    lines = [json.loads(line) for line in daemon.log.read_text().splitlines() if line.startswith("{")]
    assert {"listening", "utterance", "stopped"} <= {line["message"] for line in lines}
    assert all({"ts", "level", "logger"} <= set(line) for line in lines)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--bundle", "nosuch"], 5, "nosuch"),
        (["--config", "/nonexistent.yaml"], 2, "nonexistent"),
        (["--source", "/nonexistent.wav"], 2, "nonexistent"),
    ],
)
def test_what_prevents_a_start_is_said_in_one_line(
    home: Path, mosquitto: Mosquitto, arguments: list[str], code: int, words: str
) -> None:
    with Daemon(home, mosquitto.port, *CLIP, *arguments, wait_ready=False) as daemon:
        assert daemon.finish() == code
    log = daemon.log.read_text()
    assert words in log
    assert "Traceback" not in log
