"""One small case for each defect that fuzzing has found; the comments say what it was."""

from __future__ import annotations

import io
import json
import os
import socket
import sqlite3
import struct
import threading
import zipfile
from pathlib import Path

import numpy as np
import pytest

from edge.audio import FileSource, FolderSource, PcmSource
from edge.auth import pin
from edge.auth.clock import ManualBootClock
from edge.auth.gate import Counter
from edge.bundle import open_bundle, parse_card
from edge.bundle.files import load_npy
from edge.calibrate.kept import household
from edge.cli.truth import Truth
from edge.daemon.choices import Choices
from edge.errors import (
    AttemptsError,
    AudioFileError,
    BrokerError,
    BundleError,
    EarmarkError,
    PeopleError,
    SettingsError,
    StorageError,
    UsageError,
)
from edge.features import FrontEnd
from edge.mqtt.connection import Connection
from edge.mqtt.wake import Wake
from edge.outbox import Outbox
from edge.people import PeopleStore, transfer
from edge.records import FeatureSpec
from edge.runtime import Network
from edge.runtime.flatbuffer import check_model
from edge.runtime.interpreters import installed
from edge.runtime.trial import fault_of
from edge.scoring import Calibration
from edge.settings import Mqtt
from edge.spoof import Repeats
from edge.vault import passphrase
from tests.edge import small_bundles
from tests.edge.cli.voice_bundle import CALIBRATION
from tests.edge.people_clips import clips
from tests.edge.small_bundles import sound
from training.trials import read_list

CORPUS = Path(__file__).parent / "corpus"
HUGE = 10**400
"""JSON may hold it, and no float can."""
NESTED = "[" * 100_000 + "]" * 100_000


# Bundles


@pytest.mark.parametrize("value", [HUGE, float("inf"), 1e300])
def test_a_number_in_a_card_that_no_float_holds(value: float) -> None:
    raw = small_bundles.card() | {"files": {"head.npz": "0" * 64, "encoder.int8.tflite": "0" * 64}, "cohort": None}
    raw["features"]["preemphasis"] = value
    with pytest.raises(BundleError, match="preemphasis"):
        parse_card(json.dumps(raw).replace("Infinity", "1e999").encode())


@pytest.mark.parametrize("where", ["weights", "far", "trials"])
def test_a_number_in_a_calibration_that_no_float_holds(where: str) -> None:
    raw = json.loads(json.dumps(CALIBRATION))
    match where:
        case "weights":
            raw["weights"]["bias"] = HUGE
        case "far":
            raw["points"][0]["far"] = HUGE
        case _:
            raw["trials"] = float("inf")
    with pytest.raises(BundleError, match="calibration"):
        Calibration.from_json(raw)


@pytest.mark.parametrize(
    "field, value",
    [("n_fft", 1 << 40), ("n_mels", 1 << 30), ("frame_ms", 1e300), ("lifter", 1 << 70), ("log_floor", 1e300)],
)
def test_features_that_would_take_all_memory(field: str, value: float) -> None:
    with pytest.raises(BundleError, match=field):
        FrontEnd(FeatureSpec(**{field: value}))


def test_a_name_as_long_as_a_card_may_be() -> None:
    """It stood in the sentence whole."""
    raw = small_bundles.card(name="a" * 100_000)
    with pytest.raises(BundleError) as caught:
        parse_card(json.dumps(raw).encode())
    assert len(caught.value.sentence()) < 1000


def test_the_head_of_an_array_that_does_not_end() -> None:
    """A tokenize.TokenError, which is none of numpy's usual errors."""
    head = b"{'descr': '<f4', 'fortran_order': False, 'shape': (5, 24\n"
    with pytest.raises(BundleError, match="truncated or damaged"):
        load_npy(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head, "cohort.npy")


def test_a_head_that_gives_no_finite_vector(tmp_path: Path) -> None:
    folder = small_bundles.make(tmp_path / "b", "statistics")
    arrays = small_bundles.arrays("statistics")
    np.savez(folder / "head.npz", **(arrays | {"kernel": np.full_like(arrays["kernel"], 3e38)}))
    from edge.bundle import seal

    seal(folder, small_bundles.card("statistics"))
    with np.errstate(all="ignore"), pytest.raises(BundleError, match="finite"):
        open_bundle(folder).embed(sound(1.0))


@pytest.mark.parametrize("kind", [engine.kind for engine in installed()])
def test_a_network_that_crashes_the_interpreter(kind: str) -> None:
    """One bit of a tiny network is another; its structure is sound. tflite-runtime 2.14 dies of it, LiteRT refuses."""
    model = (CORPUS / "crashes-tflite-runtime.tflite").read_bytes()
    check_model(model)
    with pytest.raises(BundleError):
        Network(model, prefer=kind, doubt=True)  # type: ignore[arg-type]


def test_a_first_run_tells_how_it_ended() -> None:
    def crash() -> None:
        os.kill(os.getpid(), 11)

    def fail() -> None:
        raise ValueError("is told again in this process")

    assert [fault_of(act) for act in (crash, fail, lambda: None)] == ["crashes", "", ""]
    assert fault_of(lambda: bytearray(4 << 30)) == "needs too much memory"


def test_a_network_that_lists_the_same_tensor_a_million_times() -> None:
    """A list of 12 MB became a gigabyte of objects."""
    head = struct.pack("<I4s", 8, b"TFL3")
    table = struct.pack("<HHHHHHH", 14, 20, 4, 8, 12, 0, 16) + b"\0\0" + struct.pack("<iIIIII", 16, 3, 0, 0, 0, 0)
    model = bytearray(head + table + struct.pack("<I", 3 << 20) + bytes(12 << 20))
    struct.pack_into("<I", model, 0, 24)
    struct.pack_into("<i", model, 24, 16)
    struct.pack_into("<I", model, 32, len(head + table) - 32)
    with pytest.raises(BundleError, match="damaged"):
        check_model(bytes(model))


# Databases of the state folder

TABLES = {"people": "people", "outbox": "messages", "attempts": "attempts", "repeats": "heard"}
ENDLESS = "CREATE VIEW {t} AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i FROM n) SELECT i AS id FROM n"


def _make(name: str, folder: Path) -> Path:
    folder.mkdir(mode=0o700, exist_ok=True)
    if name == "people":
        with PeopleStore(folder) as store:
            store.add("Ada", clips(1, 2))
    elif name == "outbox":
        Outbox(folder / "outbox.sqlite").close()
    elif name == "attempts":
        Counter(folder, ManualBootClock()).close()
    else:
        with Repeats(folder) as repeats:
            repeats.remember(sound(2))
    return folder / f"{name}.sqlite"


def _open(name: str, folder: Path) -> None:
    if name == "people":
        with PeopleStore(folder) as store:
            store.people()
    elif name == "outbox":
        with Outbox(folder / "outbox.sqlite") as outbox:
            outbox.states()
    elif name == "attempts":
        Counter(folder, ManualBootClock()).close()
    else:
        with Repeats(folder) as repeats:
            repeats.seen(sound(2))


def _run(path: Path, *statements: str) -> None:
    with sqlite3.connect(path, isolation_level=None) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


def _is_refused(name: str, folder: Path) -> None:
    if name == "outbox":  # which is put aside and begun anew, since events have to go on
        _open(name, folder)
        assert len(list(folder.glob("outbox.corrupt-*.sqlite"))) == 1
        return
    with pytest.raises((PeopleError, AttemptsError, StorageError)) as caught:
        _open(name, folder)
    assert "\n" not in caught.value.sentence()


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize(
    "trap",
    [
        ("ALTER TABLE {t} RENAME TO other", ENDLESS),  # reading it never came to an end
        ("CREATE TRIGGER trap AFTER INSERT ON {t} BEGIN DELETE FROM {t}; END",),
        ("CREATE VIEW more AS SELECT 1",),
        ("ALTER TABLE {t} ADD COLUMN more TEXT",),
    ],
    ids=["endless view", "trigger", "view", "column"],
)
def test_a_database_with_something_in_it_that_is_not_ours(tmp_path: Path, name: str, trap: tuple[str, ...]) -> None:
    path = _make(name, tmp_path / "state")
    _run(path, "PRAGMA legacy_alter_table = ON", *(statement.format(t=TABLES[name]) for statement in trap))
    _is_refused(name, path.parent)


@pytest.mark.parametrize(
    "name, statement",
    [
        ("people", "DELETE FROM counter"),  # TypeError: None is not subscriptable
        ("people", "UPDATE counter SET generation = 9e999"),  # OverflowError
        ("people", "UPDATE counter SET generation = 'many'"),  # ValueError
        ("people", "UPDATE exemplars SET sealed = zeroblob(2000000)"),  # as much memory as the file names
        (
            "outbox",
            "INSERT INTO messages (topic, payload, qos, retain, kind) VALUES ('a', 'text', 1, 0, 'event')",
        ),  # TypeError
        (
            "outbox",
            "INSERT INTO messages (topic, payload, qos, retain, kind) VALUES ('a/#', x'00', 1, 0, 'event')",
        ),  # ValueError
        ("attempts", "UPDATE head SET entries = 'many'"),  # TypeError
        ("attempts", "UPDATE head SET hash = x'00'"),  # no JSON
        ("repeats", "UPDATE heard SET print = 1.5"),  # TypeError
        ("repeats", "UPDATE heard SET created = x'00'"),  # TypeError
        ("repeats", "DELETE FROM secret"),
    ],
)
def test_a_database_with_values_of_another_kind(tmp_path: Path, name: str, statement: str) -> None:
    path = _make(name, tmp_path / "state")
    _run(path, statement)
    _is_refused(name, path.parent)


@pytest.mark.parametrize("name", TABLES)
def test_a_database_whose_list_of_tables_is_no_text(tmp_path: Path, name: str) -> None:
    """SQLite quotes it in its error, and Python could not decode that."""
    path = _make(name, tmp_path / "state")
    path.write_bytes(path.read_bytes().replace(b"CREATE TABLE", b"CREATE TABL\x93"))
    _is_refused(name, path.parent)


def test_a_pin_that_would_take_hours_to_check() -> None:
    for n, r, p in ((1 << 15, 8, 1 << 20), (1 << 40, 8, 1), (12_345, 8, 1), (0, 0, 0)):
        assert not pin.fits((b"salt", b"digest", n, r, p), "123457")


# What lies beside them


@pytest.mark.parametrize(
    "text", [NESTED, '{"schema": 1, "correction": {"shift": 1e999, "slope": ' + str(HUGE) + ', "least_far": 0}}']
)
def test_json_in_the_state_folder_that_is_deep_or_endless(tmp_path: Path, text: str) -> None:
    for name in ("household.json", "choices.json"):
        (tmp_path / name).write_text(text)
    found = household(tmp_path, None, [])  # type: ignore[arg-type]
    assert found.stale
    assert Choices(tmp_path).restore("profile", "balanced", ("balanced",)) == "balanced"


def test_people_in_a_file_with_endless_numbers() -> None:
    document = {
        "kind": "earmark people",
        "schema": 1,
        "people": [{"id": "p0001", "name": "Ada", "created": "", "consent": ""}],
    }
    clip = {
        "vector": "AACAPw==",
        "encoder": "e",
        "space": "",
        "microphone": "",
        "created": "",
        "digest": "d",
        "snr_db": 1,
    }
    document["people"][0]["exemplars"] = [clip | {"speech_seconds": HUGE}]  # type: ignore[index]
    with pytest.raises(PeopleError, match="speech_seconds"):
        transfer.parsed(json.dumps(document).encode())
    with pytest.raises(UsageError, match="makes no sense"):
        passphrase.opened(b'earmark sealed 1\n{"kdf": "scrypt", "n": 1e999, "p": 1, "r": 8, "salt": "00"}\n', "x" * 12)


@pytest.mark.parametrize("text", [NESTED, '{"segments": [{"end": 1, "who": "Ada", "start": ' + str(HUGE) + "}]}"])
def test_a_truth_file_that_is_deep_or_endless(tmp_path: Path, text: str) -> None:
    (tmp_path / "truth.json").write_text(text)
    with pytest.raises(UsageError, match="form"):
        Truth.load(tmp_path / "truth.json")


def test_a_trial_list_with_a_field_of_megabytes(tmp_path: Path) -> None:
    path = tmp_path / "list.tsv"
    path.write_text("target\tenrol_speaker\tenrol\ttest_speaker\ttest\tnoise\n1\t" + "a" * 200_000 + "\n")
    with pytest.raises(UsageError, match="cannot be read"):
        read_list(path)


# Sound


def test_a_header_that_promises_65535_channels() -> None:
    """Mixing them would have taken 32 GiB."""
    form = struct.pack("<HHIIHH", 1, 65_535, 16_000, 0, 0, 16)
    wav = b"RIFF\xff\xff\xff\xffWAVEfmt \x10\0\0\0" + form + b"data\xff\xff\xff\xff" + bytes(300_000)
    with pytest.raises(AudioFileError, match="channels"):
        next(PcmSource(io.BytesIO(wav)).blocks(), None)


def test_samples_whose_sums_are_no_numbers() -> None:
    """ZeroDivisionError in the downmix of channels."""
    samples = np.full((16_000, 2), 3e38, "<f4")
    samples[::2] *= -1
    source = PcmSource(io.BytesIO(samples.tobytes()), channels=2, encoding="f32le")
    assert all(np.isfinite(block.samples).all() for block in source.blocks())
    assert source.repaired == samples.size


def test_a_file_whose_name_a_terminal_would_obey(tmp_path: Path) -> None:
    folder = os.fsencode(tmp_path)
    for name in (b"\x1b[2J\n.wav", b"\xff\xfe.wav"):
        with open(folder + b"/" + name, "wb") as file:  # noqa: PTH123 - the name is bytes
            file.write(b"no sound")
        with pytest.raises(AudioFileError) as caught:
            next(FileSource(os.fsdecode(folder + b"/" + name)).blocks(), None)
        assert caught.value.sentence().isprintable()
    with pytest.raises(AudioFileError) as caught:
        next(FolderSource(tmp_path).blocks(), None)
    assert caught.value.sentence().isprintable()


def test_an_error_quotes_only_so_much_and_settings_may_have_lines() -> None:
    assert len(EarmarkError("x" * 10**6, "y" * 10**6).sentence()) < 4000
    assert EarmarkError("a\nb\x9b").sentence() == "a\ufffdb\ufffd."
    assert SettingsError("two errors:\n  - one\n  - two").cause.count("\n") == 2


# The broker


@pytest.mark.parametrize(
    "said",
    [
        b"\x20\x02\x00\x00" + b"\x30\x01\x00",
        b"\x20\x02\x00\x00" + b"\x90\x01\x00",
        b"\xf0\xff\xff\xff\xff\xff",
        b"\x20\x00",
        b"HTTP/1.1 400\r\n",
    ],
)
def test_a_broker_that_does_not_speak_mqtt(said: bytes) -> None:
    """IndexError and struct.error from inside paho."""
    with pytest.raises(BrokerError):
        _talk(said)


def test_a_topic_that_is_no_text() -> None:
    """UnicodeDecodeError from inside paho; what follows is still heard."""
    odd, good = b"\x30\x05\x00\x02\xff\xfe!", b"\x30\x04\x00\x01a!"
    assert _talk(b"\x20\x02\x00\x00" + odd + good, until=1) == ["a"]


def _talk(said: bytes, until: int | None = None) -> list[str]:
    """Topics heard from a broker that says this; it then hangs up, unless so many are heard before."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def speak() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(said)
                if until is None:
                    connection.shutdown(socket.SHUT_WR)
                connection.recv(1000)

        thread = threading.Thread(target=speak)
        thread.start()
        wake = Wake()
        mqtt = Mqtt(port=server.getsockname()[1])
        client = Connection(mqtt, "earmark-x", password=None, context=None, will=None, window=1, wake=wake)
        heard: list[str] = []
        try:
            client.open(lambda: False)
            while until is None or len(heard) < until:
                client.step(5.0)
                heard += [message.topic for message in client.received]
                client.received.clear()
        finally:
            client.abandon()
            wake.close()
            thread.join()
    return heard


def test_a_zip_in_a_zip_that_would_be_gigabytes(tmp_path: Path) -> None:
    """Held from the beginning; here so that it stays so."""
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("card.json", bytes(2 << 20))
    (tmp_path / "b.earmark").write_bytes(bomb.getvalue())
    with pytest.raises(BundleError, match="larger than"):
        open_bundle(tmp_path / "b.earmark")
