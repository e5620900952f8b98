"""``earmark run`` at a (virtual) microphone: what is said arrives as an event, and a microphone that is not
there, goes away or is switched off is reported and survived (more of that in ``test_microphone_mishaps``).
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import jsonschema
import numpy as np
import pytest
import soundfile

from edge.audio import read_samples
from edge.cli import main
from edge.demo.stage import ASSETS
from edge.events import schema
from tests.broker import Listener, Mosquitto, retained, wait_for
from tests.scenarios.household import BASE, OBEDIENT, ROOT, Daemon, listening, utterances
from tests.virtual_microphone import VirtualMicrophone

pytestmark = [pytest.mark.broker, pytest.mark.microphone]

PAUSE = np.zeros(24_000, np.float32)
MIC = ("--source", "mic")


def said(*names: str) -> np.ndarray:
    """Clips with pauses of 1.5 s around them."""
    return np.concatenate([PAUSE, *(part for name in names for part in (read_samples(ASSETS / name), PAUSE))])


def health(listener: Listener) -> dict:
    return json.loads(listener.last(f"{BASE}/health") or b"{}")


def wait_for_problem(listener: Listener, problem: bool) -> None:
    wait_for(lambda: health(listener).get("mic_problem") is problem, f"mic_problem {problem}: {health(listener)}", 30)


def hears(microphone: VirtualMicrophone, daemon: Daemon) -> None:
    wait_for(lambda: microphone.recorders() == 1, f"the daemon records; log: {daemon.log.read_text()[-500:]}")


def test_what_the_microphone_hears_is_decided_as_the_recording_is(
    home: Path, mosquitto: Mosquitto, virtual_microphone: VirtualMicrophone, tmp_path: Path, capsys
) -> None:
    sound = said("clip-1-ada.ogg", "clip-3-ben.ogg", "clip-5-stranger.ogg")
    recording = tmp_path / "said.wav"
    soundfile.write(recording, sound, 16_000, subtype="PCM_16")
    capsys.readouterr()
    assert main(["simulate", str(recording), "--state", str(home), "--json", "--quiet"]) == 0
    expected = [json.loads(line) for line in capsys.readouterr().out.splitlines()][:-1]
    assert {"Ada", "Ben", "unknown"} == {event["speaker"] for event in expected}

    with listening(mosquitto.port) as listener, Daemon(home, mosquitto.port, *MIC) as daemon:
        hears(virtual_microphone, daemon)
        virtual_microphone.play(sound)
        wait_for(lambda: len(utterances(listener)) >= len(expected), "an event for each utterance")
        heard = utterances(listener)
        assert daemon.terminate() == 0
    assert len(heard) == len(expected)
    for event, same in zip(heard, expected, strict=True):
        jsonschema.validate(event, schema("utterance"))
        assert (event["event_type"], event["speaker"]) == (same["event_type"], same["speaker"])
        assert event["speaker_id"] == same["speaker_id"]
        # The frames of the gate lie elsewhere on the sound, so that an utterance may gain or lose a few of them.
        for key, tolerance in (("score", 0.05), ("probability", 0.1), ("speech_s", 0.3), ("duration_s", 0.3)):
            assert event[key] == pytest.approx(same[key], abs=tolerance), key
        # A microphone has no place in a recording.
        assert "at_s" not in event and "source" not in event


def test_without_a_microphone_at_the_start_it_says_so_and_goes_on_trying(
    home: Path, mosquitto: Mosquitto, virtual_microphone: VirtualMicrophone
) -> None:
    virtual_microphone.stop()
    with listening(mosquitto.port) as listener, Daemon(home, mosquitto.port, *MIC) as daemon:
        wait_for_problem(listener, True)
        daemon.wait_notified("microphone")
        assert "warning edge.daemon.ear: microphone:" in daemon.log.read_text()
        virtual_microphone.start()
        wait_for_problem(listener, False)
        virtual_microphone.play(said("clip-3-ben.ogg"))
        wait_for(lambda: utterances(listener), "an event")
        assert utterances(listener)[0]["speaker"] == "Ben"
        assert daemon.terminate() == 0


def test_a_microphone_lost_in_the_middle_of_a_sentence_ends_it(
    home: Path, mosquitto: Mosquitto, virtual_microphone: VirtualMicrophone
) -> None:
    """Nobody speaks any more, and what was said until then is decided now, not when the microphone comes back."""
    with listening(mosquitto.port) as listener, Daemon(home, mosquitto.port, *MIC) as daemon:
        hears(virtual_microphone, daemon)
        player = virtual_microphone.begin(said("ada-enrol-1.ogg", "ada-enrol-2.ogg"))
        listener.wait(f"{BASE}/speaking/state", b"ON")
        virtual_microphone.stop()
        player.wait(30)
        wait_for(lambda: listener.last(f"{BASE}/speaking/state") == b"OFF", "nobody speaks any more")
        wait_for(lambda: utterances(listener), "the sentence so far")
        wait_for_problem(listener, True)
        assert daemon.terminate() == 0


def test_a_microphone_that_is_switched_off_is_closed_and_stays_so(
    home: Path, mosquitto: Mosquitto, virtual_microphone: VirtualMicrophone
) -> None:
    with listening(mosquitto.port) as listener:
        with Daemon(home, mosquitto.port, *MIC, **OBEDIENT) as daemon:
            hears(virtual_microphone, daemon)
            listener.say(f"{BASE}/cfg/listening/set", "OFF")
            listener.wait(f"{BASE}/cfg/listening/state", b"OFF")
            assert virtual_microphone.recorders() == 0
            daemon.notifications.clear()
            daemon.signal(signal.SIGHUP)
            daemon.wait_notified("READY=1")
            listener.wait(f"{BASE}/cfg/listening/state", b"OFF", count=2)
            assert daemon.terminate() == 0
        with Daemon(home, mosquitto.port, *MIC, **OBEDIENT) as daemon:
            listener.wait(f"{BASE}/cfg/listening/state", b"OFF", count=3)
            virtual_microphone.play(said("clip-1-ada.ogg"))
            assert virtual_microphone.recorders() == 0
            listener.say(f"{BASE}/cfg/listening/set", "ON")
            hears(virtual_microphone, daemon)
            virtual_microphone.play(said("clip-1-ada.ogg"))
            wait_for(lambda: utterances(listener), "an event after switching on again")
            assert daemon.terminate() == 0
    assert retained(mosquitto.port)[f"{BASE}/cfg/listening/state"] == b"ON"
    assert len(utterances(listener)) == 1


@pytest.mark.parametrize(("clip", "code"), [("clip-1-ada.ogg", 0), ("clip-4-ben.ogg", 1), (None, 3)])
def test_verify_answers_at_the_microphone(
    home: Path, virtual_microphone: VirtualMicrophone, clip: str | None, code: int
) -> None:
    timeout = "8" if clip else "2"
    command = [sys.executable, "-m", "edge.cli", "verify", "Ada", "--mic", "--timeout", timeout, "--state", str(home)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        wait_for(lambda: virtual_microphone.recorders() or process.poll() is not None, "verify listens")
        if clip:
            virtual_microphone.play(said(clip))
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == code, out + err
