"""Names of people.

Takes: text. Gives: the name as kept, or the key under which two spellings are the same name.
Must hold: a name is safe in a topic's payload, a terminal and a file name, and cannot be mistaken for an answer.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from edge.errors import PeopleError

_NAME: Final = re.compile(r"[\w .'-]{1,32}")
_ID: Final = re.compile(r"p[0-9a-f]{4}")
_ANSWERS: Final = frozenset({"unknown", "uncertain", "rejected", "nobody", "none", "unavailable"})
LONGEST_NOTE: Final = 4000
"""Characters of a note on consent, and of any other text that is kept of a person."""


def check_name(name: str) -> str:
    """``name`` without spaces at its ends, in Unicode's composed form.

    Raises ``PeopleError`` unless it has 1 to 32 letters, digits, spaces, ``_``, ``.``, ``'`` or ``-``, at least one of
    them a letter or digit, and is none of the words that Earmark answers with and does not look like an id.
    """
    kept = unicodedata.normalize("NFC", name).strip()
    if not _NAME.fullmatch(kept) or not any(letter.isalnum() for letter in kept):
        raise PeopleError(
            f"{name[:40]!r} cannot be used as a name", "Use 1 to 32 letters, digits, spaces and the signs _ . ' -"
        )
    if name_key(kept) in _ANSWERS or _ID.fullmatch(name_key(kept)):
        raise PeopleError(f"{kept!r} cannot be used as a name", "Earmark uses that word itself; choose another name.")
    return kept


def name_key(name: str) -> str:
    """What two spellings of a name have in common: case and compatible letters make no difference."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name.strip()).casefold())


def check_note(note: str) -> None:
    """Raises ``PeopleError`` for a note on consent that no file of people could hold."""
    if len(note) > LONGEST_NOTE:
        raise PeopleError(
            f"the note on consent has {len(note)} characters, and {LONGEST_NOTE} is the limit", "Shorten it."
        )
