"""What the household is told of attempts to be verified.

Takes how each attempt ended, or that it was refused; gives ``Message``s to ``publish``. Must hold: a match is told
only where whoever asked was told it, too; neither what counts as no failure is told, nor anything about somebody who
was removed meanwhile; whoever is refused again and again while somebody is locked out makes no flood of messages.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Final

from edge.auth.attempt import Attempt, AttemptOutcome, Gate, LockedOut
from edge.auth.outcome import CLASS
from edge.control import VerifyRequest
from edge.errors import EarmarkError
from edge.events import AuthType, EventMaker
from edge.mqtt import Topics
from edge.records import Clock, Person

_LOG = logging.getLogger(__name__)

REPEAT_SECONDS: Final = 600.0
"""As long as a lock-out lasts it is told once in this time."""


class Attempts:
    """``told``: whether the household wants to be told anything. Safe to call from any thread."""

    def __init__(
        self, topics: Topics, maker: EventMaker, clock: Clock, publish: Callable[..., None], *, told: bool
    ) -> None:
        self._topics = topics
        self._maker = maker
        self._clock = clock
        self._publish = publish
        self._wanted = told
        self._lock = threading.Lock()
        self._told: dict[tuple[str, str], tuple[float, int]] = {}
        """(whom it is about, reason) -> when that was told, and how often somebody was refused since."""

    def ended(
        self, gate: Gate, request: VerifyRequest, person: Person, attempt: Attempt, outcome: AttemptOutcome | None
    ) -> None:
        """An attempt is over. ``outcome``: what it was judged, None where it was cut off before."""
        if not self._concerns(person) or attempt.verdict == "nothing":
            return
        kind: AuthType = "verified" if attempt.verdict == "match" else "failed"
        if outcome is not None and outcome.outcome == "spoof":
            kind = "spoof_suspected"
        with self._lock:
            # A new attempt was allowed and counted, so what is refused from now on is news again.
            self._told = {key: told for key, told in self._told.items() if key[0] != person.id}
        decision = outcome.decision if outcome is not None else None
        try:
            self._tell(
                kind, gate, request, person, attempt.reason,
                probability=decision.probability if decision else None,
                threshold=decision.threshold if decision else None,
            )  # fmt: skip
            if kind != "verified":
                gate.check(person.id, name=person.name)
        except LockedOut as error:
            self.refused(gate, request, person, error, begins=True)
        except EarmarkError as error:
            _LOG.error("what came of an attempt cannot be told: %s", error.sentence())

    def refused(
        self, gate: Gate, request: VerifyRequest, person: Person, error: LockedOut, *, begins: bool = False
    ) -> None:
        """An attempt was refused, or (``begins``) would be from now on."""
        if not self._concerns(person):
            return
        # Too many failures by anybody are nobody's in particular.
        key = (person.id if error.reason in {"failures", "other_factor"} else "", error.reason)
        now = self._clock.monotonic()
        with self._lock:
            at, refused = self._told.get(key, (-REPEAT_SECONDS, 0))
            if now - at < REPEAT_SECONDS:
                self._told[key] = (at, refused + 1)
                return
            self._told[key] = (now, 0)
        try:
            self._tell(
                "locked_out", gate, request, person, error.reason,
                refused=refused + (not begins), retry_seconds=error.seconds,
            )  # fmt: skip
        except EarmarkError as fault:
            _LOG.error("what came of an attempt cannot be told: %s", fault.sentence())

    def _concerns(self, person: Person) -> bool:
        return self._wanted and person.id in self._maker.names

    def _tell(
        self,
        kind: AuthType,
        gate: Gate,
        request: VerifyRequest,
        person: Person,
        reason: str,
        *,
        probability: float | None = None,
        threshold: float | None = None,
        refused: int = 0,
        retry_seconds: float | None = None,
    ) -> None:
        event = self._maker.attempt(
            kind,
            person.id,
            person.name,
            reason=reason,
            requester=request.requester,
            challenge=request.challenge,
            failures=gate.failures(person.id),
            purpose=CLASS,
            probability=probability,
            threshold=threshold,
            refused=refused,
            retry_seconds=retry_seconds,
        )
        self._publish(self._topics.message("auth", event.to_json()))
