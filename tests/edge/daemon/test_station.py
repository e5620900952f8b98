"""One composed device over several runs: what it leaves for the broker, what it remembers, what it refuses."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edge.calibrate.kept import keep
from edge.clock import SystemClock
from edge.correction import UNCORRECTED, Correction
from edge.daemon.service import _refresh_people
from edge.daemon.station import Station
from edge.demo.stage import ASSETS
from edge.errors import BundleError, MicrophoneError
from edge.mqtt import Command
from edge.outbox import Outbox
from edge.people import PeopleStore
from edge.records import Exemplar, Message
from edge.settings import Audio, Decide, HomeAssistant, Models, Mqtt, Node, Privacy, Settings
from edge.vault import KEY_FILE
from tests.broker import HOST, free_port, wait_for
from tests.edge.cli import voice_bundle

PERSON = "earmark/kitchen/person/"
DISCOVERY = "homeassistant/device/earmark_kitchen/config"


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return voice_bundle.make(tmp_path_factory.mktemp("station") / "voices")


@pytest.fixture
def settings(bundle: Path) -> Settings:
    """A device in the kitchen whose broker is away, and which listens to a recording."""
    return Settings(
        node=Node(name="kitchen"),
        audio=Audio(source=str(ASSETS / "clip-1-ada.ogg")),
        models=Models(bundle=str(bundle)),
        mqtt=Mqtt(host=HOST, port=free_port(), commands=True),
    )


def enrol(folder: Path, bundle: Path, *names: str) -> dict[str, str]:
    """Enrol people, and give their ids."""
    encoder = Station(Settings(models=Models(bundle=str(bundle)), mqtt=Mqtt(enabled=False)), folder, SystemClock(),
                      realtime=False).bundle.encoder  # fmt: skip
    rng = np.random.default_rng(4)
    ids = {}
    with PeopleStore(folder) as store:
        for name in names:
            vector = rng.standard_normal(19 * 2).astype(np.float32)
            vector /= np.linalg.norm(vector)
            ids[name] = store.add(name, [Exemplar(vector, encoder, 4.0, 25.0, "mic", "2026-11-21", name)]).id
    return ids


def through(
    settings: Settings, folder: Path, while_running: Callable[[Station], None] = lambda station: None
) -> Station:
    """Run a station to the end of its recording."""
    station = Station(settings, folder, SystemClock(), realtime=False)
    station.start()
    while_running(station)
    wait_for(lambda: station.ended or not station._listening, "the recording is through")
    station.stop(5)
    return station


def states(folder: Path) -> dict[str, bytes]:
    """What the broker will be told that it is to keep."""
    with Outbox(folder / "outbox.sqlite") as outbox:
        return {message.topic: message.payload for _, message in outbox.states()}


def cleared(folder: Path) -> set[str]:
    """What the broker will be told to forget."""
    with Outbox(folder / "outbox.sqlite") as outbox:
        return {message.topic for _, message in outbox.pending(1000) if message.retain and not message.payload}


def test_somebody_removed_while_nothing_ran_is_cleared_at_the_broker(settings, bundle, tmp_path) -> None:
    ids = enrol(tmp_path, bundle, "Ada", "Ben")
    through(settings, tmp_path)
    assert {f"{PERSON}{one}/state" for one in ids.values()} <= set(states(tmp_path))
    with PeopleStore(tmp_path) as store:
        store.remove("Ben")
    through(settings, tmp_path)
    kept = states(tmp_path)
    assert f"{PERSON}{ids['Ada']}/state" in kept
    assert f"{PERSON}{ids['Ben']}/state" in cleared(tmp_path)
    assert b"Ben" not in b"".join(kept.values())
    with Outbox(tmp_path / "outbox.sqlite") as outbox:
        told = [json.loads(m.payload) for _, m in outbox.pending(1000) if m.topic == DISCOVERY]
    # First reduced to its platform, which makes Home Assistant remove the entity, then left out.
    assert [told[0]["cmps"].get(f"p_{ids['Ben']}"), f"p_{ids['Ben']}" in told[-1]["cmps"]] == [
        {"p": "binary_sensor"},
        False,
    ]


def test_names_are_cleared_at_the_broker_when_privacy_forbids_them(settings, bundle, tmp_path) -> None:
    ids = enrol(tmp_path, bundle, "Ada", "Ben")
    through(settings, tmp_path)
    assert b"Ada" in b"".join(states(tmp_path).values())
    through(replace(settings, privacy=Privacy(mqtt_names="none")), tmp_path)
    kept = states(tmp_path)
    assert {f"{PERSON}{one}/state" for one in ids.values()} <= cleared(tmp_path)
    for name in ids:
        assert name.encode() not in b"".join(kept.values())


def test_home_assistant_forgets_a_device_that_is_announced_no_longer(settings, tmp_path) -> None:
    through(settings, tmp_path)
    assert DISCOVERY in states(tmp_path)
    through(replace(settings, homeassistant=HomeAssistant(enabled=False)), tmp_path)
    assert DISCOVERY in cleared(tmp_path)
    assert DISCOVERY not in states(tmp_path)


@pytest.mark.parametrize("announced", [True, False])
def test_what_was_said_of_commands_that_are_switched_off_is_cleared_at_the_broker(
    settings: Settings, tmp_path: Path, announced: bool
) -> None:
    """And a name that was to be enrolled when the daemon was killed, where names may leave the device no more."""
    home = HomeAssistant(enabled=announced)
    more = replace(settings, homeassistant=home, mqtt=replace(settings.mqtt, enrolment=True, updates=True))
    through(more, tmp_path)
    node = "earmark/kitchen/"
    assert {f"{node}enrol/state", f"{node}update/state"} <= set(states(tmp_path))
    for fewer in (replace(more, privacy=Privacy(mqtt_names="alias")), replace(settings, homeassistant=home)):
        with Outbox(tmp_path / "outbox.sqlite") as outbox:
            outbox.append(Message(f"{node}cfg/enrol_name/state", b"Zoe", 1, True, "state"))
        through(fewer, tmp_path)
        assert b"Zoe" not in b"".join(states(tmp_path).values())
        assert f"{node}cfg/enrol_name/state" in cleared(tmp_path)
        assert f"{node}cfg/profile/state" in states(tmp_path)
    assert {f"{node}enrol/state", f"{node}update/state"} <= cleared(tmp_path)


def choose(name: str, value: str) -> Callable[[Station], None]:
    return lambda station: station._command(Command("set", name, value.encode()))


def profile(folder: Path) -> bytes:
    return states(folder)["earmark/kitchen/cfg/profile/state"]


def test_a_strictness_chosen_over_mqtt_outlives_the_run_until_the_settings_say_another(settings, tmp_path) -> None:
    through(settings, tmp_path, choose("profile", "relaxed"))
    assert through(settings, tmp_path).settings.decide.profile == "relaxed"
    assert profile(tmp_path) == b"relaxed"
    changed = replace(settings, decide=Decide(profile="strict"))
    assert through(changed, tmp_path).settings.decide.profile == "strict"
    assert profile(tmp_path) == b"strict"


def test_a_hold_time_chosen_over_mqtt_is_brought_into_its_bounds_and_outlives_the_run(settings, tmp_path) -> None:
    through(settings, tmp_path, choose("hold_time", "5"))
    assert states(tmp_path)["earmark/kitchen/cfg/hold_time/state"] == b"10"
    assert through(settings, tmp_path).settings.homeassistant.hold_seconds == 10
    longer = replace(settings, homeassistant=HomeAssistant(hold_seconds=300))
    assert through(longer, tmp_path).settings.homeassistant.hold_seconds == 300


def threshold(folder: Path) -> bytes:
    return states(folder)["earmark/kitchen/cfg/threshold/state"]


def test_a_threshold_takes_the_place_of_the_profile_until_one_is_chosen(settings, tmp_path) -> None:
    through(settings, tmp_path)
    assert threshold(tmp_path) == b"None"
    through(settings, tmp_path, choose("threshold", "0.3"))
    assert threshold(tmp_path) == b"0.5"
    restored = through(settings, tmp_path).settings.decide
    assert (restored.profile, restored.threshold, threshold(tmp_path)) == ("balanced", 0.5, b"0.5")
    through(settings, tmp_path, choose("profile", "relaxed"))
    assert (profile(tmp_path), threshold(tmp_path)) == (b"relaxed", b"None")
    assert through(settings, tmp_path).settings.decide == Decide(profile="relaxed")
    through(settings, tmp_path, choose("threshold", "0.9"))
    assert through(settings, tmp_path, choose("threshold", "None")).settings.decide == Decide(profile="relaxed")


def test_a_threshold_in_the_settings_is_told_and_a_profile_chosen_over_mqtt_ends_it(settings, tmp_path) -> None:
    exact = replace(settings, decide=Decide(threshold=0.85))
    through(exact, tmp_path)
    assert threshold(tmp_path) == b"0.85"
    through(exact, tmp_path, choose("profile", "strict"))
    assert through(exact, tmp_path).settings.decide == Decide(profile="strict")
    assert threshold(tmp_path) == b"None"
    other = replace(settings, decide=Decide(threshold=0.7))
    assert through(other, tmp_path).settings.decide == Decide(profile="strict", threshold=0.7)


def test_a_threshold_chosen_over_mqtt_ends_where_the_settings_name_another_profile(settings, tmp_path) -> None:
    through(settings, tmp_path, choose("threshold", "0.6"))
    strict = replace(settings, decide=Decide(profile="strict"))
    assert through(strict, tmp_path).settings.decide == Decide(profile="strict")


def test_the_pipeline_decides_by_the_threshold_that_was_chosen(settings, bundle, tmp_path) -> None:
    """While it runs, and without a restart."""
    enrol(tmp_path, bundle, "Ada")
    endless = replace(settings, audio=Audio(source=str(ASSETS / "stream.ogg")))
    station = Station(endless, tmp_path, SystemClock(), realtime=True)
    station.start()
    try:
        by_profile = station._pipeline.thresholds
        for value in ("0.99", "0.5"):
            choose("threshold", value)(station)
            least = float(value)
            accept = math.log(least / (1 - least))  # one person, as likely as a stranger before anybody speaks
            wait_for(lambda accept=accept: math.isclose(station._pipeline.thresholds[1], accept), "it is in force")
        choose("profile", "balanced")(station)
        wait_for(lambda: station._pipeline.thresholds == by_profile, "the profile decides again")
    finally:
        station.stop(5)


def test_where_nothing_can_be_chosen_over_mqtt_the_settings_hold(settings, tmp_path) -> None:
    through(settings, tmp_path, choose("profile", "relaxed"))
    through(settings, tmp_path, choose("threshold", "0.5"))
    deaf = replace(settings, mqtt=replace(settings.mqtt, commands=False))
    assert through(deaf, tmp_path).settings.decide == Decide()
    assert through(deaf, tmp_path, choose("threshold", "0.5")).settings.decide == Decide()
    unheard = replace(settings, mqtt=Mqtt(enabled=False))
    assert through(unheard, tmp_path).settings.decide == Decide()


def test_a_recording_is_played_although_the_microphone_was_switched_off(settings, tmp_path) -> None:
    through(settings, tmp_path, choose("listening", "OFF"))
    assert through(settings, tmp_path).heard_seconds > 2


def test_what_is_no_value_of_a_setting_is_ignored(settings, tmp_path) -> None:
    for name, value in (("profile", "lax"), ("listening", "MAYBE"), ("volume", "11"), ("profile", ""),
                        ("threshold", "nan"), ("analyse_emotion", "ON")):  # fmt: skip
        ignored = through(settings, tmp_path, choose(name, value)).settings
        assert (ignored.decide, ignored.privacy) == (Decide(), Privacy())
    assert not (tmp_path / "choices.json").exists()


def test_a_bundle_in_the_state_folder_is_found_by_its_name(settings, bundle, tmp_path) -> None:
    named = replace(settings, models=Models(bundle="mine"))
    with pytest.raises(BundleError, match="mine"):
        Station(named, tmp_path, SystemClock(), realtime=False)
    shutil.copytree(bundle, tmp_path / "bundles" / "mine")
    assert through(named, tmp_path).heard_seconds > 2


def test_the_status_says_how_it_is_in_one_line(settings, bundle, tmp_path) -> None:
    enrol(tmp_path, bundle, "Ada")
    told: list[str] = []
    unheard = replace(settings, mqtt=Mqtt(enabled=False))
    through(unheard, tmp_path, lambda station: told.append(station.status()))
    assert told == ["listening; 1 person enrolled; no broker"]


def test_people_enrolled_while_it_runs_are_known_at_once(settings, bundle, tmp_path) -> None:
    station = Station(settings, tmp_path, SystemClock(), realtime=True)
    station.start()
    assert "0 people" in station.status()
    enrol(tmp_path, bundle, "Ada")
    station.refresh_people()
    assert "1 person" in station.status() and station.health_wanted
    station.health_wanted = False
    station.refresh_people()
    assert not station.health_wanted
    station.stop(5)


def test_what_is_told_of_somebody_between_their_removal_and_its_being_noticed_is_not_sent(
    settings, bundle, tmp_path
) -> None:
    ids = enrol(tmp_path, bundle, "Ada", "Ben")
    station = Station(settings, tmp_path, SystemClock(), realtime=True)
    station.start()
    with PeopleStore(tmp_path) as store:
        store.remove("Ada")
    about = {
        name: station._topics.message("auth", json.dumps({"person_id": one}).encode()) for name, one in ids.items()
    }
    station._publish(*about.values())
    station.refresh_people()

    def waiting() -> list[bytes]:
        assert station._outbox is not None
        return [m.payload for _, m in station._outbox.pending(1000) if m.topic == about["Ben"].topic]

    wait_for(lambda: waiting() == [about["Ben"].payload], "only what is about Ben waits")
    station.stop(5)


def test_people_enrolled_with_another_bundle_of_the_space_are_compared(settings, tmp_path) -> None:
    space = "voices-38/1"
    listens = voice_bundle.make(tmp_path / "listens", space=space)
    vector = np.ones(38, np.float32) / np.float32(np.sqrt(38))
    with PeopleStore(tmp_path) as store:
        store.add("Ada", [Exemplar(vector, "f" * 16, 4.0, 25.0, "mic", "2026-11-21", "a", space)])
        store.add("Ben", [Exemplar(vector, "f" * 16, 4.0, 25.0, "mic", "2026-11-21", "b")])
    with_space = replace(settings, models=Models(bundle=str(listens)), mqtt=Mqtt(enabled=False))
    assert through(with_space, tmp_path).describe()["people"] == 1


def test_a_household_s_calibration_is_taken_up_while_running_and_left_aside_when_people_change(
    settings, bundle, tmp_path, caplog
) -> None:
    enrol(tmp_path, bundle, "Ada", "Ben")
    learned = Correction(0.5, 1.1, 0.003)
    silent = replace(settings, mqtt=Mqtt(enabled=False), audio=Audio(source=str(ASSETS / "stream.ogg")))

    def becomes(wanted: Correction) -> bool:
        station.refresh_people()
        wait_for(lambda: station._listener.pipeline.scorer.correction == wanted, "the pipeline has taken it up")
        return station._make_listener().pipeline.scorer.correction == wanted

    station = Station(silent, tmp_path, SystemClock(), realtime=True)
    try:
        station.start()
        assert becomes(UNCORRECTED)
        with PeopleStore(tmp_path) as store:
            keep(tmp_path, station.bundle, store.people(station.bundle.encoder), learned, {"clips": 2})
            assert becomes(learned)
            store.remove("Ben")
        assert becomes(UNCORRECTED)
        assert "the people enrolled or their clips have changed since" in caplog.text
    finally:
        station.stop(5)


def test_a_password_in_the_open_is_told_in_health_and_status(settings, tmp_path) -> None:
    """Loudly: wherever somebody looks, and not only at the start."""
    state, secret = tmp_path / "state", tmp_path / "password"
    state.mkdir()
    secret.write_text("canary-5d1\n")
    secret.chmod(0o600)
    # 192.0.2.1 is reserved for documentation: nothing is there.
    away = Mqtt(host="192.0.2.1", username="ears", password_file=str(secret))
    told: list[str] = []

    def look(station: Station) -> None:
        told.extend([station.status(), station._health().to_json().decode()])

    through(replace(settings, mqtt=away), state, look)
    assert all("unencrypted" in text and "mqtt.tls" in text and "canary-5d1" not in text for text in told)
    through(settings, state, look)
    assert not any("unencrypted" in text for text in told[2:])


def test_a_key_that_is_lost_while_the_daemon_runs_does_not_silence_it(
    settings: Settings, bundle: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    enrol(tmp_path, bundle, "Ada")
    station = Station(settings, tmp_path, SystemClock(), realtime=False)
    station.refresh_people()
    with PeopleStore(tmp_path) as store:
        store.revoke()
    kept = (tmp_path / KEY_FILE).read_bytes()
    (tmp_path / KEY_FILE).unlink()
    _refresh_people(station)
    assert "stay as they were" in caplog.text and "1 person" in station.status()
    (tmp_path / KEY_FILE).write_bytes(kept)
    enrol(tmp_path, bundle, "Ben")
    _refresh_people(station)
    assert "2 people" in station.status()
    station.stop(1)


def test_what_an_ended_listener_still_said_is_forgotten_when_listening_begins_again(settings, tmp_path) -> None:
    station = Station(settings, tmp_path, SystemClock(), realtime=False)
    station.start()
    station._command(Command("set", "listening", b"OFF"))
    station._microphone_problem(MicrophoneError("no answer", fault="no_answer"))
    station._command(Command("set", "listening", b"ON"))
    assert "no answer" not in station.status()
    station.stop(5)
