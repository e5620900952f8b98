"""People databases as the versions before encryption wrote them."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from edge.records import Exemplar
from tests.edge.people_clips import clip

FIRST = """
CREATE TABLE people (id TEXT PRIMARY KEY, name TEXT NOT NULL, name_key TEXT NOT NULL UNIQUE, created TEXT NOT NULL,
    consent TEXT NOT NULL);
CREATE TABLE exemplars (number INTEGER PRIMARY KEY,
    person_id TEXT NOT NULL REFERENCES people (id) ON DELETE CASCADE, vector BLOB NOT NULL, encoder TEXT NOT NULL,
    speech_seconds REAL NOT NULL, snr_db REAL NOT NULL, microphone TEXT NOT NULL, created TEXT NOT NULL,
    digest TEXT NOT NULL, UNIQUE (person_id, encoder, digest));
CREATE TABLE counter (generation INTEGER NOT NULL);
INSERT INTO counter VALUES (7);
PRAGMA application_id = 0x4561724D;
PRAGMA user_version = 1;
"""
SECOND = """
ALTER TABLE exemplars ADD COLUMN space TEXT NOT NULL DEFAULT '';
PRAGMA user_version = 2;
"""
COLUMNS = "person_id, vector, encoder, speech_seconds, snr_db, microphone, created, digest"


def old_database(path: Path, names: tuple[str, ...] = ("Wilhelmina", "Benedict"), *, schema: int = 2) -> None:
    """``names`` with four clips each: those of person ``i`` are ``clip(10 * i)`` and the three that follow."""
    people = {name: [clip(number) for number in range(10 * i, 10 * i + 4)] for i, name in enumerate(names)}
    store_plain(path, people, schema=schema)


def store_plain(path: Path, people: Mapping[str, Sequence[Exemplar]], *, schema: int = 2) -> None:
    """People with these exemplars, whose spaces the first schema does not know."""
    path.parent.mkdir(mode=0o700, exist_ok=True)
    connection = sqlite3.connect(path)
    connection.executescript(FIRST + (SECOND if schema == 2 else ""))
    for i, (name, exemplars) in enumerate(people.items()):
        row = (f"p{i:04x}", name, name.casefold(), "2026-11-21T10:00:00Z", f"note of {name}")
        connection.execute("INSERT INTO people VALUES (?, ?, ?, ?, ?)", row)
        for one in exemplars:
            values = (row[0], np.asarray(one.vector, "<f4").tobytes(), one.encoder, one.speech_seconds, one.snr_db)
            values += (one.microphone, one.created, one.digest)
            connection.execute(f"INSERT INTO exemplars ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", values)
            if schema == 2:
                connection.execute("UPDATE exemplars SET space = ? WHERE number = last_insert_rowid()", (one.space,))
    connection.commit()
    connection.close()
    path.chmod(0o600)
