"""From results to payloads, for one device.

Takes: a ``Result`` and the circumstances. Gives: payloads. Must hold: privacy is decided here and nowhere else.
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Literal

from edge.events.ids import IdMaker, timestamp
from edge.events.names import UNKNOWN, shown_name
from edge.events.payloads import AuthEvent, AuthType, LastState, PersonState, UtteranceEvent
from edge.events.recall import last_state
from edge.records import Clock, LabelKind, PersonScore, Result
from edge.settings import Node, Privacy


class EventMaker:
    """Builds the payloads of one device, so that privacy is decided in one place.

    Args:
        node: name and room of the device.
        privacy: ``mqtt_names``, ``publish_candidates``, ``gender`` and ``emotion`` are used.
        model: name and version of the bundle, such as ``compact-1.0.0``.
        clock: gives the timestamps.
        names: person id -> current name; may be set again when people change.
        random_bits: for the ids.
    """

    def __init__(
        self,
        node: Node,
        privacy: Privacy,
        *,
        model: str,
        clock: Clock,
        names: Mapping[str, str] | None = None,
        random_bits: Callable[[int], int] = secrets.randbits,
    ) -> None:
        self._node = node
        self._privacy = privacy
        self._model = model
        self._clock = clock
        self._ids = IdMaker(clock, random_bits)
        self.names: Mapping[str, str] = names or {}

    def heed(self, privacy: Privacy) -> None:
        """Tell what these settings allow, from the next event on."""
        self._privacy = privacy

    def utterance(
        self,
        result: Result,
        *,
        latency_ms: float | None = None,
        at_s: float | None = None,
        source: str | None = None,
    ) -> UtteranceEvent:
        """The event for one result; with gender and emotion where the result has them and the household wants them."""
        decision, heard = result.decision, result.utterance
        spoken = decision.outcome != "rejected"
        named = decision.best if decision.outcome == "identified" else None
        latency = _rounded(latency_ms, 0)
        gender_label, gender_p = _told(result, "gender") if self._privacy.gender else (None, None)
        emotion_label, emotion_p = _told(result, "emotion") if self._privacy.emotion else (None, None)
        return UtteranceEvent(
            event_type=decision.outcome,
            id=self._ids.new(),
            ts=timestamp(self._clock.now()),
            node=self._node.name,
            room=self._node.room or None,
            speaker_id=self._public_id(named),
            speaker=self._public_name(named) if named else UNKNOWN,
            score=_rounded(decision.best.cosine, 3) if spoken and decision.best else None,
            threshold=_rounded(decision.threshold, 4) if spoken else None,
            margin=_rounded(decision.margin, 3) if spoken and decision.best else None,
            probability=_rounded(decision.probability, 4) if spoken else None,
            runner_up=self._candidate(result),
            duration_s=_rounded(heard.duration_seconds, 2),
            speech_s=_rounded(heard.speech_seconds, 2),
            gender=gender_label,
            gender_p=gender_p,
            emotion=emotion_label,
            emotion_p=emotion_p,
            snr_db=_rounded(heard.snr_db, 1),
            level_dbfs=_rounded(heard.level_dbfs, 1),
            clipped=heard.clipped_fraction > 0,
            flags=tuple(decision.flags),
            latency_ms=None if latency is None else max(0, int(latency)),
            model=self._model or None,
            at_s=_rounded(at_s, 2),
            source=source or None,
            reason=None if decision.outcome == "identified" else decision.reason or None,
        )

    def attempt(
        self,
        event_type: AuthType,
        person_id: str,
        name: str,
        *,
        reason: str,
        requester: Literal["socket", "pam"],
        challenge: bool,
        failures: int,
        purpose: str,
        probability: float | None = None,
        threshold: float | None = None,
        refused: int = 0,
        retry_seconds: float | None = None,
    ) -> AuthEvent:
        """The event for an attempt to be verified as this person. ``purpose``: the class of what was attempted."""
        shown_id, shown = self.shown(person_id, name)
        return AuthEvent(
            event_type=event_type,
            id=self._ids.new(),
            ts=timestamp(self._clock.now()),
            node=self._node.name,
            room=self._node.room or None,
            person_id=shown_id,
            person=shown,
            reason=reason,
            probability=_rounded(probability, 4),
            threshold=_rounded(threshold, 4),
            requester=requester,
            challenge=challenge,
            failures=failures,
            refused=refused or None,
            retry_s=None if retry_seconds is None else math.ceil(retry_seconds),
            class_=purpose,
            model=self._model or None,
        )

    def shown(self, person_id: str, name: str) -> tuple[str | None, str]:
        """Id and name of a person as they may leave the device."""
        mode = self._privacy.mqtt_names
        return None if mode == "none" else person_id, shown_name(person_id, name, mode)

    def recalled(self, payload: bytes) -> LastState | None:
        """The last speaker as an earlier run told it, under the name that may be shown today; None where nobody is left
        to name. Ids go on after its id, also where the clock was set back since.
        """
        last = last_state(payload)
        if last is None:
            return None
        self._ids.follow(last.id or "")
        if last.speaker_id is None:
            return last
        if self._privacy.mqtt_names == "none" or last.speaker_id not in self.names:
            return None
        return replace(last, speaker=shown_name(last.speaker_id, self.names[last.speaker_id], self._privacy.mqtt_names))

    def nobody(self) -> LastState:
        """The last speaker before anybody was heard."""
        return LastState(ts=timestamp(self._clock.now()), event_type="none")

    def person(
        self,
        person_id: str,
        heard: bool,
        *,
        last_heard: float | None = None,
        score: float | None = None,
        probability: float | None = None,
    ) -> PersonState | None:
        """Whether this person is here; the rest tells of the latest utterance that named them (``last_heard``: UTC
        seconds). None where no name may leave the device.
        """
        if self._privacy.mqtt_names == "none":
            return None
        return PersonState(
            heard="ON" if heard else "OFF",
            speaker=shown_name(person_id, self.names.get(person_id, ""), self._privacy.mqtt_names),
            last_heard=None if last_heard is None else timestamp(last_heard),
            score=_rounded(score, 3),
            probability=_rounded(probability, 4),
        )

    def _public_id(self, person: PersonScore | None) -> str | None:
        return self.shown(person.person_id, person.name)[0] if person else None

    def _public_name(self, person: PersonScore) -> str:
        return self.shown(person.person_id, self.names.get(person.person_id, person.name))[1]

    def _candidate(self, result: Result) -> str | None:
        """Whoever came nearest without being named: the second best of an identification, else the best."""
        if not self._privacy.publish_candidates:
            return None
        decision = result.decision
        return self._public_id(decision.runner_up if decision.outcome == "identified" else decision.best)


def _rounded(value: float | None, digits: int) -> float | None:
    """A plain finite float, None for anything that JSON has no number for."""
    if value is None or not math.isfinite(value):
        return None
    return round(float(value), digits)


def _told(result: Result, kind: LabelKind) -> tuple[str | None, float | None]:
    answer = result.labels.get(kind)
    return (None, None) if answer is None else (answer.label, _rounded(answer.probability, 3))
