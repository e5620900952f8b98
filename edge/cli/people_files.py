"""``earmark people export`` and ``import``: people in a file that only its passphrase opens."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from edge.cli.console import Console, printable, quoted
from edge.cli.new_file import refuse_existing, write_new
from edge.cli.passphrase import read_passphrase
from edge.errors import EXIT_OK, PeopleError, UsageError
from edge.people import PeopleStore, transfer
from edge.people.names import name_key
from edge.people.rows import Record
from edge.vault import passphrase

_HEAD_BYTES: Final = 1 << 12


def export(args: argparse.Namespace, store: PeopleStore, file: str, names: Sequence[str]) -> int:
    """Write everybody, or those named, to a new file. Raises ``UsageError``, ``UnknownPersonError``, ``OSError``."""
    console: Console = args.console
    target = Path(file)
    refuse_existing(target)
    wanted = {store.find(name).id for name in names}
    records = [record for record in store.records() if not wanted or record.id in wanted]
    if not records:
        raise UsageError("Nobody is enrolled", "There is nothing to export.")
    secret = read_passphrase(args.passphrase_file, fresh=True)
    write_new(target, passphrase.sealed(transfer.document(records), secret))
    told = [record.name for record in records]
    if console.json:
        console.emit({"file": file, "people": told})
    else:
        console.say(f"{printable(', '.join(told))} in {printable(file)}, which only the passphrase opens.")
        console.note("Nobody can help who forgets it. Whoever has both has the voiceprints: delete the file after use.")
    return EXIT_OK


def bring_in(args: argparse.Namespace, store: PeopleStore, file: str) -> int:
    """Enrol the people of a file, all or none. Raises ``UsageError``, ``WrongPassphraseError``, ``PeopleError``."""
    console: Console = args.console
    records = transfer.parsed(passphrase.opened(_read(file), read_passphrase(args.passphrase_file, fresh=False)))
    there = {name_key(person.name): person.name for person in store.people()}
    twice = [record for record in records if name_key(record.name) in there]
    if twice and not args.skip_existing:
        names = ", ".join(there[name_key(record.name)] for record in twice)
        raise PeopleError(
            f"enrolled already: {names}",
            "Add --skip-existing to leave them as they are, or rename or remove them here first.",
        )
    fresh: list[Record] = [record for record in records if record not in twice]
    store.add_records(fresh)
    if console.json:
        console.emit({"file": file, "people": [r.name for r in fresh], "skipped": [r.name for r in twice]})
        return EXIT_OK
    people = "1 person is" if len(fresh) == 1 else f"{len(fresh)} people are"
    console.say(f"{people} enrolled from {printable(file)}.")
    for record in twice:
        console.note(f"{printable(record.name)} was enrolled here already and is left as is.")
    if fresh:
        console.note(
            f"`earmark doctor` says whether the model in use knows them; delete {quoted(file)} when it is not needed."
        )
    return EXIT_OK


def _read(file: str) -> bytes:
    limit = transfer.LARGEST_BYTES + _HEAD_BYTES
    try:
        handle = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(handle, "rb") as opened:
            data = opened.read(limit + 1)
    except OSError as error:
        raise UsageError(f"{printable(file)} cannot be read: {error.strerror}", "Name another file.") from error
    if len(data) > limit:
        raise UsageError(f"{printable(file)} is larger than any file of people", "Name another file.")
    return data
