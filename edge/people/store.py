"""The people store: what commands and daemon see of the database.

Takes: names, ids, exemplars. Gives: ``Person`` records.
Must hold: every change is one transaction and raises the generation; reading never sees half of a change, and changes
nothing; what is written is encrypted, and a database that is not yet becomes so with the first change.
"""

from __future__ import annotations

import secrets
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from edge.errors import PeopleError
from edge.people import rows
from edge.people.database import FILE_NAME, connect, damaged, in_words, make_plain_tables, make_tables, version, wiping
from edge.people.lookup import fitting, taken, unknown
from edge.people.names import check_name, check_note, name_key
from edge.people.rows import Record
from edge.records import Exemplar, Person
from edge.sqlite_files import one_look, transaction
from edge.vault import Vault, keys
from edge.vault.sealing import SALT_BYTES

_MOST_PEOPLE = 1000


class PeopleStore:
    """The people enrolled on this device. Threads may share one; several processes may have the same file open.

    ``path``: the SQLite file, or the folder in which it is ``people.sqlite``; made where it does not exist.
    ``spaces``: encoder -> embedding space, for exemplars that were stored before spaces were; what is read here follows
    it at once, and the file with the next change. The key lies beside the file or in a credential (``vault.keys``).
    Raises ``PeopleError`` for a file that is damaged, foreign or of a newer version, which is left as it is,
    ``VaultError`` where its key is missing or another, and ``StorageError`` where the folder is read-only or the disk
    is full. The same holds for every method.
    """

    def __init__(self, path: Path, spaces: Mapping[str, str] | None = None) -> None:
        self._spaces = dict(spaces or {})
        self.path = path / FILE_NAME if path.is_dir() else path
        self._lock = threading.RLock()
        self._known: Vault | None = None
        self._connection = connect(self.path)
        try:
            with in_words(self.path):
                if not version(self._connection):
                    self._begin()
                with one_look(self._connection):
                    self._vault()  # without its key a database is of no use, which should be known at once
        except BaseException:
            self._connection.close()
            raise

    def __enter__(self) -> PeopleStore:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; safe to call twice."""
        with self._lock:
            self._connection.close()

    @property
    def encrypted(self) -> bool:
        """Whether the file is: False for one of an earlier version that nobody has written to since."""
        with self._reading() as connection:
            return not rows.is_plain(connection)

    @property
    def key(self) -> keys.Key:
        """The key in force; of a file that is not encrypted yet, the one that it would get."""
        with self._looking():
            vault = self._vault()
        return vault.key if vault is not None else keys.current(self.path.parent)

    def generation(self) -> int:
        """A number that grows with every change, by whichever process."""
        with self._reading():
            return self._generation()

    def people(self, encoder: str | None = None, space: str = "") -> tuple[Person, ...]:
        """Everybody, by name. With ``encoder`` only those who have exemplars of that encoder or, where it is given, of
        the embedding space ``space``, and only these exemplars. A recording that was embedded by several encoders of
        the space counts once, by ``encoder`` where it is among them.
        """
        people = self._load()
        if encoder is None:
            return people
        found = (fitting(person, encoder, space) for person in people)
        return tuple(person for person in found if person.exemplars)

    def others(self, encoder: str, space: str = "") -> tuple[Person, ...]:
        """Those who have no exemplar of ``encoder`` or ``space``, and must enrol again to be known to it."""
        return tuple(person for person in self._load() if not fitting(person, encoder, space).exemplars)

    def find(self, who: str) -> Person:
        """The person with this id or name (case makes no difference), with all exemplars.

        Raises ``UnknownPersonError`` that names the nearest.
        """
        people = self._load()
        key = name_key(who)
        for person in people:
            if person.id == who.strip() or name_key(person.name) == key:
                return person
        raise unknown(who, [person.name for person in people])

    def consent(self, who: str) -> str:
        """The note on consent that was taken at enrolment; may be empty."""
        person = self.find(who)
        return next((record.consent for record in self.records() if record.id == person.id), "")

    def add(self, name: str, exemplars: Iterable[Exemplar], *, consent: str = "", created: str | None = None) -> Person:
        """Enrol somebody new, with all clips or not at all.

        ``consent``: a note on who agreed to what. ``created``: ISO time, by default now. Raises ``PeopleError`` where
        the name will not do or is taken, for an endless note, without exemplars, and for the same clip twice.
        """
        name, clips = check_name(name), _checked(exemplars)
        person_id = self.add_records((Record("", name, created or _now(), consent, list(clips)),))[0]
        return self.find(person_id)

    def add_records(self, records: Iterable[Record]) -> list[str]:
        """Enrol several people, all or none, each under the id that it names unless that is taken; gives their ids.

        Raises ``PeopleError`` as ``add``.
        """
        given = []
        with self._writing() as (connection, vault):
            there = rows.read(connection, vault)
            ids, named = {record.id for record in there}, {name_key(record.name): record.name for record in there}
            for record in records:
                name, clips = check_name(record.name), _checked(record.exemplars)
                check_note(record.consent)
                if name_key(name) in named:
                    raise taken(named[name_key(name)])
                if len(ids) >= _MOST_PEOPLE:
                    raise PeopleError(
                        f"{_MOST_PEOPLE} people are enrolled, which is the limit", "Remove somebody first."
                    )
                person_id = _new_id(ids) if not record.id or record.id in ids else record.id
                with _once():
                    rows.insert(connection, vault, Record(person_id, name, record.created, record.consent, list(clips)))
                ids.add(person_id)
                named[name_key(name)] = name
                given.append(person_id)
        return given

    def add_exemplars(self, who: str, exemplars: Iterable[Exemplar], *, replace: bool = False) -> Person:
        """Add clips to a person's enrolment, all or none; with ``replace`` the clips of the same encoders and embedding
        spaces go first.

        Raises ``PeopleError`` without exemplars and for a clip that is there already.
        """
        clips = _checked(exemplars)
        with self._writing(wipe=replace) as (connection, vault):
            person = self.find(who)
            if replace:
                for encoder, space in {(clip.encoder, clip.space) for clip in clips}:
                    connection.execute(
                        "DELETE FROM exemplars WHERE person_id = ? AND (encoder = ? OR (space = ? AND space != ''))",
                        (person.id, encoder, space),
                    )
            with _once():
                rows.insert_exemplars(connection, vault, person.id, clips)
        return self.find(person.id)

    def rename(self, who: str, name: str) -> Person:
        """Give a person another name; the id stays. Raises ``PeopleError`` where it will not do or is taken."""
        name = check_name(name)
        with self._writing(wipe=True) as (connection, vault):
            person = self.find(who)
            for record in rows.read(connection, vault):
                if record.id != person.id and name_key(record.name) == name_key(name):
                    raise taken(record.name)
                if record.id == person.id:
                    mine = record
            mine.name = name
            rows.rename(connection, vault, mine)
        return self.find(person.id)

    def remove(self, who: str) -> Person:
        """Forget a person: name and exemplars are overwritten in the file. Returns the person as it was.

        A flash disk may keep old blocks out of reach of any program until it uses them again; what they hold is
        encrypted, and cannot be read any more after ``revoke``.
        """
        with self._writing(wipe=True) as (connection, _):
            person = self.find(who)
            connection.execute("DELETE FROM people WHERE id = ?", (person.id,))
        return person

    def protect(self) -> bool:
        """Encrypt a database of an earlier version, which the first change does too; gives whether that was needed."""
        with self._lock, in_words(self.path):
            return self._encrypt()

    def unprotect(self) -> bool:
        """Store everybody as the last version did that did not encrypt, for a way back to it; gives whether that was
        needed. The next change encrypts again.
        """
        with self._lock, in_words(self.path):
            if rows.is_plain(self._connection):
                return False
            with wiping(self._connection, self.path), self._sensibly():
                people = rows.read(self._connection, self._settled())
                generation = self._generation() + 1
                self._drop_tables()
                make_plain_tables(self._connection, generation)
                for record in people:
                    rows.insert_plain(self._connection, record)
        return True

    def revoke(self) -> int:
        """Turn and encrypt everything anew, under a fresh key where the file is ours and a fresh salt in any case; the
        key before is overwritten. Nothing made before this opens here any more. Gives how many people there are.
        """
        folder = self.path.parent
        with self._lock, in_words(self.path):
            self._encrypt()
            with wiping(self._connection, self.path), self._sensibly():
                old = self._settled()
                people = rows.read(self._connection, old)
                key = keys.successor(folder) if old.key.ours else old.key
                self._replace_tables(people, self._generation() + 1, Vault(key, secrets.token_bytes(SALT_BYTES)))
            with transaction(self._connection):
                self._settled()
        return len(people)

    def records(self) -> list[Record]:
        """Everybody with everything that is kept of them, by name."""
        with self._looking() as connection, self._sensibly():
            found = rows.read(connection, self._vault())
        for record in found:
            record.exemplars = [
                clip if clip.space else replace(clip, space=self._spaces.get(clip.encoder, ""))
                for clip in record.exemplars
            ]
        return found

    def _load(self) -> tuple[Person, ...]:
        return tuple(
            Person(record.id, record.name, record.created, tuple(record.exemplars)) for record in self.records()
        )

    def _vault(self) -> Vault | None:
        """The vault that the rows belong to now, None of a database that is not encrypted yet.

        Inside a change or a look, whose lock keeps ``revoke`` from replacing the key between row and key file.
        """
        if rows.is_plain(self._connection):
            return None
        row = self._connection.execute("SELECT salt, key FROM vault").fetchone()
        if row is None or not isinstance(row[0], bytes) or not isinstance(row[1], str):
            raise damaged(self.path, "it does not say how it is encrypted")
        known = self._known
        if known is None or (known.salt, known.key.ident) != row:
            known = self._known = Vault(keys.known(self.path.parent, row[1]), row[0])
        return known

    def _settled(self) -> Vault:
        """The vault, inside a change; a change of the key that was cut off is brought to its end first."""
        vault = self._vault()
        if vault is None:  # ``unprotect`` was faster
            raise PeopleError(f"the people database {self.path} was changed by another command meanwhile", "Try again.")
        keys.settle(self.path.parent, vault.key.ident)
        return vault

    def _begin(self) -> None:
        """Make the tables of a new file."""
        with transaction(self._connection):
            if not version(self._connection):  # again: another process may have been faster
                key = keys.current(self.path.parent)
                make_tables(self._connection, 0, secrets.token_bytes(SALT_BYTES), key.ident)

    def _encrypt(self) -> bool:
        """Encrypt what is not; a process that is killed meanwhile leaves the file as it was or as it should be."""
        if not rows.is_plain(self._connection):
            return False
        with wiping(self._connection, self.path), self._sensibly():
            if not rows.is_plain(self._connection):  # again: another process may have been faster
                return False
            people = rows.read(self._connection, None)
            vault = Vault(keys.current(self.path.parent), secrets.token_bytes(SALT_BYTES))
            self._replace_tables(people, self._generation() + 1, vault)
        return True

    def _replace_tables(self, people: Iterable[Record], generation: int, vault: Vault) -> None:
        self._drop_tables()
        make_tables(self._connection, generation, vault.salt, vault.key.ident)
        for record in people:
            rows.insert(self._connection, vault, record)

    def _drop_tables(self) -> None:
        for table in ("exemplars", "people", "counter", "vault"):
            self._connection.execute(f"DROP TABLE IF EXISTS {table}")

    def _generation(self) -> int:
        return int(self._connection.execute("SELECT generation FROM counter").fetchone()[0])

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with self._lock, in_words(self.path):
            yield self._connection

    @contextmanager
    def _looking(self) -> Iterator[sqlite3.Connection]:
        """All tables, and the key, at the same moment."""
        with self._reading() as connection, nullcontext() if connection.in_transaction else one_look(connection):
            yield connection

    @contextmanager
    def _writing(self, *, wipe: bool = False) -> Iterator[tuple[sqlite3.Connection, Vault]]:
        """A change. ``wipe``: what it removes must not be found in the file again."""
        with self._lock, in_words(self.path):
            self._encrypt()
            with wiping(self._connection, self.path) if wipe else transaction(self._connection):
                vault = self._settled()
                with self._sensibly():
                    for encoder, space in self._spaces.items():
                        rows.set_space(self._connection, vault, encoder, space)
                    yield self._connection, vault
                self._connection.execute("UPDATE counter SET generation = generation + 1")

    @contextmanager
    def _sensibly(self) -> Iterator[None]:
        """What makes no sense in a row is a damage of the file."""
        try:
            yield
        except (ValueError, TypeError) as error:
            raise damaged(self.path, " ".join(str(error).split())[:120]) from error


@contextmanager
def _once() -> Iterator[None]:
    try:
        yield
    except sqlite3.IntegrityError as error:
        raise PeopleError("the same recording is enrolled twice for one person", "Give each clip once.") from error


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


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


def _new_id(there: set[str]) -> str:
    while True:
        candidate = f"p{secrets.token_hex(2)}"
        if candidate not in there:
            return candidate
