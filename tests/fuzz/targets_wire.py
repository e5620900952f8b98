"""What comes over sockets: a broker that talks nonsense, commands, requests at the control socket, a false daemon."""

from __future__ import annotations

import contextlib
import json
import random
import socket
import struct
import tempfile
import threading
import time
from pathlib import Path
from typing import Any, Final
from unittest import mock

from jsonschema import Draft202012Validator

from edge.control import Client, StatusRequest, VerifyRequest
from edge.control.protocol import parse
from edge.daemon.choices import Choices
from edge.daemon.commands import changed
from edge.events import schema
from edge.events.recall import last_state, presence
from edge.forgetting import Forgotten
from edge.homeassistant import announced
from edge.mqtt import Command, Topics
from edge.mqtt.connection import Connection
from edge.mqtt.topics import NUMBERS, REQUESTS, SETTINGS, accepted, values
from edge.mqtt.wake import Wake
from edge.records import Message
from edge.settings import Mqtt, Settings
from tests.edge.control.service import Service, serving
from tests.edge.control.test_client import saying
from tests.edge.daemon.desk import Desk
from tests.fuzz.mutate import mutate, mutate_json
from tests.fuzz.target import Finding, Target, command, only_earmark_errors
from tests.fuzz.targets_bundle import bundles

TOPICS: Final = Topics("earmark", "kitchen")
ANSWER: Final = Draft202012Validator(schema("response"))


def _packet(kind: int, body: bytes) -> bytes:
    length, coded = len(body), b""
    while True:
        length, seven = divmod(length, 128)
        coded += bytes([seven | (128 if length else 0)])
        if not length:
            return bytes([kind]) + coded + body


def _publish(topic: bytes, payload: bytes, five: bool, kind: int = 0x32) -> bytes:
    return _packet(kind, struct.pack("!H", len(topic)) + topic + b"\0\x09" + (b"\0" if five else b"") + payload)


def _conversations(_: Path) -> list[bytes]:
    """What a broker says to a client that has subscribed to one pattern, for 3.1.1 and for 5."""
    found = []
    for five in (False, True):
        connack = _packet(0x20, b"\0\0\0" if five else b"\0\0")
        suback = _packet(0x90, b"\0\x01\0\x01" if five else b"\0\x01\x01")
        publish = _publish(b"earmark/kitchen/cfg/profile/set", b"relaxed", five)
        puback = _packet(0x40, b"\0\x02")
        found.append(bytes([five]) + connack + suback + publish + publish + puback + _packet(0xD0, b""))
        found.append(bytes([five]) + connack + suback + _publish(b"\xff\xfe/set", b"", five) + _packet(0xE0, b""))
        limits = b'\0\0\x06!\0\x01"\0\x0a' if five else b"\0\0"
        found.append(
            bytes([five]) + _packet(0x20, limits) + suback + _publish(b"homeassistant/status", b"online", five)
        )
    return found


def _broker(data: bytes, _: Path) -> None:
    """The first byte chooses the version; the rest is what the broker says, whatever it hears."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=_say, args=(server, data[1:]))
        thread.start()
        mqtt = Mqtt(port=server.getsockname()[1], protocol="5" if data[:1] == b"\1" else "3.1.1")
        wake = Wake()
        client = Connection(mqtt, "earmark-kitchen", password=None, context=None, will=None, window=5, wake=wake)
        try:
            with only_earmark_errors():
                client.open(lambda: False)
                client.subscribe(["earmark/kitchen/cfg/+/set"])
                client.send(Message("earmark/kitchen/utterance", b"{}"))
                for _ in range(50):
                    client.step(0.2)
                    for message in client.received:
                        _obey(message.topic, message.payload, message.retained)
                    client.received.clear()
        finally:
            client.abandon()
            wake.close()
            thread.join()


def _say(server: socket.socket, data: bytes) -> None:
    server.settimeout(5)
    with contextlib.suppress(OSError):
        connection, _ = server.accept()
        with connection:
            connection.settimeout(5)
            connection.recv(4096)
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(4096):
                pass


def _obey(topic: str, payload: bytes, retained: bool) -> None:
    asked = TOPICS.command(topic, payload, retained)
    if asked is not None:
        if retained or len(payload) > 1024:
            raise Finding("a retained or long command was obeyed")
        asked.text.encode()
        value = accepted(asked.name, asked.text) if asked.kind == "set" else None
        if value is not None:
            if value not in values(asked.name):
                raise Finding(f"{asked.name} took a value that it cannot have: {value}")
            changed(Settings(), asked.name, value)


def _commands(_: Path) -> list[bytes]:
    return [
        b"earmark/kitchen/cfg/profile/set\0relaxed",
        b"earmark/kitchen/cmd/restart\0\xff\xfe",
        b"earmark/kitchen/cfg/listening/set\0OFF",
        b"earmark/kitchen/cfg/threshold/set\0 0.854",
        b"earmark/kitchen/cfg/analyse_emotion/set\0on",
    ]


def _command(data: bytes, place: Path) -> None:
    """A message as it may come to a topic that is listened to, and as it may stand in the outbox."""
    topic, _, payload = data.partition(b"\0")
    name = topic.decode("utf-8", "surrogateescape")
    with only_earmark_errors():
        _obey(name, payload, False)
        for setting in (*SETTINGS, *NUMBERS):
            Choices(place).restore(setting, values(setting)[0], values(setting))
        announced(TOPICS, [(1, Message(name, payload, 1, True, "state"))])
        TOPICS.owns(name)
    told = last_state(payload)
    if told is not None:
        json.loads(told.to_json())
    presence(payload)


def _states(_: Path) -> list[bytes]:
    last = {"v": 1, "ts": "2026-11-22T10:00:00Z", "event_type": "identified", "speaker_id": "p0001", "speaker": "Ada",
            "id": "01HF", "score": 0.7, "probability": 0.9, "duration_s": 2.0}  # fmt: skip
    person = {
        "v": 1,
        "heard": "ON",
        "speaker": "Ada",
        "last_heard": "2026-11-22T10:00:00Z",
        "score": 0.7,
        "probability": 0.9,
    }
    document = {"device": {"identifiers": ["x"]}, "components": {"a": {"platform": "sensor"}}}
    return [json.dumps(one).encode() for one in (last, person, document)]


def _state(data: bytes, place: Path) -> None:
    _command(TOPICS.discovery.encode() + b"\0" + data, place)


def _asks(_: Path) -> list[bytes]:
    return [
        b'{"transaction": "home-17"}',
        b'{"person": "Ada", "name": "Ada L.", "transaction": 17}',
        b'{"person": "Ben", "transaction": null}',
    ]


def _ask(data: bytes, place: Path) -> None:
    """Each request with this payload: it is answered by the schema, and names nobody where no name may leave."""
    with mock.patch("edge.daemon.requests.forget", return_value=Forgotten()):
        for mode in ("none", "real"):
            folder = place / mode
            folder.mkdir()
            with contextlib.closing(Desk(folder, mode)) as desk:
                hidden = (*desk.people, *desk.people.values()) if mode == "none" else ()
                for verb in REQUESTS:
                    answer = json.loads(desk.requests._response(Command("ask", verb, data)).to_json())
                    ANSWER.validate(answer)
                    answer.pop("transaction", None)  # which is the asker's own word
                    if answer.get("code") == "failed" or any(word in json.dumps(answer) for word in hidden):
                        raise Finding(f"{verb} fails, or names somebody: {answer}")


def _requests(_: Path) -> list[bytes]:
    return [
        b'{"id": "1", "op": "status"}\n',
        b'{"id": "v", "op": "verify", "person": "Ada", "challenge": false, "timeout": 5, "language": "en"}\n',
        b'{"id": "c", "op": "cancel", "request": "v"}\n{"id": "2", "op": "status"}\n',
    ]


def _request(data: bytes, _: Path) -> None:
    for line in data.split(b"\n"):
        with only_earmark_errors():
            parse(line)
    with serving(Service()) as path:
        deadline = time.monotonic() + 5
        from edge.control.place import connect

        with contextlib.suppress(OSError), connect(path, 5) as sock:
            sock.sendall(data[:200_000])
            sock.shutdown(socket.SHUT_WR)
            while (answer := sock.recv(65_536)) and time.monotonic() < deadline:
                answer.decode("ascii")
        with Client(path) as client:  # nobody else was disturbed
            if client.status() != {"protocol": 1, "listening": True}:
                raise Finding("the server no longer tells its status")


def _answers(_: Path) -> list[bytes]:
    status = {
        "id": "status",
        "event": "result",
        "op": "status",
        "exit_code": 0,
        "status": {"listening": True, "live": True},
    }
    progress = {"id": "verify", "event": "progress", "stage": "listening", "seconds": 5.0}
    digits = {"id": "verify", "event": "progress", "stage": "challenge", "digits": [1, 2], "text": "1 2"}
    result = {
        "id": "verify",
        "event": "result",
        "op": "verify",
        "exit_code": 1,
        "sentence": "no",
        "attempt": {"outcome": "no_match"},
    }
    error = {
        "id": "verify",
        "event": "error",
        "exit_code": 4,
        "error": {"code": "locked_out", "message": "m", "remedy": "r"},
    }
    return [json.dumps([status, progress, end]).encode() for end in (result, error, digits)]


def _answer(data: bytes, place: Path) -> None:
    """A false daemon: one line for each element of a list, or the bytes as they are."""
    lines = _as_lines(data)
    folder = Path(tempfile.mkdtemp(dir=place))
    with saying(folder, lines) as path, only_earmark_errors(), Client(path) as client:
        client.status()
    with saying(folder, lines) as path, only_earmark_errors(), Client(path) as client:
        client.ask(VerifyRequest("verify", "Ada"), 5, lambda told: None)
        client.ask(StatusRequest("status"), 5)
    with saying(folder, lines) as path:
        home = {
            "EARMARK_STATE": str(place / "state"),
            "HOME": str(place),
            "EARMARK_CONTROL__PATH": str(path),
            "EARMARK_MODELS__BUNDLE": str(bundles() / "stats"),
            "EARMARK_AUDIO__SOURCE": str(place / "none.wav"),
        }
        if command("verify", "Ada", environ=home) == 0 and not _says_yes(lines):
            raise Finding("a false daemon's word was taken for a yes")


def _says_yes(lines: bytes) -> bool:
    """Whether one of the lines is the end of a verification with the exit code 0."""
    for line in lines.split(b"\n"):
        with contextlib.suppress(ValueError, RecursionError):
            match json.loads(line):
                case {"event": "result", "exit_code": 0, "id": "verify" | None}:
                    return True
    return False


def _as_lines(data: bytes) -> bytes:
    with contextlib.suppress(ValueError, RecursionError):
        values: Any = json.loads(data)
        if isinstance(values, list):
            return b"".join(json.dumps(value).encode() + b"\n" for value in values)
    return data


def _either(seed: bytes, rng: random.Random) -> bytes:
    return (
        mutate_json(seed, rng) if seed.lstrip().startswith((b"[", b"{")) and rng.random() < 0.7 else mutate(seed, rng)
    )


def _lines(seed: bytes, rng: random.Random) -> bytes:
    lines = [_either(line, rng) if rng.random() < 0.7 else line for line in seed.splitlines() if line]
    return b"\n".join(lines) + rng.choice((b"\n", b"", b"\r\n"))


TARGETS = (
    Target("broker", _conversations, _broker),
    Target("mqtt-command", _commands, _command),
    Target("mqtt-request", _asks, _ask, _either, cost=2),
    Target("mqtt-state", _states, _state, _either),
    Target("control-request", _requests, _request, _lines),
    Target("control-answer", _answers, _answer, _either),
)
