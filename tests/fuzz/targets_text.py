"""Settings, environment, names, trial lists, and people in a file."""

from __future__ import annotations

import contextlib
import random
from pathlib import Path
from unittest import mock

from edge.auth.audit import Witness
from edge.people import check_name, transfer
from edge.people.rows import Record
from edge.records import Exemplar
from edge.settings import load, mqtt_password, state_dir
from edge.settings.manual import sample
from edge.vault import passphrase
from tests.edge.small_bundles import sound
from tests.fuzz.mutate import SCRAPS, mutate, mutate_json
from tests.fuzz.target import Target, command, only_earmark_errors
from training.trials import Audio, read_list

_YAML = (
    *SCRAPS,
    b"? ",
    b"<<: ",
    b"!!binary ",
    b"|\n",
    b"---\n",
    b"...\n",
    b"%YAML 9.9\n",
    b"{a: ",
    b"[[[[[[",
    b"12:30:45",
    b"0o777",
    b"~",
)


def _settings_seeds(_: Path) -> list[bytes]:
    """The sample with every key in force, and what people write."""
    lines = [line.replace("  # ", "  ", 1) if line.startswith("  # ") else line for line in sample().splitlines()]
    return [
        "\n".join(lines).encode(),
        b"mqtt:\n  host: broker.lan\n  port: 1883\nnode: {name: kitchen}\n",
        b"mqtt: &a\n  host: *a\n",
    ]


def _settings(data: bytes, place: Path) -> None:
    path = place / "earmark.yaml"
    path.write_bytes(data)
    with only_earmark_errors():
        settings = load(path, {"HOME": str(place)})
        with only_earmark_errors():
            mqtt_password(settings.mqtt, {})
        with only_earmark_errors():
            state_dir(settings, place / "state", {"HOME": str(place)})


def _settings_command(data: bytes, place: Path) -> None:
    path = place / "earmark.yaml"
    path.write_bytes(data)
    home = {"EARMARK_STATE": str(place / "state"), "HOME": str(place)}
    command("people", "--config", path, environ=home)
    command("doctor", "--only", "settings", "--json", "--config", path, environ=home)


def _change_yaml(seed: bytes, rng: random.Random) -> bytes:
    return mutate(seed, rng, _YAML)


def _environment_seeds(_: Path) -> list[bytes]:
    return [
        b"EARMARK_MQTT__HOST=broker\0EARMARK_MQTT__PORT=1883",
        b"EARMARK_STATE=~nobody/x\0HOME=\0XDG_STATE_HOME=relative\0STATE_DIRECTORY=:",
        b"EARMARK_BUNDLES=::/nowhere:~\0EARMARK_CONFIG=~root\0EARMARK_MODELS__PACKS=a,,b,\xff",
        b"EARMARK_AUDIO__BLOCK_MS=1e3\0EARMARK_DECIDE__PROFILE=Strict\0NO_COLOR=\0TERM=\x1b",
    ]


def _environment(data: bytes, place: Path) -> None:
    environ = {"HOME": str(place)}
    for part in data.split(b"\0"):
        name, sign, value = part.decode("utf-8", "surrogateescape").partition("=")
        if name and sign:
            environ[name] = value
    with only_earmark_errors():
        settings = load(None, environ)
        if not environ.get("EARMARK_STATE", "x").startswith(("/", "~")):  # makes no folders about the place
            with only_earmark_errors():
                state_dir(settings, place / "state", environ)
    safe = {
        n: v for n, v in environ.items() if n.startswith("EARMARK_") and n not in {"EARMARK_STATE", "EARMARK_CONFIG"}
    }
    command("people", "--state", place / "state", environ=safe | {"HOME": str(place)})


def _words_seeds(_: Path) -> list[bytes]:
    lines = (
        "people show Ada", "people rename Ada \xff", "people import x --passphrase-file -", "identify x.wav --json",
        "audit --verify --expect 118:4f6c", "verify Ada -", "enroll -- --mic", "unlock Ada --pin-file -",
        "simulate x --truth y", "doctor --only people",
    )  # fmt: skip
    return [line.encode("latin-1").replace(b" ", b"\0") for line in lines]


def _words(data: bytes, place: Path) -> None:
    """Words after ``earmark``; those that listen, serve or talk to others are left out."""
    words = [part.decode("utf-8", "surrogateescape") for part in data.split(b"\0")][:12]
    with only_earmark_errors():
        check_name(words[-1])
    with only_earmark_errors():
        Witness.parse(words[-1])
    quiet = {"people", "identify", "audit", "verify", "enroll", "unlock", "simulate"}
    listens = any(word.startswith(("--m", "--o")) for word in words)
    if (words[0] not in quiet and words[:2] != ["doctor", "--only"]) or listens:
        words = ["people", *words[1:]]
    home = {"EARMARK_STATE": str(place / "state"), "HOME": str(place), "EARMARK_CONTROL__ENABLED": "false",
            "EARMARK_AUDIO__SOURCE": str(place / "none.wav")}  # fmt: skip
    with contextlib.chdir(place):  # an empty word is the folder one is in
        command(*words, environ=home, stdin=data)


def _lists_seeds(_: Path) -> list[bytes]:
    head = b"target\tenrol_speaker\tenrol\ttest_speaker\ttest\tnoise\n"
    return [head + b"1\tada\ta.wav@0.5+1|a.wav;a.wav\tada\ta.wav@0+2\ta.wav@1:10\n0\tada\ta.wav\tben\tb.wav\t\n"]


def _list(data: bytes, place: Path) -> None:
    import soundfile

    path = place / "list.tsv"
    path.write_bytes(data)
    soundfile.write(place / "a.wav", sound(1.0), 16_000)
    with only_earmark_errors():
        found = read_list(path)
        audio = Audio(place)
        for trial in found.trials[:20]:
            for side in (trial.enrol, trial.test):
                with only_earmark_errors():
                    audio.utterances(side)


def _people_seeds(_: Path) -> list[bytes]:
    clip = Exemplar(sound(0.01), "e" * 16, 2.0, 20.0, "mic:USB", "2026-11-21T10:00:00Z", "d1")
    return [transfer.document([Record("p0001", "Ada", "2026-11-21T10:00:00Z", "asked", [clip])])]


def _people(data: bytes, place: Path) -> None:
    with only_earmark_errors():
        transfer.parsed(data)
    path = place / "home.people"
    path.write_bytes(_cheaply_sealed(data))
    home = {"EARMARK_STATE": str(place / "state"), "HOME": str(place)}
    command("people", "import", path, "--passphrase-file", "-", environ=home, stdin=_SECRET.encode())
    command("people", "show", "Ada", "--json", environ=home)


_SECRET = "four words that fit"


def _cheaply_sealed(data: bytes) -> bytes:
    """With the least work that is accepted."""
    with mock.patch.dict(passphrase._COST, n=1024, p=1):
        return passphrase.sealed(data, _SECRET)


def _sealed_seeds(_: Path) -> list[bytes]:
    return [_cheaply_sealed(b"{}")]


def _sealed(data: bytes, place: Path) -> None:
    path = place / "home.people"
    path.write_bytes(data)
    home = {"EARMARK_STATE": str(place / "state"), "HOME": str(place)}
    command("people", "import", path, "--passphrase-file", "-", environ=home, stdin=_SECRET.encode())


def _change_head(seed: bytes, rng: random.Random) -> bytes:
    return mutate(seed, rng, (b'"n": 1024', b'"p": 16', b'"r": 1e999', b"NaN", *SCRAPS))


TARGETS = (
    Target("settings", _settings_seeds, _settings, _change_yaml),
    Target("settings-commands", _settings_seeds, _settings_command, _change_yaml, cost=3),
    Target("environment", _environment_seeds, _environment),
    Target("words", _words_seeds, _words, cost=2),
    Target("trial-list", _lists_seeds, _list),
    Target("people-document", _people_seeds, _people, mutate_json, cost=3),
    Target("people-sealed", _sealed_seeds, _sealed, _change_head, cost=3),
)
