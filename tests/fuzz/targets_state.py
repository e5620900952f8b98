"""The files of the state folder: databases that are damaged, foreign or laid as traps, logs, JSON."""

from __future__ import annotations

import json
import random
import shutil
import sqlite3
from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from types import SimpleNamespace
from typing import Final

from edge.auth import audit
from edge.auth.clock import BootClock, ManualBootClock
from edge.auth.gate import Counter
from edge.bundle import open_bundle
from edge.calibrate.kept import household, keep
from edge.correction import Correction
from edge.daemon.choices import Choices
from edge.daemon.installing import Installer
from edge.mqtt import Topics
from edge.outbox import Outbox, peek
from edge.people import PeopleStore
from edge.records import Exemplar
from edge.scoring import voiceprint
from edge.spoof import Repeats
from tests.edge.small_bundles import sound
from tests.fuzz.mutate import SCRAPS, mutate, mutate_json
from tests.fuzz.target import Target, command, only_earmark_errors
from tests.fuzz.targets_bundle import bundles, clip_file

TOPICS: Final = Topics("earmark", "kitchen")


@cache
def state() -> Path:
    """A state folder with two people, some messages, attempts, fingerprints and a calibration; made once."""
    folder = Path(mkdtemp(prefix="earmark-fuzz-state-"))
    bundle = open_bundle(bundles() / "stats")
    with PeopleStore(folder) as store:
        for number, name in enumerate(("Ada", "Ben")):
            clips = [
                Exemplar(
                    bundle.embed(sound(2, 10 * number + k)),
                    bundle.encoder,
                    speech_seconds=2.0,
                    snr_db=20.0,
                    microphone="mic:USB",
                    created="2026-11-21T10:00:00Z",
                    digest=f"d{k}",
                )
                for k in range(3)
            ]
            store.add(name, clips, consent="asked")
        keep(folder, bundle, store.people(bundle.encoder), Correction(0.5, 1.1, 0.01), {"clips": 6})
    with Outbox(folder / "outbox.sqlite") as outbox:
        for number in range(6):
            outbox.append(TOPICS.message("utterance", b'{"id": %d}' % number))
        outbox.append(TOPICS.availability(True))
        outbox.acknowledge(1)
    counter = Counter(folder, BootClock())
    for verdict in ("failed", "match", "nothing", "failed"):
        taken = counter.begin("p0001", {"requester": "cli"}, called="Ada")
        counter.end(taken.number, "p0001", "attempt", verdict, {"outcome": verdict})
    counter.close()
    with Repeats(folder) as repeats:
        repeats.remember(sound(2, 3), person_id="p0001")
    Choices(folder).remember("profile", "relaxed", "balanced")
    trying = {"name": "small", "fingerprint": "0" * 16, "stamp": "small.earmark:1:2"}
    (folder / "updates.json").write_text(json.dumps({"trying": trying, "failed": {"old.earmark:1:2": "refused"}}))
    for name in ("attempts", "outbox"):  # all in one file
        with sqlite3.connect(folder / f"{name}.sqlite", isolation_level=None) as db:
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        db.close()
    return folder


TRAPS: Final = (
    "DROP TABLE {t}",
    "DELETE FROM {t}",
    "ALTER TABLE {t} RENAME TO other",
    "ALTER TABLE {t} ADD COLUMN more TEXT",
    "ALTER TABLE {t} RENAME COLUMN {c} TO other",
    "CREATE TRIGGER trap AFTER INSERT ON {t} BEGIN DELETE FROM {t}; END",
    "CREATE TRIGGER trap BEFORE UPDATE ON {t} BEGIN SELECT RAISE(ABORT, 'trap'); END",
    "CREATE TRIGGER trap AFTER DELETE ON {t} BEGIN INSERT INTO {t} ({c}) VALUES (randomblob(9000000)); END",
    "ALTER TABLE {t} RENAME TO other; CREATE VIEW {t} AS SELECT * FROM other",
    "ALTER TABLE {t} RENAME TO other; CREATE VIEW {t} AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i FROM n) "
    "SELECT i AS {c} FROM n",
    "ALTER TABLE {t} RENAME TO other; CREATE VIEW {t} AS SELECT *, zeroblob(900000000) AS more FROM other",
    "CREATE VIEW more AS SELECT * FROM {t}",
    "CREATE TABLE more (x)",
    "UPDATE {t} SET {c} = NULL",
    "UPDATE {t} SET {c} = 'text'",
    "UPDATE {t} SET {c} = x'00ff'",
    "UPDATE {t} SET {c} = CAST(x'ff80c0' AS TEXT)",
    "UPDATE {t} SET {c} = zeroblob(4000000)",
    "UPDATE {t} SET {c} = char(27) || '[2J' || char(10)",
    "UPDATE {t} SET {c} = -9223372036854775808",
    "UPDATE {t} SET {c} = 9e999",
    "UPDATE {t} SET {c} = 1.5",
    "UPDATE {t} SET {c} = ''",
    "PRAGMA user_version = {n}",
    "PRAGMA application_id = {n}",
    "PRAGMA journal_mode = WAL",
    "PRAGMA encoding = 'UTF-16'; VACUUM",
    "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = replace(sql, 'NOT NULL', '')",
    "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = replace(sql, 'TEXT', 'BLOB')",
    "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET rootpage = {n}",
    "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = 'CREATE TABLE {t} (' || substr(sql, {n})",
)  # fmt: skip
"""SQL that somebody may have run on the file; ``{t}`` a table, ``{c}`` a column, ``{n}`` a number."""


def change_database(seed: bytes, rng: random.Random) -> bytes:
    """A database whose bytes are damaged, or that SQL has made into something else."""
    if rng.random() < 0.5:
        return mutate(seed, rng, (*SCRAPS, b"\x0d", b"\x05", b"CREATE TRIGGER", b"CREATE VIEW"))
    place = Path(mkdtemp(prefix="earmark-fuzz-sql-"))
    path = place / "db"
    path.write_bytes(seed)
    db = sqlite3.connect(path, isolation_level=None)
    try:
        for _ in range(rng.choice((1, 1, 2))):
            _trap(db, rng)
    finally:
        db.close()
    data = path.read_bytes()
    shutil.rmtree(place)
    return data


def _trap(db: sqlite3.Connection, rng: random.Random) -> None:
    try:
        tables = [r[0] for r in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")]
        table = rng.choice([name for name in tables if not name.startswith("sqlite_")])
        column = rng.choice([r[1] for r in db.execute(f"PRAGMA table_info({table})")])
        db.execute("PRAGMA ignore_check_constraints = ON")
        sql = rng.choice(TRAPS).format(t=table, c=column, n=rng.choice((-1, 0, 2, 3, 99, 2**31 - 1)))
        for statement in sql.split("; ") if "TRIGGER" not in sql else [sql]:
            db.execute(statement)
    except (sqlite3.Error, IndexError):
        return  # NOT NULL, say: then it is as it was


def _seed(name: str) -> Callable[[Path], list[bytes]]:
    return lambda _: [(state() / name).read_bytes()]


def laid(name: str, data: bytes, place: Path) -> Path:
    """A copy of the state folder in which one file is another."""
    folder = Path(shutil.copytree(state(), place / "state"))
    for tail in ("-wal", "-shm"):
        (folder / f"{name}{tail}").unlink(missing_ok=True)
    (folder / name).write_bytes(data)
    return folder


def _people(data: bytes, place: Path) -> None:
    folder = laid("people.sqlite", data, place)
    with only_earmark_errors(), PeopleStore(folder) as store:
        store.generation()
        for person in store.people():
            TOPICS.message("person", b"", person.id)
            if person.exemplars:
                with only_earmark_errors():
                    voiceprint(person)
            with only_earmark_errors():
                store.consent(person.id)
        clip = Exemplar(sound(1)[:64], "e", 1.0, 1.0, "m", "2026", "new")
        for act in (
            lambda: store.find("Ada"),
            lambda: store.add("Cy", [clip]),
            lambda: store.add_exemplars("Ada", [clip], replace=True),
            lambda: store.rename("Ada", "Eve"),
            lambda: store.remove("Ben"),
        ):
            with only_earmark_errors():
                act()


def _outbox(data: bytes, place: Path) -> None:
    folder = laid("outbox.sqlite", data, place)
    path = folder / "outbox.sqlite"
    with only_earmark_errors():
        peek(path)
    with only_earmark_errors(), Outbox(path, 20) as outbox:
        outbox.append(TOPICS.message("utterance", b"{}"))
        waiting = outbox.pending()
        for _, message in [*waiting, *outbox.states()]:
            if not isinstance(message.topic, str) or not isinstance(message.payload, bytes):
                raise AssertionError(f"a message of {type(message.topic)} and {type(message.payload)}")
            TOPICS.owns(message.topic)
        outbox.acknowledge(*(ident for ident, _ in waiting))
        outbox.append(TOPICS.message("utterance", b"{}"))
        outbox.take_back()
        _ = outbox.counters


def _attempts(data: bytes, place: Path) -> None:
    _gate(laid("attempts.sqlite", data, place))


def _log(data: bytes, place: Path) -> None:
    folder = laid("audit.jsonl", data, place)
    shutil.copy(folder / "audit.jsonl", folder / "audit-00000001.jsonl")
    _gate(folder)


def _gate(folder: Path) -> None:
    with only_earmark_errors():
        audit.check(folder)
    with only_earmark_errors():
        for entry in audit.entries(folder):
            str(entry)
    with only_earmark_errors():
        counter = Counter(folder, ManualBootClock(), 1.0)
        try:
            for who in ("p0001", "p0002"):
                with only_earmark_errors():
                    counter.check(who, called="Ada")
                with only_earmark_errors():
                    taken = counter.begin(who, {"requester": "cli"}, called="Ada")
                    counter.end(taken.number, who, "attempt", "failed", {"outcome": "no_match"})
            with only_earmark_errors():
                counter.unlock("p0001", "123457")
        finally:
            counter.close()


def _repeats(data: bytes, place: Path) -> None:
    folder = laid("repeats.sqlite", data, place)
    with only_earmark_errors(), Repeats(folder) as repeats:
        for act in (
            lambda: repeats.seen(sound(2, 3)),
            lambda: repeats.meet(sound(2, 4)),
            lambda: repeats.forget("p0001"),
            lambda: len(repeats),
        ):
            with only_earmark_errors():
                act()


def _json(data: bytes, place: Path) -> None:
    folder = laid("household.json", data, place)
    (folder / "choices.json").write_bytes(data)
    bundle = SimpleNamespace(encoder="e", calibration={}, cohort=sound(0.01))
    found = household(folder, bundle, [])  # type: ignore[arg-type]
    found.origin(0.01)
    found.correction(sound(0.001))
    choices = Choices(folder)
    choices.restore("profile", "balanced", ("relaxed", "balanced"))
    choices.remember("profile", "relaxed", "balanced")
    (folder / "updates.json").write_bytes(data)
    installer = Installer(folder)
    json.dumps(installer.failed)
    installer.recover()


def _everyday(name: str) -> Callable[[bytes, Path], None]:
    """What somebody does whose state folder has such a file."""

    def run(data: bytes, place: Path) -> None:
        folder = laid(name, data, place)
        home = {"EARMARK_STATE": str(folder), "HOME": str(place), "EARMARK_MODELS__BUNDLE": str(bundles() / "stats")}
        clip = shutil.copy(clip_file(), place / "clip.wav")
        command(
            "doctor", "--only", "people", "--only", "outbox", "--only", "attempts", "--only", "household", environ=home
        )
        command("people", environ=home)
        command("people", "show", "Ada", environ=home)
        command("identify", clip, environ=home)
        command("verify", "Ada", clip, environ=home)
        command("audit", environ=home)
        command("audit", "--verify", "--json", environ=home)
        command("people", "remove", "Ada", "--yes", environ=home)

    return run


DATABASES: Final = ("people", "outbox", "attempts", "repeats")
_USES: Final = {"people": _people, "outbox": _outbox, "attempts": _attempts, "repeats": _repeats}

TARGETS = (
    *(Target(name, _seed(f"{name}.sqlite"), _USES[name], change_database) for name in DATABASES),
    *(
        Target(f"{name}-commands", _seed(f"{name}.sqlite"), _everyday(f"{name}.sqlite"), change_database, cost=8)
        for name in DATABASES
    ),
    Target("audit-log", _seed("audit.jsonl"), _log),
    Target("audit-commands", _seed("audit.jsonl"), _everyday("audit.jsonl"), cost=8),
    Target("household", _seed("household.json"), _json, mutate_json),
    Target("household-commands", _seed("household.json"), _everyday("household.json"), mutate_json, cost=8),
    Target("choices", _seed("choices.json"), _json, mutate_json),
    Target("updates", _seed("updates.json"), _json, mutate_json),
)
