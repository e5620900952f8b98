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
SCHEMAS: Final = ("utterance", "last", "person", "health", "info", "enrolment")
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
                values[item.name] = list(value) if isinstance(value, tuple) else value
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
