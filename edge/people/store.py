"""The people store: what commands and daemon see of the database.

Takes: names, ids, exemplars. Gives: ``Person`` records.
Must hold: every change is one transaction and raises the generation; reading never sees half of a change.
"""

from __future__ import annotations

import difflib
import secrets
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from edge.errors import PeopleError, UnknownPersonError
from edge.people.database import FILE_NAME, connect, damaged, in_words
from edge.people.names import check_name, name_key
from edge.records import Exemplar, Float32, Person
from edge.sqlite_files import transaction

_COLUMNS = "person_id, vector, encoder, speech_seconds, snr_db, microphone, created, digest, space"
_MOST_PEOPLE = 1000


class PeopleStore:
    """The people enrolled on this device. Threads may share one; several processes may have the same file open.

    ``path``: the SQLite file, or the folder in which it is ``people.sqlite``; made where it does not exist.
    ``spaces``: encoder -> embedding space, for exemplars that were stored before spaces were; what is read here follows
    it at once, and the file with the next change. Raises ``PeopleError`` for a file that is damaged, foreign or of a
    newer version, which is left as it is, and ``StorageError`` where the folder is read-only or the disk is full. The
    same holds for every method.
    """

    def __init__(self, path: Path, spaces: Mapping[str, str] | None = None) -> None:
        self._spaces = dict(spaces or {})
        self.path = path / FILE_NAME if path.is_dir() else path
        self._lock = threading.RLock()
        self._connection = connect(self.path)

    def __enter__(self) -> PeopleStore:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; safe to call twice."""
        with self._lock:
            self._connection.close()

    def generation(self) -> int:
        """A number that grows with every change, by whichever process."""
        with self._reading() as connection:
            return int(connection.execute("SELECT generation FROM counter").fetchone()[0])

    def people(self, encoder: str | None = None, space: str = "") -> tuple[Person, ...]:
        """Everybody, by name. With ``encoder`` only those who have exemplars of that encoder or, where it is given, of
        the embedding space ``space``, and only these exemplars. A recording that was embedded by several encoders of
        the space counts once, by ``encoder`` where it is among them.
        """
        people = self._load()
        if encoder is None:
            return people
        fitting = (_only(person, encoder, space) for person in people)
        return tuple(person for person in fitting if person.exemplars)

    def others(self, encoder: str, space: str = "") -> tuple[Person, ...]:
        """Those who have no exemplar of ``encoder`` or ``space``, and must enrol again to be known to it."""
        return tuple(person for person in self._load() if not _only(person, encoder, space).exemplars)

    def find(self, who: str) -> Person:
        """The person with this id or name (case makes no difference), with all exemplars.

        Raises ``UnknownPersonError`` that names the nearest.
        """
        people = self._load()
        key = name_key(who)
        for person in people:
            if person.id == who.strip() or name_key(person.name) == key:
                return person
        raise _unknown(who, [person.name for person in people])

    def consent(self, who: str) -> str:
        """The note on consent that was taken at enrolment; may be empty."""
        person = self.find(who)
        with self._reading() as connection:
            row = connection.execute("SELECT consent FROM people WHERE id = ?", (person.id,)).fetchone()
        return str(row[0]) if row else ""

    def add(self, name: str, exemplars: Iterable[Exemplar], *, consent: str = "", created: str | None = None) -> Person:
        """Enrol somebody new, with all clips or not at all.

        ``consent``: a note on who agreed to what. ``created``: ISO time, by default now. Raises ``PeopleError`` where
        the name will not do or is taken, without exemplars, and for the same clip twice.
        """
        name, clips = check_name(name), _checked(exemplars)
        with self._writing() as connection:
            self._refuse_taken(connection, name, but="")
            ids = {row[0] for row in connection.execute("SELECT id FROM people")}
            if len(ids) >= _MOST_PEOPLE:
                raise PeopleError(f"{_MOST_PEOPLE} people are enrolled, which is the limit", "Remove somebody first.")
            person_id = _new_id(ids)
            connection.execute(
                "INSERT INTO people (id, name, name_key, created, consent) VALUES (?, ?, ?, ?, ?)",
                (person_id, name, name_key(name), created or _now(), consent),
            )
            _insert(connection, person_id, clips)
        return self.find(person_id)

    def add_exemplars(self, who: str, exemplars: Iterable[Exemplar], *, replace: bool = False) -> Person:
        """Add clips to a person's enrolment, all or none; with ``replace`` the clips of the same encoders and embedding
        spaces go first.

        Raises ``PeopleError`` without exemplars and for a clip that is there already.
        """
        clips = _checked(exemplars)
        with self._writing() as connection:
            person = self.find(who)
            if replace:
                for encoder, space in {(clip.encoder, clip.space) for clip in clips}:
                    connection.execute(
                        "DELETE FROM exemplars WHERE person_id = ? AND (encoder = ? OR (space = ? AND space != ''))",
                        (person.id, encoder, space),
                    )
            _insert(connection, person.id, clips)
        if replace:
            self._shrink()
        return self.find(person.id)

    def rename(self, who: str, name: str) -> Person:
        """Give a person another name; the id stays. Raises ``PeopleError`` where it will not do or is taken."""
        name = check_name(name)
        with self._writing() as connection:
            person = self.find(who)
            self._refuse_taken(connection, name, but=person.id)
            connection.execute(
                "UPDATE people SET name = ?, name_key = ? WHERE id = ?", (name, name_key(name), person.id)
            )
        self._shrink()
        return self.find(person.id)

    def remove(self, who: str) -> Person:
        """Forget a person: name and exemplars are overwritten in the file. Returns the person as it was.

        A flash disk may keep old blocks out of reach of any program until it uses them again.
        """
        with self._writing() as connection:
            person = self.find(who)
            connection.execute("DELETE FROM people WHERE id = ?", (person.id,))
        self._shrink()
        return person

    def _load(self) -> tuple[Person, ...]:
        with self._reading() as connection:
            # One statement, so that both tables are seen at the same moment.
            rows = connection.execute(
                "SELECT p.id, p.name, p.created, e.vector, e.encoder, e.speech_seconds, e.snr_db, e.microphone, "
                "e.created, e.digest, e.space "
                "FROM people p LEFT JOIN exemplars e ON e.person_id = p.id ORDER BY p.name_key, e.number"
            ).fetchall()
        found: dict[str, tuple[str, str, list[Exemplar]]] = {}
        for person_id, name, created, vector, *circumstances in rows:
            clips = found.setdefault(person_id, (name, created, []))[2]
            if vector is not None:
                clip = Exemplar(self._vector(vector), *circumstances)
                clips.append(clip if clip.space else replace(clip, space=self._spaces.get(clip.encoder, "")))
        return tuple(Person(key, name, created, tuple(clips)) for key, (name, created, clips) in found.items())

    def _vector(self, blob: bytes) -> Float32:
        if not isinstance(blob, bytes) or not blob or len(blob) % 4:
            raise damaged(self.path, "a voiceprint has an impossible length")
        vector: Float32 = np.frombuffer(blob, "<f4").astype(np.float32)
        if not np.isfinite(vector).all():
            raise damaged(self.path, "a voiceprint holds values that are not finite numbers")
        return vector

    def _refuse_taken(self, connection: sqlite3.Connection, name: str, *, but: str) -> None:
        row = connection.execute("SELECT id, name FROM people WHERE name_key = ?", (name_key(name),)).fetchone()
        if row is not None and row[0] != but:
            raise PeopleError(
                f"somebody called {row[1]} is enrolled already", "Choose another name, or add clips to theirs."
            )

    def _shrink(self) -> None:
        # secure_delete has overwritten what was removed; this gives the space back, which may wait.
        with self._lock, suppress(sqlite3.Error):
            self._connection.execute("VACUUM")

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with self._lock, in_words(self.path):
            yield self._connection

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._lock, in_words(self.path), transaction(self._connection):
            rows = [(space, encoder) for encoder, space in self._spaces.items()]
            self._connection.executemany("UPDATE exemplars SET space = ? WHERE encoder = ? AND space = ''", rows)
            yield self._connection
            self._connection.execute("UPDATE counter SET generation = generation + 1")


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _only(person: Person, encoder: str, space: str) -> Person:
    own = [clip for clip in person.exemplars if clip.encoder == encoder]
    kept = {id(clip) for clip in own}
    seen = {clip.digest for clip in own}
    for clip in person.exemplars:
        if space and clip.space == space and clip.digest not in seen:
            seen.add(clip.digest)
            kept.add(id(clip))
    clips = tuple(clip for clip in person.exemplars if id(clip) in kept)
    return Person(person.id, person.name, person.created, clips)


def _checked(exemplars: Iterable[Exemplar]) -> tuple[Exemplar, ...]:
    clips = tuple(exemplars)
    if not clips:
        raise PeopleError("an enrolment needs at least one clip", "Record or name some clips.")
    for clip in clips:
        if clip.vector.ndim != 1 or not len(clip.vector) or not np.isfinite(clip.vector).all():
            raise PeopleError("a clip's embedding is not a vector of finite numbers", "Enrol again.")
        if not clip.encoder or not clip.digest:
            raise PeopleError("a clip lacks the hash of its encoder or its digest", "Enrol again.")
    return clips


def _insert(connection: sqlite3.Connection, person_id: str, clips: tuple[Exemplar, ...]) -> None:
    for clip in clips:
        vector = np.ascontiguousarray(clip.vector, "<f4").tobytes()
        row = (person_id, vector, clip.encoder, float(clip.speech_seconds), float(clip.snr_db), clip.microphone)
        try:
            connection.execute(
                f"INSERT INTO exemplars ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (*row, clip.created, clip.digest, clip.space),
            )
        except sqlite3.IntegrityError as error:
            raise PeopleError("the same recording is enrolled twice for one person", "Give each clip once.") from error


def _new_id(taken: set[str]) -> str:
    while True:
        candidate = f"p{secrets.token_hex(2)}"
        if candidate not in taken:
            return candidate


def _unknown(who: str, names: list[str]) -> UnknownPersonError:
    shown = "".join(letter for letter in who[:40] if letter.isprintable())
    if not names:
        return UnknownPersonError(
            f"nobody called {shown!r} is enrolled, nor anybody else", "Enrol with earmark enroll."
        )
    keys = {name_key(name): name for name in names}
    near = difflib.get_close_matches(name_key(who), list(keys), n=1)
    if near:
        return UnknownPersonError(f"nobody called {shown!r} is enrolled", f"Did you mean {keys[near[0]]}?")
    listed = ", ".join(names[:8]) + (" and others" if len(names) > 8 else "")
    return UnknownPersonError(f"nobody called {shown!r} is enrolled", f"Enrolled are {listed}.")
