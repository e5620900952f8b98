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
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from edge.auth.attempt import AttemptOutcome, Gate
from edge.auth.listening import Heard, for_digits, hear
from edge.bundle import Bundle
from edge.calibrate.kept import Household
from edge.challenge import Challenge
from edge.control import Tell, VerifyRequest
from edge.control.protocol import failure, progress, result
from edge.daemon.listener import Listener
from edge.daemon.tap import Tap
from edge.decision import FAR_TARGETS
from edge.errors import (
    AttemptCancelledError,
    BusyError,
    EarmarkError,
    MicrophoneError,
    PeopleError,
    UnknownPersonError,
)
from edge.people import PeopleStore
from edge.pipeline import Pipeline
from edge.records import Person, Voiceprint
from edge.settings import Settings

_LOG = logging.getLogger(__name__)

_GRACE_SECONDS: Final = 3.0
"""Beyond the sound asked for, until a source that gives less than a second per second is given up."""
_JUDGING_SECONDS: Final = 1.0
"""Kept of the time of a challenge for the check itself."""


@dataclass(frozen=True, slots=True)
class Scene:
    """What a request finds. ``problem``: why the microphone gives nothing; ``listening``: False where it is switched
    off.
    """

    settings: Settings
    folder: Path
    bundle: Bundle
    model: str
    store: PeopleStore
    voiceprints: tuple[Voiceprint, ...]
    household: Household
    listener: Listener
    listening: bool
    problem: str | None


class Verifier:
    """Carries out one verification at a time, each in a thread of its own."""

    def __init__(self, scene: Callable[[], Scene]) -> None:
        self._scene = scene
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
            verification = Verification(self._scene(), request, uid, tell, self._turn.release)
            threading.Thread(target=verification.run, name="verification", daemon=True).start()
        except BaseException:
            self._turn.release()
            raise
        return verification


class Verification:
    """One of them; ``control.Running``. Raises ``EarmarkError`` where it cannot even begin."""

    def __init__(self, scene: Scene, request: VerifyRequest, uid: int, tell: Tell, done: Callable[[], None]) -> None:
        if not scene.listening:
            raise MicrophoneError("The daemon's microphone is switched off", "Switch it on over MQTT.")
        if scene.problem is not None:
            raise MicrophoneError(f"The daemon's microphone gives nothing: {scene.problem}")
        self._scene = scene
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
        with (
            Gate(scene.folder, scene.settings) as gate,
            gate.begin(
                person.id,
                requester=request.requester,
                challenge=request.challenge,
                name=person.name,
                uid=self._uid,
            ) as attempt,
        ):
            try:
                heard = self._listen(person, challenge)
            except MicrophoneError as error:
                if not self._tap.heard:
                    attempt.nothing_heard(error.code)
                raise
            profile = scene.settings.decide.profile
            # Also where nobody waits any more: a voice that was heard and did not match counts, silence does not.
            outcome = attempt.judge(
                heard.results,
                person=person,
                profile=profile,
                model=scene.model,
                nothing=heard.hearing.why_nothing(scene.settings),
                calibration=scene.household.origin(FAR_TARGETS[profile]),
                challenge=challenge,
            )
        if self._tap.cancelled:
            raise AttemptCancelledError("The verification was cancelled")
        return outcome

    def _listen(self, person: Person, challenge: Challenge | None) -> Heard:
        scene, seconds = self._scene, self._request.timeout_seconds
        settings = scene.settings if challenge is None else for_digits(scene.settings)
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
