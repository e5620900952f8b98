"""The payloads and their schemas.

Takes: values. Gives: JSON. Must hold: the fields of a class are the keys of its schema (``edge/schemas``), in this
order.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from importlib import resources
from typing import Any, Final, Literal, cast, get_args

from edge.events.names import NOBODY, UNKNOWN, NameMode
from edge.records import Outcome, QualityReason

SCHEMA_VERSION: Final = 1
SCHEMAS: Final = (
    "utterance",
    "last",
    "person",
    "health",
    "info",
    "enrolment",
    "auth",
    "response",
    "audio",
    "update",
    "house",
)
LARGEST_UTTERANCE_BYTES: Final = 1023

_OPTIONAL_TEXT: Final = ("source", "room", "reason")
"""What an utterance can do without, in the order in which it goes when the object grows too large."""


def schema(name: str) -> dict[str, Any]:
    """The published JSON Schema (draft 2020-12) of one payload, ``name`` one of ``SCHEMAS``."""
    text = resources.files("edge").joinpath("schemas", f"{name}.v{SCHEMA_VERSION}.json").read_text("utf-8")
    loaded: dict[str, Any] = json.loads(text)
    return loaded


def _dumps(values: Mapping[str, Any]) -> bytes:
    return json.dumps(values, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode("utf-8", "replace")


class _Payload:
    """Serialises the fields of a dataclass in their order; None is an absent key unless the field is in
    ``_nullable``.
    """

    __slots__ = ()
    _nullable: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as in the JSON."""
        values: dict[str, Any] = {"v": SCHEMA_VERSION}
        for item in fields(cast(Any, self)):
            value = getattr(self, item.name)
            if value is not None or item.name in self._nullable:
                # ``class_`` is no word of Python's.
                values[item.name.rstrip("_")] = list(value) if isinstance(value, tuple) else value
        return values

    def to_json(self) -> bytes:
        """UTF-8 JSON without spaces."""
        return _dumps(self.to_dict())


@dataclass(frozen=True, slots=True, kw_only=True)
class UtteranceEvent(_Payload):
    """One utterance was heard. Published for every attempt, also those that name nobody.

    ``id``: for de-duplication, ascending. ``ts``: when it was decided. ``speaker_id``: None unless a person is
    named. ``score``: cosine of the best person. ``threshold``/``probability``: on one scale; identified means
    probability >= threshold. ``margin``: log-likelihood ratio of the best minus the second best. ``runner_up``:
    person id, only with ``privacy.publish_candidates``. ``duration_s``/``speech_s``: seconds.
    ``gender``/``emotion``: a label or ``unsure``; ``gender_p``/``emotion_p``: probability of the likeliest label, told
    or not. ``latency_ms``: end of speech to decision. ``at_s``: where
    in the recording it began. ``reason``: why nobody is named.
    """

    event_type: Outcome
    id: str
    ts: str
    node: str
    room: str | None = None
    speaker_id: str | None = None
    speaker: str = UNKNOWN
    score: float | None = None
    threshold: float | None = None
    margin: float | None = None
    probability: float | None = None
    runner_up: str | None = None
    duration_s: float | None = None
    speech_s: float | None = None
    gender: str | None = None
    gender_p: float | None = None
    emotion: str | None = None
    emotion_p: float | None = None
    snr_db: float | None = None
    level_dbfs: float | None = None
    clipped: bool = False
    flags: tuple[str, ...] = ()
    latency_ms: int | None = None
    model: str | None = None
    at_s: float | None = None
    source: str | None = None
    reason: str | None = None

    _nullable = ("speaker_id",)

    def to_json(self) -> bytes:
        """UTF-8 JSON, at most ``LARGEST_UTTERANCE_BYTES``; long optional texts give way first."""
        values = self.to_dict()
        encoded = _dumps(values)
        for key in _OPTIONAL_TEXT:
            if len(encoded) <= LARGEST_UTTERANCE_BYTES:
                break
            values.pop(key, None)
            encoded = _dumps(values)
        return encoded


@dataclass(frozen=True, slots=True, kw_only=True)
class LastState(_Payload):
    """Snapshot of the last utterance that was decided (``identified`` or ``unknown``), or ``nobody`` before the first.

    Retained, so that a subscriber that comes late knows it.
    """

    ts: str
    event_type: Outcome | Literal["none"]
    speaker_id: str | None = None
    speaker: str = NOBODY
    id: str | None = None
    score: float | None = None
    probability: float | None = None
    duration_s: float | None = None

    _nullable = ("speaker_id",)

    @classmethod
    def of(cls, event: UtteranceEvent) -> LastState | None:
        """The state after ``event``, None where it changes nothing (``uncertain`` and ``rejected`` say nothing new)."""
        if event.event_type not in {"identified", "unknown"}:
            return None
        return cls(
            ts=event.ts,
            event_type=event.event_type,
            speaker_id=event.speaker_id,
            speaker=event.speaker,
            id=event.id,
            score=event.score,
            probability=event.probability,
            duration_s=event.duration_s,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonState(_Payload):
    """Whether one person was heard within the hold time. ``heard``: ``ON`` or ``OFF``."""

    heard: Literal["ON", "OFF"]
    speaker: str
    last_heard: str | None = None
    score: float | None = None
    probability: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthState(_Payload):
    """How the device is. ``latency_p95_ms``: end of speech to decision, over the latest utterances, absent before the
    first.

    ``mic_fault``: an ``errors.MicrophoneFault``, ``mic_reason`` the same in words. ``snr_db``: of the latest utterance.
    ``not_speech``: sounds that seemed to be an utterance and were no speech.
    ``dropped_samples``: audio lost because it came faster than it was processed, since the start; ``overloaded``:
    whether some was within the last minute; ``behind_ms``: how long audio had to wait in that minute. ``outbox_*``:
    messages waiting, and events given up because the outbox was full. ``reconnects``: to the broker, since the
    start. ``security_warning``: what lets others read the broker's password, absent where nothing does.
    """

    ts: str
    mic_problem: bool
    mic_fault: str | None = None
    mic_reason: str | None = None
    latency_p95_ms: int | None = None
    snr_db: float | None = None
    enrolled: int = 0
    utterances: int = 0
    not_speech: int = 0
    dropped_samples: int = 0
    overloaded: bool = False
    behind_ms: int | None = None
    outbox_pending: int = 0
    outbox_dropped: int = 0
    reconnects: int = 0
    uptime_s: int = 0
    rss_mb: float | None = None
    security_warning: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InfoState(_Payload):
    """What runs here. ``encoder``: hash that voiceprints are bound to. ``names``: ``privacy.mqtt_names``.
    ``analyses``: what is told of voices besides whose they are, None for nothing; ``packs``: what with.
    """

    node: str
    version: str
    bundle: str
    bundle_version: str
    encoder: str
    runtime: str
    names: NameMode
    started: str
    room: str | None = None
    analyses: tuple[str, ...] | None = None
    packs: tuple[str, ...] | None = None


Phase = Literal["idle", "waiting", "recording", "done", "failed", "cancelled"]
"""Of an enrolment: ``waiting`` for somebody to speak, ``recording`` while they do. Beside these, a ``QualityReason``:
what was wrong with the latest utterance, which is to be said again.
"""
PHASES: Final[tuple[str, ...]] = (*get_args(Phase), *get_args(QualityReason))


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrolmentState(_Payload):
    """How the enrolment of somebody goes; no name is in it.

    ``clips``/``of``: good utterances so far, and how many there will be at least. ``percent``: of the advised amount.
    ``say``: a sentence to read aloud now. ``hint``: what to do about it. ``reason``: why it failed. ``message``: all
    this in words.
    """

    ts: str
    phase: Phase | QualityReason
    clips: int = 0
    of: int = 0
    percent: int = 0
    message: str
    say: str | None = None
    hint: str | None = None
    reason: str | None = None


AuthType = Literal["verified", "failed", "spoof_suspected", "locked_out"]
AUTH_TYPES: Final[tuple[str, ...]] = get_args(AuthType)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthEvent(_Payload):
    """What came of an attempt to be verified as a certain person, or that it was refused (``locked_out``).

    ``person_id``, ``person``: whom somebody claimed to be. ``reason``: why, in one word. ``probability``/``threshold``:
    as of an utterance, absent where no voice was compared. ``requester``: on whose behalf it was asked for.
    ``challenge``: whether digits had to be said. ``failures``: of this person in a row. ``refused``: attempts that
    were refused since this was last told. ``retry_s``: until the next attempt is allowed, absent where only the
    PIN helps. ``class_``: what a voice alone is good for.
    """

    event_type: AuthType
    id: str
    ts: str
    node: str
    room: str | None = None
    person_id: str | None = None
    person: str
    reason: str
    probability: float | None = None
    threshold: float | None = None
    requester: Literal["socket", "pam"]
    challenge: bool
    failures: int
    refused: int | None = None
    retry_s: int | None = None
    class_: str
    model: str | None = None

    _nullable = ("person_id",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Response(_Payload):
    """The answer to a request. ``transaction``: that of the request. ``data``: what was asked for. ``code``, ``error``,
    ``remedy``: what is wrong, in a word and in words, and what to do about it.
    """

    ts: str
    status: Literal["ok", "error"]
    transaction: str | int | None = None
    data: Mapping[str, Any] | None = None
    code: str | None = None
    error: str | None = None
    remedy: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioState(_Payload):
    """How loud it was in the latest seconds: ``level_dbfs`` on average, ``noise_dbfs`` the background as tracked,
    ``snr_db`` what lies between them; ``speaking``: whether an utterance was open.
    """

    ts: str
    level_dbfs: float
    noise_dbfs: float
    snr_db: float
    speaking: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateState(_Payload):
    """Which version of the model is in use, and the newest that can be installed, which may be the same.

    ``in_progress``: one is being installed. ``release_summary``: what the newer one is, or what became of the attempt
    to install it; ``reason``: why that failed.
    """

    installed_version: str
    latest_version: str
    title: str
    in_progress: bool
    release_summary: str | None = None
    reason: Literal["refused", "taken_back"] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HouseState(_Payload):
    """Where a person was last heard, of all nodes of a house. ``room``: the node's name where it has no room."""

    ts: str
    node: str
    room: str
    speaker_id: str
    speaker: str
    probability: float | None = None

    @classmethod
    def of(cls, event: UtteranceEvent) -> HouseState | None:
        """What ``event`` tells the house, None where it names nobody."""
        if event.speaker_id is None:
            return None
        return cls(
            ts=event.ts,
            node=event.node,
            room=event.room or event.node,
            speaker_id=event.speaker_id,
            speaker=event.speaker,
            probability=event.probability,
        )
