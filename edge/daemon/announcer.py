"""Results -> messages: the event of each utterance, and the retained states that follow from it.

Takes results, people and the passing of time; gives ``Message``s to a callable that takes any number of them. Must
hold: what is no speech is counted and not announced; a state is published when it changes, and outlives a restart;
privacy is ``EventMaker``'s.
Safe to call from the listening and the main thread.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from edge.daemon.health import Latencies
from edge.daemon.presence import Heard, Presence
from edge.events import EventMaker, LastState, PersonState, UtteranceEvent
from edge.events.recall import presence
from edge.mqtt.topics import Topics
from edge.records import Clock, Message, Result, Voiceprint


class Announcer:
    """Everything that the device says about voices."""

    def __init__(
        self,
        topics: Topics,
        maker: EventMaker,
        clock: Clock,
        publish: Callable[..., None],
        *,
        hold_seconds: float,
        source: str | None = None,
        sample_rate: int | None = None,
        house: Callable[[UtteranceEvent], list[Message]] = lambda event: [],
    ) -> None:
        self._topics = topics
        self._maker = maker
        self._clock = clock
        self._publish = publish
        self._presence = Presence(hold_seconds)
        self._hold_seconds = hold_seconds
        self._people: tuple[str, ...] = ()
        self._shown: tuple[str, ...] = ()  # whose states stand at the broker
        self._recalled = b""  # the last speaker of an earlier run
        self._last: LastState | None = None  # as it stands at the broker
        self._lock = threading.RLock()
        self.source = source
        """Name of the recording being played, sent with each event; None for a microphone."""
        self._sample_rate = sample_rate
        self._house = house
        self.latencies = Latencies()
        self.utterances = 0
        self.not_speech = 0
        self.last_snr_db: float | None = None

    def recall(self, states: Sequence[Message]) -> None:
        """These states were published by an earlier run; what they tell goes on. Call it before anything else."""
        with self._lock:
            for message in states:
                if message.topic == self._topics.of("last"):
                    self._recalled = message.payload
                elif (person_id := self._topics.person_in(message.topic)) is not None:
                    self._shown = (*self._shown, person_id)
                    self._recall_person(person_id, message.payload)

    def keep_only(self, voiceprints: Sequence[Voiceprint]) -> None:
        """Nobody else is enrolled any more: from now on nothing that stays is said of others, or under an old name."""
        with self._lock:
            self._maker.names = {v.person_id: v.name for v in voiceprints}
            enrolled = set(self._maker.names)
            for person_id in {*self._people, *self._shown} - enrolled:
                self._presence.forget(person_id)
            self._people = tuple(one for one in self._people if one in enrolled)

    def set_people(self, voiceprints: Sequence[Voiceprint]) -> None:
        """These people are enrolled now. Their states are published; whatever stands at the broker of people who were
        removed, or may no longer be shown, is cleared.
        """
        with self._lock:
            self.keep_only(voiceprints)
            self._people = tuple(self._maker.names)
            states = self._person_states(self._people)
            messages = [self._topics.message("person", b"", one) for one in self._shown if one not in states]
            messages += self._renamed()
            self._shown = tuple(states)
            self._publish(*messages, *states.values())

    def first_states(self) -> None:
        """What a subscriber should find before anybody has spoken: the last speaker of an earlier run, or nobody."""
        with self._lock:
            last = self._maker.recalled(self._recalled) or self._maker.nobody()
            self._last = last
            self._publish(self._topics.message("last", last.to_json()), self._topics.speaking(False))

    def result(self, result: Result, latency_ms: float) -> UtteranceEvent | None:
        """Announce one utterance; gives its event, None where it was no speech."""
        with self._lock:
            if result.decision.reason == "not_speech":
                self.not_speech += 1
                return None
            self.utterances += 1
            self.latencies.add(latency_ms)
            self.last_snr_db = result.utterance.snr_db
            at_s = result.utterance.start / self._sample_rate if self._sample_rate else None
            event = self._maker.utterance(result, latency_ms=latency_ms, at_s=at_s, source=self.source)
            messages = [self._topics.message("utterance", event.to_json())]
            best, person_id = result.decision.best, result.decision.person_id
            # Somebody removed while this was being decided leaves no trace that stays.
            removed = person_id is not None and person_id not in self._people
            last = None if removed else LastState.of(event)
            if last is not None:
                self._last = last
                messages.append(self._topics.message("last", last.to_json()))
            if best is not None and person_id is not None and not removed:
                heard = Heard(self._clock.now(), best.cosine, best.probability)
                self._presence.heard(best.person_id, heard, self._clock.monotonic())
                messages += self._person_states([best.person_id]).values()
                messages += self._house(event)
            # Together, so that they cost one write to the disk.
            self._publish(*messages)
            return event

    def hold(self, seconds: float) -> None:
        """From the next utterance on, people count as present for this long."""
        with self._lock:
            self._hold_seconds = seconds
            self._presence.hold(seconds)

    def speaking(self, speaking: bool) -> None:
        """Somebody began or stopped to speak."""
        self._publish(self._topics.speaking(speaking))

    def tick(self) -> None:
        """Let time pass: people not heard any more become absent."""
        with self._lock:
            gone = self._presence.expired(self._clock.monotonic())
            if gone:
                self._publish(*self._person_states(gone).values())

    def _renamed(self) -> list[Message]:
        """The last speaker again, where the name has changed or may not be told any more."""
        last = self._last
        if last is None or last.speaker_id is None:
            return []
        renewed = self._maker.recalled(last.to_json()) or self._maker.nobody()
        if renewed.speaker == last.speaker:
            return []
        self._last = renewed
        return [self._topics.message("last", renewed.to_json())]

    def _recall_person(self, person_id: str, payload: bytes) -> None:
        told = presence(payload)
        if told is None:
            return
        # By the clock on the wall, the only one that went on meanwhile; it may have been set, so not for too long.
        left = min(told.at + self._hold_seconds - self._clock.now(), self._hold_seconds)
        until = self._clock.monotonic() + left if told.here and left > 0 else None
        self._presence.recall(person_id, Heard(told.at, told.score, told.probability), until)

    def _person_states(self, people: Sequence[str]) -> dict[str, Message]:
        """Person id -> message; without those who may not be shown."""
        states = {person_id: self._person_state(person_id) for person_id in people}
        return {p: self._topics.message("person", state.to_json(), p) for p, state in states.items() if state}

    def _person_state(self, person_id: str) -> PersonState | None:
        here = self._presence.is_heard(person_id, self._clock.monotonic())
        last = self._presence.last(person_id)
        if last is None:
            return self._maker.person(person_id, here)
        return self._maker.person(person_id, here, last_heard=last.at, score=last.score, probability=last.probability)
