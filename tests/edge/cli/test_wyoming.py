"""``earmark wyoming``: a real assistant's client in front, a service that speaks the real protocol behind."""

from __future__ import annotations

import contextlib
import json
import signal
import socket

import numpy as np
import pytest

pytest.importorskip("wyoming", reason="needs the extra [wyoming]")

from edge.audio import read_samples, resample
from edge.instance import SingleInstance
from tests.broker import HOST, Listener, Mosquitto, answers, free_port, wait_for
from tests.edge.assistant.stub import Service, ask, describe, pcm, serving
from tests.edge.cli.voice_bundle import ASSETS

ADA, STRANGER = ASSETS / "clip-1-ada.ogg", ASSETS / "clip-8-stranger.ogg"


@pytest.fixture
def assistant(start, state):
    """``assistant(service, "--only", "enrolled") -> URI`` of the program in front of that service."""

    def run(service: Service, *words: str, mqtt: bool = False) -> str:
        port = free_port()
        uri = f"tcp://{HOST}:{port}"
        more = () if mqtt else ("--no-mqtt",)
        run.process = start("wyoming", "--service", service.uri, "--uri", uri, "--wait", "30", *more, *words)
        wait_for(lambda: run.process.poll() is not None or answers(port), "the server")
        assert run.process.poll() is None, run.process.communicate()
        return uri

    return run


def _speaker(event) -> dict:
    return event.data["context"]["earmark"]


def test_words_and_sound_pass_unchanged_and_the_speaker_stands_beside(assistant) -> None:
    with serving(Service(context={"theirs": 1})) as service:
        uri = assistant(service)
        for clip, name in ((ADA, "Ada"), (STRANGER, None)):
            samples = read_samples(clip)
            transcript = ask(uri, samples)[-1]
            assert service.audio == pcm(samples)
            assert (transcript.data["text"], transcript.data["language"]) == (service.text, "en")
            assert transcript.data["context"]["theirs"] == 1
            assert _speaker(transcript).get("speaker") == name
        assert _speaker(transcript)["event_type"] == "unknown" and _speaker(transcript)["reason"]
        told = describe(uri)
        assert [program["name"] for program in told["asr"]] == ["earmark-hears-nothing"]
        assert told["asr"][0]["models"][0]["name"] == "tiny"


def test_sound_is_passed_on_while_it_comes(assistant) -> None:
    with serving(Service()) as service:
        uri = assistant(service)

        def half_has_arrived(sent: int) -> None:
            wait_for(lambda: len(service.audio) == sent, "all that was sent so far")

        ask(uri, read_samples(ADA), pause=half_has_arrived)


def test_only_those_who_may_get_words_and_no_part_of_them_gets_out_before(assistant) -> None:
    with serving(Service(streaming=True)) as service:
        uri = assistant(service, "--only", "enrolled")
        kinds = [event.type for event in ask(uri, read_samples(STRANGER))]
        assert kinds == ["transcript"]
        assert ask(uri, read_samples(STRANGER))[-1].data["text"] == ""
        assert ask(uri, read_samples(ADA))[-1].data["text"] == service.text
        assert ask(uri, np.zeros(16_000, np.float32))[-1].data["text"] == ""


def test_one_person_only(assistant) -> None:
    with serving(Service()) as service:
        uri = assistant(service, "--only", "ben")
        heard = ask(uri, read_samples(ADA))[-1]
        assert (heard.data["text"], _speaker(heard)["speaker"]) == ("", "Ada")


def test_streamed_words_pass_where_everybody_may_ask(assistant) -> None:
    with serving(Service(streaming=True)) as service:
        kinds = [event.type for event in ask(assistant(service), read_samples(ADA))]
        assert kinds == ["transcript-start", "transcript-chunk", "transcript"]


def test_any_rate_will_do_and_what_cannot_be_sound_still_gets_its_words(assistant) -> None:
    with serving(Service()) as service:
        uri = assistant(service)
        wide = resample(read_samples(ADA), 16_000, 44_100)
        stereo = np.repeat(wide, 2)
        assert _speaker(ask(uri, stereo, rate=44_100, channels=2)[-1])["speaker"] == "Ada"
        for form in ({"width": 7}, {"rate": 1}, {"channels": 99}):
            odd = ask(uri, np.zeros(16_016, np.float32), **form)[-1]
            assert odd.data["text"] == service.text
            assert _speaker(odd) == {"event_type": "rejected", "reason": "strange_audio"}


def test_whatever_a_stranger_sends_the_next_one_is_served(assistant) -> None:
    with serving(Service()) as service:
        uri = assistant(service)
        port = int(uri.rsplit(":", 1)[1])
        rng = np.random.default_rng(1)
        rude = [rng.bytes(int(size)) for size in rng.integers(1, 5000, 20)]
        rude += [b"[]\n", b"{}\n", b'{"type":1}\n', b'{"type":"audio-chunk","data":[],"payload_length":3}\nabc']
        rude += [
            b'{"type":"audio-chunk","payload_length":%d}\n' % (1 << 40),
            b'{"type":"x","data_length":-1}\n',
            b"x" * 200_000,
        ]
        rude += [b'{"type":"audio-chunk","data":{"rate":"a","width":null,"channels":[]},"payload_length":4}\nabcd']
        for words in rude:
            with socket.create_connection((HOST, port)) as stranger, contextlib.suppress(OSError):
                stranger.sendall(words)
                stranger.shutdown(socket.SHUT_WR)
                stranger.settimeout(10)
                while stranger.recv(4096):
                    pass
        assert _speaker(ask(uri, read_samples(ADA))[-1])["speaker"] == "Ada"
        assistant.process.send_signal(signal.SIGTERM)
        assert "Traceback" not in assistant.process.communicate(timeout=60)[1]


def test_a_service_that_is_gone_is_an_error_the_assistant_can_read(assistant) -> None:
    gone = Service()
    uri = assistant(gone)
    last = ask(uri, read_samples(ADA)[:1600])[-1]
    assert last.type == "error" and gone.uri in last.data["text"]


def test_it_ends_quietly_when_it_is_told_to(assistant) -> None:
    with serving(Service()) as service:
        uri = assistant(service)
        ask(uri, read_samples(ADA))
        assistant.process.send_signal(signal.SIGTERM)
        out, err = assistant.process.communicate(timeout=60)
        assert assistant.process.returncode == 0 and "Traceback" not in err and not out


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--service", "tcp://nowhere"), "no address of a Wyoming service"),
        (("--service", "tcp://127.0.0.1:1", "--uri", "http://x:1"), "no address of a Wyoming service"),
        (("--service", "tcp://127.0.0.1:1", "--only", "Eve"), "Eve"),
        (("--service", "tcp://127.0.0.1:1", "--zeroconf", "--uri", "tcp://127.0.0.1:{port}"), "this machine only"),
    ],
)
def test_what_cannot_be_is_one_sentence(earmark, state, words, sentence) -> None:
    done = earmark("wyoming", "--no-mqtt", *(word.format(port=free_port()) for word in words))
    assert done.code == 2 and sentence in done.err and done.err.count("\n") == 1


def test_an_address_that_is_taken_is_one_sentence(earmark, state) -> None:
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        taken.listen()
        uri = f"tcp://{HOST}:{taken.getsockname()[1]}"
        done = earmark("wyoming", "--no-mqtt", "--service", "tcp://127.0.0.1:1", "--uri", uri)
    assert done.code == 2 and "cannot be served" in done.err


@pytest.mark.broker
def test_it_is_told_over_mqtt_beside_a_daemon_under_a_name_of_its_own(assistant, state, monkeypatch, tmp_path) -> None:
    broker = Mosquitto(tmp_path)
    broker.start()
    listener = Listener(broker.port)
    monkeypatch.setenv("EARMARK_MQTT__PORT", str(broker.port))
    monkeypatch.setenv("EARMARK_NODE__NAME", "hall")
    try:
        with serving(Service()) as service, SingleInstance(state):
            uri = assistant(service, mqtt=True)
            ask(uri, read_samples(ADA))
            listener.wait("earmark/hall-assistant/utterance")
            listener.wait("earmark/hall-assistant/availability", b"online")
        event = json.loads(listener.payloads("earmark/hall-assistant/utterance")[-1])
        assert (event["event_type"], event["speaker"], event["node"]) == ("identified", "Ada", "hall-assistant")
        assert event["latency_ms"] >= 0
        assert listener.last("homeassistant/device/earmark_hall-assistant/config")
    finally:
        listener.close()
        broker.stop()
