"""Enrolment and verification at a (virtual) microphone, by the program as it is started."""

from __future__ import annotations

import json
import signal
import subprocess

import numpy as np
import pytest

from edge.people import PeopleStore
from tests.broker import wait_for
from tests.edge.cli.conftest import speech

pytestmark = pytest.mark.microphone

PAUSE = np.zeros(14_400, np.float32)


def talk(microphone, *names: str) -> None:
    """Say some clips, with pauses of 0.9 s."""
    microphone.play(np.concatenate([piece for name in names for piece in (PAUSE, speech(name))] + [PAUSE]))


def recording(microphone, process) -> None:
    """Wait until the program listens."""
    wait_for(lambda: microphone.recorders() > 0 or process.poll() is not None, "the program records")
    assert process.poll() is None, process.communicate()


def test_devices_lists_it(earmark, virtual_microphone) -> None:
    done = earmark("devices", "--json")
    assert done.code == 0
    names = [device["stable_name"] for device in done.json["devices"]]
    assert any(device["is_default"] for device in done.json["devices"])
    text = earmark("devices")
    assert all(name in text.out for name in names)
    assert "\n*" in text.out


def test_verify_listens_until_it_is_sure(start, state, virtual_microphone) -> None:
    process = start("verify", "Ada", "--json", "--timeout", "20")
    recording(virtual_microphone, process)
    talk(virtual_microphone, "clip-1-ada.ogg")
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    told = json.loads(out)
    assert told["match"] and told["utterances"] == 1
    assert "say a sentence" in err


def test_verify_gives_up_on_a_silent_microphone(start, state, virtual_microphone) -> None:
    process = start("verify", "Ada", "--mic", "--timeout", "1.5")
    out, err = process.communicate(timeout=60)
    assert process.returncode == 3
    assert out == "no decision: nothing was heard\n"
    assert "earmark devices" in err


def test_a_microphone_that_is_not_there_is_the_environment(start, state, virtual_microphone) -> None:
    process = start("verify", "Ada", "--mic", "Kitchen")
    _, err = process.communicate(timeout=60)
    assert process.returncode == 5
    assert 'no microphone fits "Kitchen"' in err


def test_enrolment_prompts_reports_and_stops_by_itself(start, state, virtual_microphone) -> None:
    with PeopleStore(state) as store:
        before = len(store.find("Ada").exemplars)
    process = start("enroll", "Ada", "--add", "--mic", "--json")
    recording(virtual_microphone, process)
    talk(virtual_microphone, "clip-1-ada.ogg", "clip-2-ada.ogg")
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    told = json.loads(out)
    assert told["accepted"] and told["progress"]["percent"] == 100
    assert err.count("Say: ") == len(told["clips"])
    with PeopleStore(state) as store:
        clips = store.find("Ada").exemplars[before:]
    assert len(clips) == told["new_clips"] >= 1
    assert all(clip.microphone.startswith("mic:") for clip in clips)


def test_ctrl_c_stores_nothing(start, virtual_microphone, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("PYTHONFAULTHANDLER", "1")
    process = start("enroll", "Ada", "--mic")
    recording(virtual_microphone, process)
    talk(virtual_microphone, "ada-enrol-1.ogg")
    process.send_signal(signal.SIGINT)
    try:
        out, err = process.communicate(timeout=60)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGABRT)
        pytest.fail(f"Ctrl-C went unanswered; every thread stood here:\n{process.communicate()[1]}")
    assert process.returncode == 130
    assert "good" in out
    assert err.endswith("earmark: stopped.\n")
    assert "Traceback" not in err
    with PeopleStore(tmp_path / "state") as store:
        assert store.people() == ()
