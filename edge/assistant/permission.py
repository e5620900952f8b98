"""Whose requests get an answer.

Takes the words of ``--only``. Gives a ``Permission``. Must hold: without one everybody may ask; with one, whoever is
not recognised may not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from edge.assistant.identity import Identity

ENROLLED = "enrolled"


@dataclass(frozen=True, slots=True)
class Permission:
    """``open``: everybody, known or not. ``people``: ids of those who may ask; None: everybody enrolled."""

    open: bool = True
    people: frozenset[str] | None = None

    def allows(self, who: Identity) -> bool:
        """Whether this request goes on."""
        if self.open:
            return True
        return who.kind == "identified" and (self.people is None or who.person_id in self.people)


def permission(words: Sequence[str], find: Callable[[str], str]) -> Permission:
    """``words``: none, ``enrolled``, or names and ids, which ``find`` turns into ids, or raises."""
    if not words:
        return Permission()
    if list(words) == [ENROLLED]:
        return Permission(open=False)
    return Permission(open=False, people=frozenset(find(word) for word in words))
