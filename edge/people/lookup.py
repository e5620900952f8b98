"""Looking people up: what of a person an encoder may compare, and the words where a name finds nobody or is taken.

Takes: people, names. Gives: people, errors. Must hold: a recording counts once, whatever embedded it.
"""

from __future__ import annotations

import difflib

from edge.errors import PeopleError, UnknownPersonError
from edge.people.names import name_key
from edge.records import Person


def fitting(person: Person, encoder: str, space: str) -> Person:
    """A person with only the exemplars that ``encoder`` made or, where it is given, that lie in ``space``."""
    own = [clip for clip in person.exemplars if clip.encoder == encoder]
    kept = {id(clip) for clip in own}
    seen = {clip.digest for clip in own}
    for clip in person.exemplars:
        if space and clip.space == space and clip.digest not in seen:
            seen.add(clip.digest)
            kept.add(id(clip))
    clips = tuple(clip for clip in person.exemplars if id(clip) in kept)
    return Person(person.id, person.name, person.created, clips)


def taken(name: str) -> PeopleError:
    """The error for a name that somebody has."""
    return PeopleError(f"somebody called {name} is enrolled already", "Choose another name, or add clips to theirs.")


def unknown(who: str, names: list[str]) -> UnknownPersonError:
    """The error for a name that nobody has, with the nearest of ``names``."""
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
