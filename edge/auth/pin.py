"""The PIN: the other factor that takes a lock-out back.

Takes a PIN and a connection inside a transaction; keeps salt and scrypt hash. Must hold: the PIN itself is never kept
or printed; checking takes long enough that guessing from a stolen file costs something, and wrong tries at the device
are locked out like voices (see ``gate``).

scrypt: C. Percival, S. Josefsson, RFC 7914. 2^15, 8, 3 take 32 MiB, and a few tenths of a second on a small board.
"""

from __future__ import annotations

import hashlib
import hmac
import itertools
import secrets
import sqlite3
from typing import Final

from edge.errors import UsageError

LEAST_LENGTH: Final = 6
MOST_LENGTH: Final = 128
_COST: Final = (2**15, 8, 3)
_MEMORY_BYTES: Final = 64 * 2**20


def check_form(pin: str) -> None:
    """Refuse what is no PIN worth the name. Raises ``UsageError``."""
    if not LEAST_LENGTH <= len(pin) <= MOST_LENGTH:
        raise UsageError(
            f"The PIN has {len(pin)} characters", f"Take {LEAST_LENGTH} to {MOST_LENGTH}: digits, letters, anything."
        )
    steps = {ord(after) - ord(before) for before, after in itertools.pairwise(pin)}
    if len(steps) == 1 and steps <= {-1, 0, 1}:
        raise UsageError("The PIN is a single run such as 111111 or 123456", "Take one that is harder to guess.")


def keep(db: sqlite3.Connection, pin: str) -> None:
    """Make ``pin`` the PIN. Raises ``UsageError`` for one that is too short or too plain."""
    check_form(pin)
    salt = secrets.token_bytes(16)
    digest = _digest(pin, salt, *_COST)
    db.execute("INSERT OR REPLACE INTO pin VALUES (1, ?, ?, ?, ?, ?)", (salt, digest, *_COST))


def is_set(db: sqlite3.Connection) -> bool:
    """Whether there is a PIN."""
    return db.execute("SELECT 1 FROM pin").fetchone() is not None


def fits(row: tuple[bytes, bytes, int, int, int], pin: str) -> bool:
    """Whether ``pin`` is the one behind the columns of the table ``pin``."""
    salt, digest, n, r, p = row
    # A file that was changed must not keep anybody busy for hours, nor end in an error of OpenSSL.
    if not (1 < n <= _COST[0] and n & (n - 1) == 0 and 0 < r <= _COST[1] and 0 < p <= _COST[2]):
        return False
    return hmac.compare_digest(digest, _digest(pin, salt, n, r, p))


def _digest(pin: str, salt: bytes, n: int, r: int, p: int) -> bytes:
    return hashlib.scrypt(pin.encode(), salt=salt, n=n, r=r, p=p, maxmem=_MEMORY_BYTES, dklen=32)
