"""A small case for each defect that fuzzing has found: the state folder. The comments say what it was."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from edge.auth import pin
from edge.auth.clock import ManualBootClock
from edge.auth.gate import Counter
from edge.calibrate.kept import household
from edge.cli.truth import Truth
from edge.daemon.choices import Choices
from edge.daemon.installing import Installer
from edge.errors import (
    AttemptsError,
    PeopleError,
    StorageError,
    UsageError,
)
from edge.outbox import Outbox
from edge.people import PeopleStore, transfer
from edge.spoof import Repeats
from edge.vault import passphrase
from tests.edge.people_clips import clips
from tests.edge.small_bundles import sound
from training.trials import read_list

HUGE = 10**400
"""JSON may hold it, and no float can."""
NESTED = "[" * 100_000 + "]" * 100_000


# Databases

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


# JSON and lists


@pytest.mark.parametrize(
    "text", [NESTED, '{"schema": 1, "correction": {"shift": 1e999, "slope": ' + str(HUGE) + ', "least_far": 0}}']
)
def test_json_in_the_state_folder_that_is_deep_or_endless(tmp_path: Path, text: str) -> None:
    for name in ("household.json", "choices.json"):
        (tmp_path / name).write_text(text)
    found = household(tmp_path, None, [])  # type: ignore[arg-type]
    assert found.stale
    assert Choices(tmp_path).restore("profile", "balanced", ("balanced",)) is None


def test_an_update_whose_name_is_longer_than_a_file_may_have(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The daemon could not be started any more."""
    trying = {"name": "a" * 5000, "fingerprint": "0" * 16, "stamp": "a:1:2"}
    (tmp_path / "updates.json").write_text(json.dumps({"trying": trying}))
    Installer(tmp_path).recover()
    assert "cannot be taken back" in caplog.text
    assert Installer(tmp_path).failed == {}


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
