"""Reading the audit log: its entries, and whether anything was changed, removed, moved or cut off.

Takes the state folder; gives entries and a ``Report``. Must hold: every edit, removal, reordering and truncation of the
files is found as long as the record beside them was left alone; who can write both can write another history, and only
a head that was noted elsewhere (``Witness``) shows that.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from edge.auth import chain, files
from edge.auth.clock import AttemptClock, BootClock
from edge.auth.journal import Head, head
from edge.auth.record import Record
from edge.errors import UsageError

_WITNESS = re.compile(r"([1-9][0-9]{0,14}):([0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class Witness:
    """A head that somebody noted elsewhere: the number of an entry and its hash."""

    entries: int
    hash: str

    @classmethod
    def parse(cls, text: str) -> Witness:
        """``NUMBER:HASH``, as ``earmark audit --verify`` prints it. Raises ``UsageError``."""
        match = _WITNESS.fullmatch(text.strip().lower())
        if match is None:
            raise UsageError(
                f"{text!r} is no head of an audit log", "Give NUMBER:HASH as `earmark audit --verify` told."
            )
        return cls(int(match[1]), match[2])


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that is not as it was written. ``line``: in ``file``, from 1; 0 where no line is at fault."""

    file: str
    line: int
    what: str

    def sentence(self) -> str:
        """For a person."""
        return f"{self.file}, line {self.line}: {self.what}" if self.line else f"{self.file}: {self.what}"


@dataclass(frozen=True, slots=True)
class Report:
    """``first`` to ``last``: the numbers of the entries that should be there. ``hash``: of the last one, by the record.
    ``mended``: lines that a power cut had left to the record alone were written just now.
    """

    faults: tuple[Fault, ...]
    entries: int
    first: int
    last: int
    hash: str
    mended: bool

    @property
    def head(self) -> str:
        """What to note elsewhere."""
        return f"{self.last}:{self.hash}"


def check(folder: Path, clock: AttemptClock | None = None, witness: Witness | None = None) -> Report:
    """Read the whole log against the record. Raises ``AttemptsError``, ``StorageError``."""
    record = Record(folder, clock or BootClock())
    try:
        with record.reading() as session:
            known = head(session.db)
            return _check(folder, known, session.mended, witness)
    finally:
        record.close()


def entries(folder: Path) -> Iterator[chain.Entry]:
    """Everything that can be read, oldest first, without a word about whether it is sound. Raises ``StorageError``."""
    with ExitStack() as opened:
        # A rotation renames and deletes files; those that are open by then can still be read.
        with files.locked(folder):
            there = [opened.enter_context(path.open("rb")) for path in files.logs(folder)]
        for file in there:
            for line in file:
                entry = chain.read(line.rstrip(b"\n"))
                if entry is not None:
                    yield entry


def _check(folder: Path, known: Head, mended: bool, witness: Witness | None) -> Report:
    faults: list[Fault] = []
    number, digest, count = known.first - 1, known.first_prev, 0
    hashes: dict[int, str] = {}
    for path in files.logs(folder):
        if path.name != files.LOG and files.first_number(path) < known.first:
            continue  # dropped by rotation; a power cut came before it was deleted
        lines = path.read_bytes().split(b"\n")
        if lines.pop():
            faults.append(Fault(path.name, len(lines) + 1, "the last line is not complete"))
        for at, line in enumerate(lines, start=1):
            entry = chain.read(line)
            if entry is None:
                faults.append(Fault(path.name, at, "this is no entry of the log"))
                continue
            count += 1
            faults += [Fault(path.name, at, what) for what in _faults(entry, number, digest)]
            number, digest = entry.number, entry.hash
            hashes[number] = digest
    if number < known.entries:
        gone = (
            f"entries {number + 1} to {known.entries} are"
            if known.entries > number + 1
            else f"entry {known.entries} is"
        )
        faults.append(Fault(files.LOG, 0, f"{gone} missing at the end"))
    elif (number, digest) != (known.entries, known.hash):
        faults.append(Fault(files.LOG, 0, f"the log does not end with entry {known.entries} as it was written"))
    faults += _against(witness, hashes, known)
    return Report(tuple(faults), count, known.first, known.entries, known.hash, mended)


def _faults(entry: chain.Entry, number: int, digest: str) -> Iterator[str]:
    if not entry.sound:
        yield f"entry {entry.number} was changed"
    if entry.number > number + 1:
        gone = (
            f"entries {number + 1} to {entry.number - 1} are" if entry.number > number + 2 else f"entry {number + 1} is"
        )
        yield f"{gone} missing before entry {entry.number}"
    elif entry.number <= number:
        yield f"entry {entry.number} stands after entry {number}"
    elif entry.prev != digest:
        yield f"entry {entry.number} does not follow the entry before it, which was changed"


def _against(witness: Witness | None, hashes: dict[int, str], known: Head) -> Iterator[Fault]:
    if witness is None or hashes.get(witness.entries) == witness.hash:
        return
    if witness.entries in hashes:
        yield Fault(files.LOG, 0, f"entry {witness.entries} is not the one that was noted: the log was written anew")
    elif 1 < witness.entries + 1 == known.first and known.first_prev == witness.hash:
        return
    elif witness.entries < known.first:
        yield Fault(
            files.LOG,
            0,
            f"entry {witness.entries} was dropped by rotation, so it cannot be compared; note a newer head",
        )
    else:
        yield Fault(files.LOG, 0, f"entry {witness.entries}, which was noted, is not there")
