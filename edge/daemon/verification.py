"""Verification of one person on the sound that the daemon hears anyway.

Takes requests of the control socket and the ``Scene`` they find; tells how far it is and what came of it. Must hold:
one at a time; every attempt goes through ``auth.Gate``; the feed of the daemon goes on as if nobody had asked; an
attempt ends within its time, and whoever has gone cancels it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from edge.auth.attempt import Attempt, AttemptOutcome, Gate
from edge.auth.listening import Heard, for_digits, hear
from edge.bundle import Bundle
from edge.calibrate.kept import Household
from edge.challenge import Challenge
from edge.control import Tell, VerifyRequest
from edge.control.protocol import failure, progress, result
from edge.daemon.attempts import Attempts
from edge.daemon.listener import Listener
from edge.daemon.tap import Tap
from edge.decision import FAR_TARGETS
from edge.errors import (
    AttemptCancelledError,
    BusyError,
    EarmarkError,
    LockedOut,
    MicrophoneError,
    PeopleError,
    UnknownPersonError,
)
from edge.people import PeopleStore
from edge.pipeline import Pipeline
from edge.records import Person, Profile, Voiceprint
from edge.settings import Settings

_LOG = logging.getLogger(__name__)

_GRACE_SECONDS: Final = 3.0
"""Beyond the sound asked for, until a source that gives less than a second per second is given up."""
_JUDGING_SECONDS: Final = 1.0
"""Kept of the time of a challenge for the check itself."""


@dataclass(frozen=True, slots=True)
class Scene:
    """What a request finds. ``settings``: with what was chosen over MQTT; ``written``: the profile without.
    ``problem``: why the microphone gives nothing; ``listening``: False where it is switched off.
    """

    settings: Settings
    written: Profile
    folder: Path
    bundle: Bundle
    model: str
    store: PeopleStore
    voiceprints: tuple[Voiceprint, ...]
    household: Household
    listener: Listener
    listening: bool
    problem: str | None

    @property
    def judging(self) -> Settings:
        """The settings for attempts. What is chosen over MQTT may make them harder to pass, and never easier: whoever
        may publish at the broker could else let strangers in.
        """
        decide = self.settings.decide
        profile = min(self.written, decide.profile, key=FAR_TARGETS.__getitem__)
        return replace(self.settings, decide=replace(decide, profile=profile))


class Verifier:
    """Carries out one verification at a time, each in a thread of its own."""

    def __init__(self, scene: Callable[[], Scene], attempts: Attempts) -> None:
        self._scene = scene
        self._attempts = attempts
        self._turn = threading.Lock()

    @property
    def busy(self) -> bool:
        """Whether somebody is being verified now."""
        return self._turn.locked()

    def begin(self, request: VerifyRequest, uid: int, tell: Tell) -> Verification:
        """Begin for the account ``uid``; its end comes through ``tell``. Raises ``BusyError``, or what prevents it."""
        if not self._turn.acquire(blocking=False):
            raise BusyError("Somebody else is being verified", "Try again in a moment.")
        try:
            verification = Verification(self._scene(), self._attempts, request, uid, tell=tell, done=self._turn.release)
            threading.Thread(target=verification.run, name="verification", daemon=True).start()
        except BaseException:
            self._turn.release()
            raise
        return verification


class Verification:
    """One of them; ``control.Running``. Raises ``EarmarkError`` where it cannot even begin."""

    def __init__(
        self,
        scene: Scene,
        attempts: Attempts,
        request: VerifyRequest,
        uid: int,
        *,
        tell: Tell,
        done: Callable[[], None],
    ) -> None:
        if not scene.listening:
            raise MicrophoneError("The daemon's microphone is switched off", "Switch it on over MQTT.")
        if scene.problem is not None:
            raise MicrophoneError(f"The daemon's microphone gives nothing: {scene.problem}")
        self._scene = scene
        self._attempts = attempts
        self._request = request
        self._uid = uid
        self._tell = tell
        self._done = done
        self._tap = Tap()

    def cancel(self) -> None:
        """Nobody waits for the answer any more."""
        self._tap.cancel()

    def run(self) -> None:
        """Hear and judge; tells the end whatever happens."""
        try:
            last = self._run()
        except EarmarkError as error:
            last = failure(self._request.id, error)
        except Exception as error:
            _LOG.exception("a verification failed")
            last = failure(self._request.id, EarmarkError(f"Earmark made a mistake ({type(error).__name__})"))
        finally:
            self._scene.listener.detach(self._tap)
            # Before the end is told: whoever hears it may ask again at once.
            self._done()
        self._tell(last, True)

    def _run(self) -> bytes:
        outcome = self._attempt(self._person())
        _LOG.info("verification", extra={"fields": {"outcome": outcome.outcome, "reason": outcome.reason}})
        return result(
            self._request.id, "verify", outcome.exit_code, sentence=outcome.sentence(), attempt=outcome.to_json()
        )

    def _person(self) -> Person:
        try:
            person = self._scene.store.find(self._request.person)
        except UnknownPersonError as error:  # which would name those who are
            raise UnknownPersonError("Nobody of that name is enrolled at the daemon") from error
        if person.id not in {v.person_id for v in self._scene.voiceprints}:
            raise PeopleError(
                f"{person.name} was enrolled with another model than {self._scene.bundle.name}", "Enrol again."
            )
        return person

    def _attempt(self, person: Person) -> AttemptOutcome:
        scene, request = self._scene, self._request
        challenge = Challenge.draw(language=request.language) if request.challenge else None
        outcome: AttemptOutcome | None = None
        with Gate(scene.folder, scene.settings) as gate:
            try:
                attempt = gate.begin(
                    person.id,
                    requester=request.requester,
                    challenge=request.challenge,
                    name=person.name,
                    uid=self._uid,
                )
            except LockedOut as error:
                self._attempts.refused(gate, request, person, error)
                raise
            try:
                with attempt:
                    outcome = self._judged(attempt, person, challenge)
                if self._tap.cancelled:
                    raise AttemptCancelledError("The verification was cancelled")
            except Exception:
                # Nobody is told of a match then, so the household is not either.
                if attempt.verdict != "match":
                    self._attempts.ended(gate, request, person, attempt, outcome)
                raise
            self._attempts.ended(gate, request, person, attempt, outcome)
        return outcome

    def _judged(self, attempt: Attempt, person: Person, challenge: Challenge | None) -> AttemptOutcome:
        scene = self._scene
        try:
            heard = self._listen(person, challenge)
        except MicrophoneError as error:
            if not self._tap.heard:
                attempt.nothing_heard(error.code)
            raise
        profile = scene.judging.decide.profile
        # Also where nobody waits any more: a voice that was heard and did not match counts, silence does not.
        return attempt.judge(
            heard.results,
            person=person,
            profile=profile,
            model=scene.model,
            nothing=heard.hearing.why_nothing(scene.settings),
            calibration=scene.household.origin(FAR_TARGETS[profile]),
            challenge=challenge,
        )

    def _listen(self, person: Person, challenge: Challenge | None) -> Heard:
        scene, seconds = self._scene, self._request.timeout_seconds
        settings = scene.judging if challenge is None else for_digits(scene.judging)
        pipeline = Pipeline(
            scene.bundle, settings, scene.voiceprints, claim=person.id, correction=scene.household.correction
        )
        if challenge is not None:
            seconds = min(seconds, challenge.seconds_left() - _JUDGING_SECONDS)
            self._progress("challenge", digits=list(challenge.digits), text=challenge.text(), seconds=round(seconds, 1))
        scene.listener.attach(self._tap)
        try:
            self._progress("listening", seconds=round(seconds, 1))
            blocks = self._tap.blocks(time.monotonic() + seconds + _GRACE_SECONDS)
            return hear(blocks, pipeline, limit_seconds=seconds, digits=len(challenge.digits) if challenge else 0)
        finally:
            scene.listener.detach(self._tap)

    def _progress(self, stage: str, **fields: Any) -> None:
        self._tell(progress(self._request.id, stage, **fields), False)
