"""Enrolment over MQTT, on the sound that the daemon hears anyway.

Takes a name, a start and a cancel, and the ``Scene`` they find; tells how it goes by ``EnrolmentState``. Must hold: one
at a time; what is learnt goes through ``learning.Learning``, as with ``earmark enroll``; the feed of the daemon goes on
as if nobody had asked; whatever ends it early (cancel, reload, a microphone that is lost or switched off) stores
nothing; no state holds a name.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from edge.auth.hearing import Hearing
from edge.bundle import Bundle
from edge.clip_quality import HINTS
from edge.daemon.commands import Handlers
from edge.daemon.tap import Tap
from edge.daemon.verification import Scene
from edge.enrolment import ADVISED_CLIPS, ClipReport
from edge.errors import (
    AttemptCancelledError,
    EarmarkError,
    EnrolmentError,
    MicrophoneError,
    PeopleError,
    UnknownPersonError,
)
from edge.events import EnrolmentState, Phase, timestamp
from edge.learning import DEAF_SECONDS, LIMIT_SECONDS, SENTENCES, Learning, open_learning_bundle
from edge.mqtt.topics import ENROL_CANCEL, ENROL_NAME, ENROL_START
from edge.people import check_name
from edge.pipeline import Pipeline
from edge.records import AudioBlock, Clock, Person, QualityReason, Result
from edge.settings import Privacy, bundle_dirs

_LOG = logging.getLogger(__name__)

_GRACE_SECONDS: Final = 3.0
_LONGEST_MESSAGE: Final = 250  # Home Assistant's states have 255 characters
_CONSENT: Final = "enrolled over MQTT"
_WHY: Final[dict[str, tuple[str, str]]] = {
    "no_name": ("no name was given", "Enter a name first."),
    "bad_name": ("that cannot be used as a name", "Use 1 to 32 letters, digits, spaces and the signs _ . ' -"),
    "name_taken": ("somebody of that name is enrolled already", "`earmark enroll --add` adds to a voice."),
    "other_voice": ("more than one person spoke", "One person alone, please."),
    "too_little": ("there was too little good speech", "Start again and read all the sentences."),
    "clips_differ": ("the sentences sound too different", "Say them all in one place, in a normal voice."),
    "known_voice": ("this voice is enrolled already", ""),
    "microphone": ("the microphone gives nothing", "Health tells what is wrong with it."),
    "error": ("Earmark could not do it", "The device's log says more."),
    **{reason: (reason.replace("_", " "), hint) for reason, hint in HINTS.items() if reason != "other_voice"},
}
"""Reason -> words and what to do about it. No name in them: everybody at the broker reads this."""

TellState = Callable[[EnrolmentState], None]
TellName = Callable[[str], None]


class Enroller:
    """``tell`` publishes how it goes, ``echo`` the name in force. Safe to call from any thread, and returns at once."""

    def __init__(
        self,
        scene: Callable[[], Scene],
        tell: TellState,
        echo: TellName,
        clock: Clock,
        *,
        limit_seconds: float = LIMIT_SECONDS,
    ) -> None:
        self._scene = scene
        self._tell = tell
        self._echo = echo
        self._clock = clock
        self._limit_seconds = limit_seconds
        self._lock = threading.Lock()
        self._name = ""
        self._running: _Run | None = None

    @property
    def handlers(self) -> Handlers:
        """What can be asked."""
        return {ENROL_NAME: self.name, ENROL_START: self.begin, ENROL_CANCEL: self.cancel}

    def first_states(self) -> None:
        """What stands at the broker before anybody asks: nothing of an earlier run."""
        self._echo("")
        self._say("idle", "Nobody is being enrolled.")

    def name(self, text: str) -> None:
        """Whom to enrol next."""
        with self._lock:
            if self._running is not None:
                _LOG.warning("ignored a name: somebody is being enrolled")
            elif not text:
                self._name = ""
            else:
                try:
                    self._name = check_name(text)
                except PeopleError:
                    self._fail("bad_name")
            self._echo(self._name)

    def begin(self, _payload: str = "") -> None:
        """Begin to enrol whoever was named."""
        with self._lock:
            if self._running is not None:
                _LOG.warning("ignored the start of an enrolment: one is under way")
                return
            scene = self._scene()
            problem = self._why_not(scene)
            if problem:
                self._fail(problem)
                return
            self._running = run = _Run(scene, self._name, self._say, self._limit_seconds)
            threading.Thread(target=self._carry_out, args=(run,), name="enrolment", daemon=True).start()

    def cancel(self, _payload: str = "") -> None:
        """Store nothing; without an enrolment that is under way, nothing happens."""
        with self._lock:
            if self._running is not None:
                self._running.cancel()

    def stop(self, timeout_seconds: float) -> None:
        """Cancel, and wait for the end."""
        self.cancel()
        running = self._running
        if running is not None:
            running.ended.wait(timeout_seconds)

    def _why_not(self, scene: Scene) -> str | None:
        if not self._name:
            return "no_name"
        if not scene.listening or scene.problem is not None:
            return "microphone"
        try:
            scene.store.find(self._name)
        except UnknownPersonError:
            return None
        except EarmarkError as error:
            _LOG.error("nobody can be enrolled: %s", error.sentence())
            return "error"
        return "name_taken"

    def _carry_out(self, run: _Run) -> None:
        failed = ""
        try:
            person = run.learn()
            _LOG.info("enrolled over MQTT", extra={"fields": {"id": person.id, "clips": len(person.exemplars)}})
        except AttemptCancelledError:
            failed = "cancelled"
        except EnrolmentError as error:
            failed = run.why(error)
        except MicrophoneError as error:
            _LOG.warning("enrolment: %s", error.sentence())
            failed = "microphone"
        except EarmarkError as error:
            _LOG.error("enrolment: %s", error.sentence())
            failed = "error"
        except Exception:
            _LOG.exception("an enrolment failed")
            failed = "error"
        with self._lock:
            self._running = None
            self._name = ""
            self._echo("")
            if failed == "cancelled":
                self._say("cancelled", "Cancelled. Nothing was stored.")
            elif failed:
                self._fail(failed)
            else:
                clips = run.clips
                self._say("done", "Enrolled: this voice is known now.", clips=clips, of=clips, percent=100)
        run.ended.set()

    def _fail(self, reason: str) -> None:
        words, hint = _WHY[reason]
        self._say("failed", f"Failed: {words}. Nothing was stored. {hint}".strip(), reason=reason, hint=hint or None)

    def _say(
        self,
        phase: Phase | QualityReason,
        message: str,
        *,
        clips: int = 0,
        of: int = 0,
        percent: int = 0,
        say: str | None = None,
        hint: str | None = None,
        reason: str | None = None,
    ) -> None:
        self._tell(
            EnrolmentState(
                ts=timestamp(self._clock.now()),
                phase=phase,
                clips=clips,
                of=of,
                percent=percent,
                message=message[:_LONGEST_MESSAGE],
                say=say,
                hint=hint,
                reason=reason,
            )
        )


class _Run:
    """One enrolment. ``learn`` is for a thread of its own, ``cancel`` for any."""

    def __init__(self, scene: Scene, name: str, say: Callable[..., None], limit_seconds: float) -> None:
        self._scene = scene
        self._name = name
        self._say = say
        self._limit_seconds = limit_seconds
        self._tap = Tap()
        self._hearing = Hearing()
        self._refused: Counter[QualityReason] = Counter()
        self._speaking = False
        self.clips = 0
        self.ended = threading.Event()

    def cancel(self) -> None:
        self._tap.cancel()

    def why(self, error: EnrolmentError) -> str:
        """The reason that helps most: what was wrong with the sound, where too little of it was good."""
        if error.reason != "too_little":
            return error.reason
        if self._refused:
            return self._refused.most_common(1)[0][0]
        return error.reason if self.clips else self._hearing.why_nothing(self._scene.settings)

    def learn(self) -> Person:
        """Listen until there is enough, and store it. Raises ``EarmarkError`` where nothing was stored."""
        scene = self._scene
        bundle = self._bundle()
        with Learning(bundle, scene.store, scene.folder, self._name) as learning:
            # Whose voice it is and what it sounds like is asked elsewhere.
            pipeline = Pipeline(bundle, replace(scene.settings, privacy=Privacy()))
            self._prompt(learning)
            scene.listener.attach(self._tap)
            try:
                if not self._listen(pipeline, learning):
                    self._judge(pipeline.finish(), learning)
            finally:
                scene.listener.detach(self._tap)
            exemplars = learning.finish() if not self._tap.cancelled else ()
            if self._tap.cancelled:
                raise AttemptCancelledError("The enrolment was cancelled")
            return learning.store(exemplars, consent=_CONSENT)

    def _bundle(self) -> Bundle:
        settings = self._scene.settings
        if settings.enrolment.bundle in ("", settings.models.bundle):
            return self._scene.bundle
        return open_learning_bundle(settings, bundle_dirs(settings, self._scene.folder))

    def _listen(self, pipeline: Pipeline, learning: Learning) -> bool:
        """Until it is enough (True), the sound ends, or time is up."""
        for block in self._tap.blocks(time.monotonic() + self._limit_seconds + _GRACE_SECONDS):
            if self._take(block, pipeline, learning):
                return True
            if self._hearing.seconds >= self._limit_seconds:
                break
        return False

    def _take(self, block: AudioBlock, pipeline: Pipeline, learning: Learning) -> bool:
        """The next block; whether it is enough."""
        hearing = self._hearing
        heard_before = hearing.seconds
        hearing.take(block)
        results = pipeline.push(block)
        if self._judge(results, learning):
            return True
        if not results and pipeline.speaking and not self._speaking:
            self._say_so("recording", learning, "Listening ...")
        self._speaking = pipeline.speaking
        if heard_before < DEAF_SECONDS <= hearing.seconds:
            loudest = max(hearing.levels_dbfs, default=-120.0)
            if loudest < self._scene.settings.segment.floor_dbfs:
                self._refuse("silent", HINTS["silent"], learning)
        return False

    def _judge(self, results: list[Result], learning: Learning) -> bool:
        for result in results:
            number = len(learning.enrolment.reports) + 1
            microphone = self._scene.listener.source.name
            clip = learning.offer(result, source=f"utterance {number}", microphone=microphone)
            if learning.enrolment.progress().done:
                self.clips = learning.enrolment.progress().clips
                return True
            self._tell_of(clip, learning)
        return False

    def _tell_of(self, clip: ClipReport, learning: Learning) -> None:
        if clip.reason is None:
            self._prompt(learning)
        else:
            self._refused[clip.reason] += 1
            self._refuse(clip.reason, clip.hint, learning)

    def _prompt(self, learning: Learning) -> None:
        self._say_so("waiting", learning, f"Read aloud: {_sentence(learning)}")

    def _refuse(self, reason: QualityReason, hint: str, learning: Learning) -> None:
        words = reason.replace("_", " ").capitalize()
        again = f"{words}. {hint} Read aloud: {_sentence(learning)}"
        self._say_so(reason, learning, again, hint=hint)

    def _say_so(self, phase: str, learning: Learning, message: str, hint: str | None = None) -> None:
        progress = learning.enrolment.progress()
        self.clips = progress.clips
        of = max(ADVISED_CLIPS, progress.clips + 1)
        self._say(
            phase,
            f"{progress.clips} of {of}. {message}",
            clips=progress.clips,
            of=of,
            percent=progress.percent,
            say=_sentence(learning),
            hint=hint or None,
        )


def _sentence(learning: Learning) -> str:
    """What to read: the same again where it was not good enough."""
    return SENTENCES[sum(report.accepted for report in learning.enrolment.reports) % len(SENTENCES)]
