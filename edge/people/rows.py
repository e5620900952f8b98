"""The rows of the people database: sealed, opened, and read from the versions that were not encrypted.

Takes: a connection, a vault. Gives: ``Record``s, one per person, and back. Must hold: a row opens only for the person,
the model and the database that it was sealed for; what cannot be opened or makes no sense is a ``ValueError`` that says
what; names, notes, circumstances and vectors are never in clear in a row.

A person's row seals JSON, padded, so that its length does not tell the name's; an exemplar's the length of such JSON
(4 bytes), the JSON, and the turned vector (float64, little-endian).
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from edge.people.database import VERSION, version
from edge.people.names import name_key
from edge.records import Exemplar, Float32
from edge.vault import Tampered, Vault, about

_PADDED_TO: Final = 256
_MOST_DIMENSIONS: Final = 4096
_CIRCUMSTANCES: Final = (
    ("speech_seconds", float),
    ("snr_db", float),
    ("microphone", str),
    ("created", str),
    ("digest", str),
)


@dataclass(slots=True)
class Record:
    """Everything that is kept of a person; exemplars in the order in which they came."""

    id: str
    name: str
    created: str
    consent: str
    exemplars: list[Exemplar] = field(default_factory=list)


def read(connection: sqlite3.Connection, vault: Vault | None) -> list[Record]:
    """Everybody, by name. ``vault``: None for a database of a version that was not encrypted.

    Raises ``ValueError``, and ``RuntimeMissingError`` where the library that opens rows is missing.
    """
    records = _read_plain(connection) if vault is None else _read_sealed(connection, vault)
    return sorted(records, key=lambda record: name_key(record.name))


def insert(connection: sqlite3.Connection, vault: Vault, record: Record) -> None:
    """A new person with all exemplars. Raises ``sqlite3.IntegrityError`` where the name is taken."""
    connection.execute(
        "INSERT INTO people (id, mark, sealed) VALUES (?, ?, ?)",
        (record.id, _name_mark(vault, record.name), _sealed_person(vault, record)),
    )
    insert_exemplars(connection, vault, record.id, record.exemplars)


def insert_plain(connection: sqlite3.Connection, record: Record) -> None:
    """The same into a database of the last version that was not encrypted."""
    names = (record.id, record.name, name_key(record.name), record.created, record.consent)
    connection.execute("INSERT INTO people (id, name, name_key, created, consent) VALUES (?, ?, ?, ?, ?)", names)
    for clip in record.exemplars:
        circumstances = [kind(getattr(clip, key)) for key, kind in _CIRCUMSTANCES]
        connection.execute(
            "INSERT INTO exemplars (person_id, vector, encoder, space, speech_seconds, snr_db, microphone, created, "
            "digest) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (record.id, clip.vector.astype("<f4").tobytes(), clip.encoder, clip.space, *circumstances),
        )


def rename(connection: sqlite3.Connection, vault: Vault, record: Record) -> None:
    """Another name for a person who is there. Raises ``sqlite3.IntegrityError`` where it is taken."""
    connection.execute(
        "UPDATE people SET mark = ?, sealed = ? WHERE id = ?",
        (_name_mark(vault, record.name), _sealed_person(vault, record), record.id),
    )


def insert_exemplars(
    connection: sqlite3.Connection, vault: Vault, person_id: str, exemplars: Iterable[Exemplar]
) -> None:
    """More exemplars of a person. Raises ``sqlite3.IntegrityError`` for one that is there."""
    for clip in exemplars:
        mark = vault.mark("clip", person_id, clip.encoder, clip.digest)
        connection.execute(
            "INSERT INTO exemplars (person_id, encoder, space, mark, sealed) VALUES (?, ?, ?, ?, ?)",
            (person_id, clip.encoder, clip.space, mark, _sealed_exemplar(vault, person_id, clip)),
        )


def set_space(connection: sqlite3.Connection, vault: Vault, encoder: str, space: str) -> None:
    """Name the space of exemplars that were stored before spaces were."""
    found = connection.execute(
        "SELECT number, person_id, sealed FROM exemplars WHERE encoder = ? AND space = ''", (encoder,)
    ).fetchall()
    for number, person_id, sealed in found:
        data = _opened(vault, sealed, _about_exemplar(person_id, encoder, ""))
        again = vault.seal(data, _about_exemplar(person_id, encoder, space))
        connection.execute("UPDATE exemplars SET space = ?, sealed = ? WHERE number = ?", (space, again, number))


def _read_sealed(connection: sqlite3.Connection, vault: Vault) -> list[Record]:
    found: dict[str, Record] = {}
    for person_id, sealed in connection.execute("SELECT id, sealed FROM people").fetchall():
        raw = _object(_opened(vault, sealed, _about_person(person_id)))
        name, created, consent = (_of(raw, key, str) for key in ("name", "created", "consent"))
        found[person_id] = Record(person_id, name, created, consent)
    rows = connection.execute("SELECT person_id, encoder, space, sealed FROM exemplars ORDER BY number").fetchall()
    for person_id, encoder, space, sealed in rows:
        if person_id not in found:
            raise ValueError("a voiceprint belongs to nobody")
        data = _opened(vault, sealed, _about_exemplar(person_id, encoder, space))
        found[person_id].exemplars.append(_exemplar(vault, data, encoder, space))
    return list(found.values())


def _exemplar(vault: Vault, data: bytes, encoder: str, space: str) -> Exemplar:
    length = int.from_bytes(data[:4], "big")
    raw = _object(data[4 : 4 + length])
    turned = data[4 + length :]
    if not turned or len(turned) % 8 or len(turned) > 8 * _MOST_DIMENSIONS:
        raise ValueError("a voiceprint has an impossible length")
    vector = vault.back(np.frombuffer(turned, "<f8").astype(np.float64))
    circumstances = {key: _of(raw, key, kind) for key, kind in _CIRCUMSTANCES}
    return Exemplar(_finite(vector), encoder, space=space, **circumstances)


def _read_plain(connection: sqlite3.Connection) -> list[Record]:
    found = {
        row[0]: Record(*row) for row in connection.execute("SELECT id, name, created, consent FROM people").fetchall()
    }
    space = "space" if version(connection) >= 2 else "''"
    rows = connection.execute(
        "SELECT person_id, vector, encoder, speech_seconds, snr_db, microphone, created, digest, "
        f"{space} FROM exemplars ORDER BY number"
    ).fetchall()
    for person_id, blob, *rest in rows:
        if person_id not in found:
            raise ValueError("a voiceprint belongs to nobody")
        if not isinstance(blob, bytes) or not blob or len(blob) % 4:
            raise ValueError("a voiceprint has an impossible length")
        vector: Float32 = np.frombuffer(blob, "<f4").astype(np.float32)
        found[person_id].exemplars.append(Exemplar(_finite(vector), *rest))
    return list(found.values())


def is_plain(connection: sqlite3.Connection) -> bool:
    """Whether the database is of a version that was not encrypted."""
    return 0 < version(connection) < VERSION


def _finite(vector: Float32) -> Float32:
    if not np.isfinite(vector).all():
        raise ValueError("a voiceprint holds values that are not finite numbers")
    return vector


def _opened(vault: Vault, sealed: Any, row: bytes) -> bytes:
    if isinstance(sealed, bytes):
        try:
            return vault.open(sealed, row)
        except Tampered:
            pass
    raise ValueError("a row was changed, or belongs to another person, model or database")


def _object(data: bytes) -> dict[str, Any]:
    raw = json.loads(data.decode("utf-8"))
    if not isinstance(raw, dict):
        raise ValueError("a row holds something else than it should")
    return raw


def _of(raw: dict[str, Any], key: str, kind: type) -> Any:
    value = raw.get(key)
    if not isinstance(value, kind):
        raise ValueError(f"a row lacks {key}")
    return value


def _sealed_person(vault: Vault, record: Record) -> bytes:
    values = {"name": record.name, "created": record.created, "consent": record.consent}
    return vault.seal(_padded(values), _about_person(record.id))


def _sealed_exemplar(vault: Vault, person_id: str, clip: Exemplar) -> bytes:
    circumstances = _padded({key: kind(getattr(clip, key)) for key, kind in _CIRCUMSTANCES})
    data = len(circumstances).to_bytes(4, "big") + circumstances + vault.turn(clip.vector).astype("<f8").tobytes()
    return vault.seal(data, _about_exemplar(person_id, clip.encoder, clip.space))


def _padded(values: dict[str, Any]) -> bytes:
    data = json.dumps(values, ensure_ascii=False).encode("utf-8")
    return data + b" " * (-len(data) % _PADDED_TO)


def _about_person(person_id: str) -> bytes:
    return about("person", person_id)


def _about_exemplar(person_id: str, encoder: str, space: str) -> bytes:
    return about("exemplar", person_id, encoder, space)


def _name_mark(vault: Vault, name: str) -> bytes:
    return vault.mark("name", name_key(name))
