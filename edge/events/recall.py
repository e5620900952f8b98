"""What the retained states of an earlier run tell, read back from the outbox.

Takes payloads that this program has published. Gives: values. Must hold: anything else, be it damaged, of another
version or somebody's joke, tells nothing and raises nothing.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from edge.events.payloads import SCHEMA_VERSION, LastState

_LARGEST_BYTES: Final = 4096


class Presence(NamedTuple):
    """Of one person: whether they counted as here, and the latest utterance that named them: UTC seconds, cosine,
    probability.
    """

    here: bool
    at: float
    score: float
    probability: float


def last_state(payload: bytes) -> LastState | None:
    """The last utterance that was identified or unknown, None where there was none."""
    match _object(payload):
        case {
            "event_type": "identified" | "unknown" as kind,
            "ts": str(ts),
            "id": str(ident),
            "speaker": str(name),
        } as o:
            speaker_id = o.get("speaker_id")
            if (kind == "identified") != isinstance(speaker_id, str):
                return None
            return LastState(
                ts=ts,
                event_type=kind,
                speaker_id=speaker_id,
                speaker=name,
                id=ident,
                score=_number(o, "score"),
                probability=_number(o, "probability"),
                duration_s=_number(o, "duration_s"),
            )
    return None


def presence(payload: bytes) -> Presence | None:
    """When a person was heard last, None where never."""
    found = _object(payload)
    score, probability = _number(found, "score"), _number(found, "probability")
    try:
        at = datetime.fromisoformat(found["last_heard"]).astimezone(UTC).timestamp()
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
    if score is None or probability is None:
        return None
    return Presence(found.get("heard") == "ON", at, score, probability)


def _object(payload: bytes) -> dict[str, Any]:
    if len(payload) <= _LARGEST_BYTES:
        try:
            made = json.loads(payload)
        except (ValueError, RecursionError):
            return {}
        if isinstance(made, dict) and made.get("v") == SCHEMA_VERSION:
            return made
    return {}


def _number(values: dict[str, Any], key: str) -> float | None:
    value = values.get(key)
    # A number from which JSON could not be made again (NaN, infinity) is none.
    return float(value) if isinstance(value, int | float) and abs(value) < 1e12 else None
