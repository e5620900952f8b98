"""People: who is enrolled, with their exemplars, in one SQLite file.

Takes: names and exemplars. Gives: ``PeopleStore``.
Must hold: a change happens as a whole or not at all; only the owner can read the file; what is removed is overwritten;
a voiceprint is only given out for the encoder that made it, or for its embedding space; a file that cannot be
understood is never overwritten.
"""

from edge.people.names import check_name
from edge.people.store import PeopleStore

__all__ = ["PeopleStore", "check_name"]
