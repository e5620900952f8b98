"""Audio that was heard before, known by small fingerprints in one file.

Takes samples; gives ``Repeat`` where they, or a stretch of them, were remembered earlier. Must hold: no audio in the
file; of the 1000 latest only, and for 180 days at most; two processes that ask and remember at once see each other
(``meet``); a file that cannot be read is an error and not a "no".
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Literal, NamedTuple

from edge.clock import SystemClock
from edge.records import Clock, Float32
from edge.spoof import store
from edge.spoof.fingerprint import kept, packed, trace, unpacked
from edge.spoof.matching import find

Kind = Literal["attempt", "enrolment"]
"""What it was remembered for."""

MOST_UTTERANCES: Final = 1000
MOST_DAYS: Final = 180
MOST_SECONDS: Final = 30.0
"""Of longer audio only this much is remembered; it is asked about whole."""
_EXACT: Final = 0.97


@dataclass(frozen=True, slots=True)
class Repeat:
    """Audio that was heard before. ``exact``: the very samples; otherwise a copy. ``likeness``: 1 = the same.
    ``seconds``: speech of the stretch that is alike. ``created``: when it was remembered, RFC 3339. ``person_id``:
    whose attempt or enrolment it was, and ``note``: what else was noted; empty where nothing was.
    """

    exact: bool
    likeness: float
    seconds: float
    created: str
    kind: Kind
    person_id: str
    note: str = ""

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "exact": self.exact,
            "likeness": round(self.likeness, 3),
            "seconds": round(self.seconds, 2),
            "created": self.created,
            "kind": self.kind,
        }


class Met(NamedTuple):
    """What ``meet`` found. ``number``: of the fingerprint that it kept, None where it kept none."""

    repeat: Repeat | None
    number: int | None


class Repeats:
    """The fingerprints of one device. Threads may share one; several processes may have the same file open.

    ``path``: the file, or the folder in which it is ``repeats.sqlite``; made for the owner only. Raises
    ``StorageError`` for a file that is damaged or cannot be written, as every method does.
    """

    def __init__(self, path: Path, clock: Clock | None = None) -> None:
        self.path = path / store.FILE_NAME if path.is_dir() else path
        self._clock = clock or SystemClock()
        self._file = store.Store(self.path)

    def __enter__(self) -> Repeats:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; safe to call twice."""
        self._file.close()

    def seen(self, samples: Float32, *, kind: Kind | None = None) -> Repeat | None:
        """Whether ``samples`` (float32 ``(n,)``, 16 kHz), or a stretch of about a second, were remembered before.

        ``kind``: asks only about what was remembered for this.
        """
        with self._file.reading() as session:
            return self._find(session, samples, kind)

    def remember(self, samples: Float32, *, kind: Kind = "attempt", person_id: str = "", note: str = "") -> None:
        """Keep the fingerprint of ``samples``; on the disk when this returns. Too little sound leaves nothing."""
        with self._file.writing() as session:
            self._keep(session, samples, store.Entry(self._clock.now(), kind, person_id, b"", note))

    def meet(self, samples: Float32, *, kind: Kind = "attempt", person_id: str = "") -> Met:
        """``seen`` and then ``remember`` in one step, which nobody else's comes between. A repeat is not kept again."""
        with self._file.writing() as session:
            found = self._find(session, samples, None)
            if found is not None:
                return Met(found, None)
            return Met(None, self._keep(session, samples, store.Entry(self._clock.now(), kind, person_id)))

    def forget(self, person_id: str) -> int:
        """Forget what was noted for a person; gives how many fingerprints that were."""
        with self._file.writing() as session:
            return session.forget(person_id)

    def drop(self, number: int) -> None:
        """Forget one fingerprint, by the number that ``meet`` gave."""
        with self._file.writing() as session:
            session.drop(number)

    def __len__(self) -> int:
        with self._file.reading() as session:
            return session.count()

    def _find(self, session: store.Session, samples: Float32, kind: Kind | None) -> Repeat | None:
        entries = session.entries(newer_than=self._oldest())
        if kind is not None:
            entries = [entry for entry in entries if entry.kind == kind]
        try:
            match = find(samples, session.secret(), [unpacked(entry.blob) for entry in entries])
        except ValueError as error:
            raise store.damaged(self.path, str(error)) from error
        if match is None:
            return None
        entry = entries[match.entry]
        return Repeat(
            exact=match.likeness >= _EXACT,
            likeness=match.likeness,
            seconds=match.seconds,
            created=datetime.fromtimestamp(entry.created, UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
            kind="enrolment" if entry.kind == "enrolment" else "attempt",
            person_id=entry.person_id,
            note=entry.note,
        )

    def _keep(self, session: store.Session, samples: Float32, entry: store.Entry) -> int | None:
        signs = kept(trace(samples[: round(MOST_SECONDS * 16_000)], session.secret()))
        if not len(signs):
            return None
        number = session.add(replace(entry, blob=packed(signs)))
        session.expire(older_than=self._oldest(), most=MOST_UTTERANCES)
        return number

    def _oldest(self) -> float:
        return self._clock.now() - MOST_DAYS * 86_400.0
