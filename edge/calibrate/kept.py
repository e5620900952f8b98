"""A household's correction on disk, beside the people.

Takes the state folder, the bundle in use and the people enrolled; gives a ``Household``. Must hold: a correction counts
only with the encoder, calibration, cohort and exemplars that it was learned from; a file that is stale or damaged is as
if there were none, and says why; a change happens as a whole or not at all; no voiceprint and no name is in it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from edge.bundle import Bundle
from edge.correction import UNCORRECTED, Correction
from edge.errors import StorageError
from edge.records import Person
from edge.whole_file import replace_whole

FILE_NAME: Final = "household.json"
SCHEMA: Final = 1
Origin = Literal["household", "bundle"]

_CHANGES: Final = {
    "encoder": "it was learned with another model",
    "calibration": "the model has been calibrated anew since",
    "people": "the people enrolled or their clips have changed since",
}
"""Why a correction does not count, by what it is bound to; the first that differs."""


@dataclass(frozen=True, slots=True)
class Household:
    """What holds for the people enrolled now.

    ``correction``: to be used; the identity unless there is a fresh one. ``stale``: why what is kept does not count, as
    a sentence without a full stop; empty where nothing is kept, or all is well. ``report``: what was found when it was
    learned, empty where nothing is kept.
    """

    correction: Correction = UNCORRECTED
    stale: str = ""
    report: Mapping[str, Any] = field(default_factory=dict)

    @property
    def kept(self) -> bool:
        """Whether there is a correction, fresh or not."""
        return bool(self.stale or self.report)

    def origin(self, far: float) -> Origin:
        """Whose calibration decides at this false-accept target."""
        fresh = self.kept and not self.stale
        return "household" if fresh and far >= self.correction.least_far else "bundle"


def household(folder: Path, bundle: Bundle, people: Sequence[Person]) -> Household:
    """What is kept in the state ``folder``, if it belongs to this bundle and these people.

    ``people``: those whom the bundle can compare, with the exemplars that it can compare. Never raises for a file.
    """
    try:
        raw = json.loads((folder / FILE_NAME).read_text(encoding="utf-8"))
        if raw["schema"] != SCHEMA:
            return Household(stale="it was made by another version of Earmark")
        correction = Correction(*(float(raw["correction"][name]) for name in ("shift", "slope", "least_far")))
        bound, report = dict(raw["bound"]), dict(raw["report"])
    except FileNotFoundError:
        return Household()
    except (OSError, ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
        return Household(stale=f"its file {folder / FILE_NAME} cannot be read ({type(error).__name__})")
    now = _bound(bundle, people)
    stale = next((why for what, why in _CHANGES.items() if bound.get(what) != now[what]), "")
    return Household(UNCORRECTED if stale else correction, stale, report)


def keep(
    folder: Path, bundle: Bundle, people: Sequence[Person], correction: Correction, report: Mapping[str, Any]
) -> None:
    """Store a correction for this bundle and these people. Raises ``StorageError``."""
    kept = {
        "schema": SCHEMA,
        "correction": asdict(correction),
        "bound": _bound(bundle, people),
        "report": dict(report),
    }
    try:
        replace_whole(folder / FILE_NAME, json.dumps(kept).encode())
    except OSError as error:
        raise _cannot(folder, "written", error) from error


def forget(folder: Path) -> bool:
    """Remove what is kept; whether there was anything. Raises ``StorageError``."""
    try:
        (folder / FILE_NAME).unlink()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise _cannot(folder, "removed", error) from error
    return True


def signature(folder: Path) -> tuple[int, int, int] | None:
    """Something that changes with every ``keep``; None where nothing is kept."""
    try:
        status = (folder / FILE_NAME).stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size


def _bound(bundle: Bundle, people: Sequence[Person]) -> dict[str, str]:
    """Hashes of what a correction depends on. A person's name makes no difference."""
    calibration = json.dumps(dict(bundle.calibration), sort_keys=True)
    clips = sorted((person.id, sorted(e.encoder + e.digest for e in person.exemplars)) for person in people)
    return {
        "encoder": bundle.encoder,
        "calibration": _hash(calibration.encode() + bundle.cohort.tobytes()),
        "people": _hash(json.dumps(clips).encode()),
    }


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]


def _cannot(folder: Path, what: str, error: OSError) -> StorageError:
    return StorageError(
        f"the household's calibration {folder / FILE_NAME} cannot be {what}: {error.strerror or type(error).__name__}",
        "Check that the disk is not full and that this user may write the folder.",
    )
