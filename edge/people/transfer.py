"""People as one document, for `earmark people export` and `import`.

Takes: records, or the bytes of a document. Gives: the other. Must hold: what comes back is what went in, to the bit;
a document that makes no sense, or is larger than a database may be, is a ``PeopleError`` that says what, and none is
made that could not be read again. The document is in clear: ``vault.passphrase`` seals it.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

import numpy as np

from edge.errors import PeopleError
from edge.people.names import LONGEST_NOTE, check_name
from edge.people.rows import Record
from edge.records import Exemplar

SCHEMA: Final = 1
LARGEST_BYTES: Final = 64 << 20
_KIND: Final = "earmark people"
_ID: Final = re.compile(r"p[0-9a-f]{4}")
_MOST_PEOPLE: Final = 1000
_MOST_EXEMPLARS: Final = 1000
_MOST_DIMENSIONS: Final = 4096


def document(records: Iterable[Record]) -> bytes:
    """The document of these people. Raises ``PeopleError`` for what ``parsed`` would not take."""
    people = [
        {
            "id": record.id,
            "name": record.name,
            "created": record.created,
            "consent": record.consent,
            "exemplars": [_values(clip) for clip in record.exemplars],
        }
        for record in records
    ]
    for one in people:
        try:
            _record(one)
        except ValueError as error:
            raise PeopleError(
                f"{one['name']} cannot be exported: {error}",
                "Name the others, or remove and enrol this person again.",
            ) from error
    data = json.dumps({"kind": _KIND, "schema": SCHEMA, "people": people}, ensure_ascii=False).encode()
    if len(people) > _MOST_PEOPLE or len(data) > LARGEST_BYTES:
        raise PeopleError(
            f"{len(people)} people with {len(data) >> 20} MiB are more than one file may hold",
            "Export some at a time, by name.",
        )
    return data


def parsed(data: bytes) -> list[Record]:
    """The people of a document. Raises ``PeopleError``."""
    try:
        raw = json.loads(data.decode("utf-8"))
        if raw["kind"] != _KIND:
            raise ValueError("it is of another kind")
        if raw["schema"] != SCHEMA:
            raise PeopleError(
                f"the file has schema {str(raw['schema'])[:20]}, and this version of Earmark knows {SCHEMA}",
                "Update Earmark.",
            )
        people = raw["people"]
        if not isinstance(people, list) or len(people) > _MOST_PEOPLE:
            raise ValueError("it has no list of people, or too long a one")
        return [_record(one) for one in people]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        what = f"{type(error).__name__}: {error}" if not isinstance(error, ValueError) else str(error)
        raise PeopleError(
            f"the people in the file make no sense: {' '.join(what.split())[:120]}", "Export them again."
        ) from error


def _values(clip: Exemplar) -> dict[str, Any]:
    vector = base64.b64encode(np.ascontiguousarray(clip.vector, "<f4").tobytes()).decode("ascii")
    rest = ("encoder", "space", "speech_seconds", "snr_db", "microphone", "created", "digest")
    return {"vector": vector, **{key: getattr(clip, key) for key in rest}}


def _record(raw: Mapping[str, Any]) -> Record:
    person_id, clips = _text(raw, "id"), raw["exemplars"]
    if not _ID.fullmatch(person_id):
        raise ValueError("an id is none")
    if not isinstance(clips, list) or not 0 < len(clips) <= _MOST_EXEMPLARS:
        raise ValueError("somebody has no clips, or too many")
    name = check_name(_text(raw, "name"))
    return Record(person_id, name, _text(raw, "created"), _text(raw, "consent"), [_exemplar(one) for one in clips])


def _exemplar(raw: Mapping[str, Any]) -> Exemplar:
    data = base64.b64decode(_text(raw, "vector", 8 * _MOST_DIMENSIONS), validate=True)
    if not data or len(data) % 4 or len(data) > 4 * _MOST_DIMENSIONS:
        raise ValueError("a voiceprint has an impossible length")
    vector = np.frombuffer(data, "<f4").astype(np.float32)
    if not np.isfinite(vector).all():
        raise ValueError("a voiceprint holds values that are not finite numbers")
    texts = {key: _text(raw, key) for key in ("encoder", "space", "microphone", "created", "digest")}
    return Exemplar(vector, speech_seconds=_number(raw, "speech_seconds"), snr_db=_number(raw, "snr_db"), **texts)


def _text(raw: Mapping[str, Any], key: str, longest: int = LONGEST_NOTE) -> str:
    value = raw[key]
    if not isinstance(value, str) or len(value) > longest:
        raise ValueError(f"{key} is no text, or too long a one")
    return value


def _number(raw: Mapping[str, Any], key: str) -> float:
    value = raw[key]
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e12:  # whole ones have no end
        raise ValueError(f"{key} is no number")
    return float(value)
