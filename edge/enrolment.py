"""Utterances -> exemplars: the quality gate, the second-person check and the stop rule of enrolment.

Takes the pipeline's utterances and embeddings of one person; gives a report per clip and, when there is enough, the
exemplars to store. Must hold: every refusal names its reason; a second voice never enters a voiceprint; the same
recording counts once; nothing is stored here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from edge.decision import FAR_TARGETS, SPEECH_PROBABILITY
from edge.errors import EnrolmentError
from edge.records import SAMPLE_RATE, Embedding, Exemplar, Float32, QualityReason, Utterance, Voiceprint
from edge.scoring import Scorer, voiceprint_of

MIN_CLIP_SECONDS: Final = 1.5
MIN_SNR_DB: Final = 15.0
WARN_SNR_DB: Final = 20.0
MAX_CLIPPED: Final = 0.001
LEVEL_DBFS: Final = (-40.0, -10.0)
NARROW_BAND_DB: Final = -48.0
"""Energy of 4.2-7.5 kHz over 0.3-3.4 kHz below which a clip went through a telephone or an 8 kHz recorder."""

MIN_CLIPS: Final = 2
MIN_SECONDS: Final = 8.0
ADVISED_CLIPS: Final = 5
ADVISED_SECONDS: Final = 15.0

HINTS: Final[dict[QualityReason, str]] = {
    "too_short": "Say a whole sentence: at least 1.5 seconds of speech.",
    "silent": "Nothing was heard; check that the microphone is on.",
    "too_quiet": "Come closer or turn the microphone up.",
    "too_loud": "Step back or turn the microphone down.",
    "too_noisy": "Find a quieter moment: the background is less than 15 dB below the voice.",
    "clipped": "The sound is distorted; step back or turn the microphone down.",
    "not_speech": "That did not sound like speech.",
    "other_voice": "That sounded like another person than the clips before.",
    "narrow_band": "The recording sounds like a telephone; record with the microphone that Earmark will listen with.",
    "duplicate": "This recording was given before; say something new.",
}
"""What a person can do about each reason."""


@dataclass(frozen=True, slots=True)
class ClipReport:
    """What became of one clip. ``accepted`` clips carry no ``reason``; ``warnings`` are advice, not refusals."""

    source: str
    accepted: bool
    reason: QualityReason | None
    hint: str
    speech_seconds: float
    snr_db: float
    level_dbfs: float
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Progress:
    """``percent``: how far to the advised amount. ``stable``: every clip is recognised from the others at the balanced
    operating point. ``enough``: the voiceprint may be stored. ``done``: nothing more is needed.
    """

    clips: int
    speech_seconds: float
    percent: int
    stable: bool
    enough: bool
    done: bool
    recognised: int


@dataclass(frozen=True, slots=True, eq=False)
class _Clip:
    source: str
    exemplar: Exemplar


class Enrolment:
    """Collects clips of one person.

    Args:
        scorer: calibration and cohort of the bundle in use.
        others: voiceprints of everybody else who is enrolled with this encoder or in its space.
        existing: the person's own exemplars when clips are added to an enrolment.
        allow: quality reasons that are let pass (the voice checks can't be switched off here).
    """

    def __init__(
        self,
        scorer: Scorer,
        *,
        others: Sequence[Voiceprint] = (),
        existing: Sequence[Exemplar] = (),
        allow: Collection[QualityReason] = (),
    ) -> None:
        self._scorer = scorer
        self._others = tuple(others)
        self._existing = tuple(existing)
        self._allow = frozenset(allow)
        self._clips: list[_Clip] = []
        self.reports: list[ClipReport] = []

    def offer(
        self, utterance: Utterance, embedding: Embedding | None, *, source: str, microphone: str, created: str
    ) -> ClipReport:
        """Judge one clip and keep it if it is good. ``created``: RFC 3339 time of the recording."""
        digest = digest_of(utterance.samples)
        reason = quality(utterance, embedding, self._allow)
        if reason is None and digest in {e.digest for e in self._exemplars()}:
            reason = "duplicate"
        if reason is None and embedding is not None:
            exemplar = Exemplar(
                vector=embedding.vector,
                encoder=embedding.encoder,
                speech_seconds=utterance.speech_seconds,
                snr_db=utterance.snr_db,
                microphone=microphone,
                created=created,
                digest=digest,
                space=embedding.space,
            )
            self._clips.append(_Clip(source, exemplar))
            if self._clips[-1] in self._strangers():
                reason = "other_voice"
        report = ClipReport(
            source=source,
            accepted=reason is None,
            reason=reason,
            hint=HINTS.get(reason, "") if reason else "",
            speech_seconds=utterance.speech_seconds,
            snr_db=utterance.snr_db,
            level_dbfs=utterance.level_dbfs,
            warnings=_warnings(utterance) if reason is None else (),
        )
        self.reports.append(report)
        return report

    def progress(self) -> Progress:
        """Where the enrolment stands."""
        kept = self._kept()
        seconds = sum(e.speech_seconds for e in kept)
        recognised = self._recognised(kept)
        stable = len(kept) >= MIN_CLIPS and recognised == len(kept)
        share = min(1.0, seconds / ADVISED_SECONDS, len(kept) / ADVISED_CLIPS)
        enough = len(kept) >= MIN_CLIPS and seconds >= MIN_SECONDS
        done = stable and seconds >= ADVISED_SECONDS and len(kept) >= ADVISED_CLIPS
        return Progress(len(kept), seconds, round(100 * share), stable, enough, done, recognised)

    def finish(self, *, skip_other_voice: bool = False, same_as_other: bool = False) -> tuple[Exemplar, ...]:
        """The new exemplars to store.

        Args:
            skip_other_voice: leave clips of another voice out instead of refusing the enrolment.
            same_as_other: store even if the voice is that of somebody else who is enrolled.

        Raises:
            EnrolmentError: a second person is in the clips, too little good speech, clips that don't recognise each
                other, or a voice that is enrolled under another name already.
        """
        strangers = self._strangers()
        if strangers and not skip_other_voice:
            names = ", ".join(sorted({c.source for c in strangers}))
            raise EnrolmentError(
                f"The clips hold more than one person: {names} sounds like somebody else",
                "Give clips of one person only, or leave these out with --skip-other-voice.",
            )
        kept = self._kept()
        progress = self.progress()
        if not progress.enough:
            raise EnrolmentError(
                f"Too little good speech: {progress.speech_seconds:.1f} s in {len(kept)} clip{'s' * (len(kept) != 1)}",
                f"At least {MIN_CLIPS} clips and {MIN_SECONDS:.0f} s are needed, {ADVISED_SECONDS:.0f} s are better.",
            )
        # Against an even chance, not the operating point: a weak bundle may enrol people, and then name nobody.
        alike = sum(llr > 0 for llr in self._leave_one_out(kept))
        if alike < 2 * len(kept) / 3:
            raise EnrolmentError(
                f"The clips differ too much: only {alike} of {len(kept)} sound like the others",
                "Record them again in one room, in a normal voice.",
            )
        if not same_as_other:
            self._refuse_known(kept)
        new = {id(c.exemplar) for c in self._clips}
        return tuple(e for e in kept if id(e) in new)

    def _exemplars(self) -> list[Exemplar]:
        return [*self._existing, *(c.exemplar for c in self._clips)]

    def _kept(self) -> list[Exemplar]:
        outside = {id(c.exemplar) for c in self._strangers()}
        return [e for e in self._exemplars() if id(e) not in outside]

    def _strangers(self) -> list[_Clip]:
        """Clips that are more likely another voice than the one that most clips share."""
        exemplars = self._exemplars()
        if len(exemplars) < 2:
            return []
        same = self._pairwise(exemplars) > 0
        np.fill_diagonal(same, True)
        known = len(self._existing)
        centre = same[:known].any(axis=0) if known else same[int(np.argmax(same.sum(axis=1)))]
        inside = {id(e) for e, member in zip(exemplars, centre, strict=True) if member}
        return [c for c in self._clips if id(c.exemplar) not in inside]

    def _pairwise(self, exemplars: Sequence[Exemplar]) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Log-likelihood ratios ``(k, k)``, symmetrised, of clip against clip."""
        prints = [voiceprint_of([e], person_id=str(i), name="") for i, e in enumerate(exemplars)]
        rows = [
            self._scorer.llrs(e.vector, prints, speech_seconds=e.speech_seconds, snr_db=e.snr_db)[1] for e in exemplars
        ]
        matrix = np.stack(rows)
        result: np.ndarray[Any, np.dtype[np.float64]] = (matrix + matrix.T) / 2
        return result

    def _recognised(self, kept: Sequence[Exemplar]) -> int:
        """How many clips pass the balanced threshold against a voiceprint of all the others."""
        threshold = self._scorer.calibration.threshold(FAR_TARGETS["balanced"])
        return sum(llr >= threshold for llr in self._leave_one_out(kept))

    def _leave_one_out(self, kept: Sequence[Exemplar]) -> list[float]:
        """Log-likelihood ratio of each clip against a voiceprint of all the others; empty for a single clip."""
        if len(kept) < 2:
            return []
        found = []
        for i, clip in enumerate(kept):
            rest = voiceprint_of([e for j, e in enumerate(kept) if j != i], person_id="", name="")
            _, llr = self._scorer.llrs(clip.vector, [rest], speech_seconds=clip.speech_seconds, snr_db=clip.snr_db)
            found.append(float(llr[0]))
        return found

    def _refuse_known(self, kept: Sequence[Exemplar]) -> None:
        mine = voiceprint_of(kept, person_id="", name="")
        snr_db = float(np.mean([e.snr_db for e in kept]))
        _, llrs = self._scorer.llrs(mine.vector, self._others, speech_seconds=mine.speech_seconds, snr_db=snr_db)
        if len(llrs) and float(llrs.max()) >= self._scorer.calibration.threshold(FAR_TARGETS["strict"]):
            name = self._others[int(llrs.argmax())].name
            raise EnrolmentError(
                f"This voice sounds like {name}, who is enrolled already",
                f"Add clips to {name}, or say --same-as-other if they really are two people.",
            )


def quality(
    utterance: Utterance, embedding: Embedding | None, allow: Collection[QualityReason] = ()
) -> QualityReason | None:
    """The first reason that is not in ``allow`` for which a clip is not good enough for enrolment, or None.

    Nothing can be allowed that leaves no embedding, which the pipeline refuses only to what is clipped or too short.
    """
    low, high = LEVEL_DBFS
    checks: tuple[tuple[bool, QualityReason], ...] = (
        (utterance.clipped_fraction > MAX_CLIPPED, "clipped"),
        (utterance.speech_seconds < MIN_CLIP_SECONDS, "too_short"),
        (utterance.level_dbfs < low, "too_quiet"),
        (utterance.level_dbfs > high, "too_loud"),
        (utterance.snr_db < MIN_SNR_DB, "too_noisy"),
        (_not_speech(embedding), "not_speech"),
        (band_ratio_db(utterance.samples) < NARROW_BAND_DB, "narrow_band"),
    )
    failed = [reason for found, reason in checks if found]
    if embedding is None:
        return failed[0] if failed else "too_short"
    return next((reason for reason in failed if reason not in allow), None)


def _not_speech(embedding: Embedding | None) -> bool:
    probability = embedding.speech_probability if embedding is not None else None
    return probability is not None and probability < SPEECH_PROBABILITY


def _warnings(utterance: Utterance) -> tuple[str, ...]:
    warnings = []
    if utterance.snr_db < WARN_SNR_DB:
        warnings.append(f"some background noise ({utterance.snr_db:.0f} dB below the voice)")
    if utterance.peak_dbfs > -1.0:
        warnings.append("close to clipping")
    return tuple(warnings)


def band_ratio_db(samples: Float32) -> float:
    """Energy of 4.2-7.5 kHz relative to 0.3-3.4 kHz in decibels."""
    power = np.abs(np.fft.rfft(samples)) ** 2
    hertz = np.fft.rfftfreq(len(samples), 1.0 / SAMPLE_RATE)
    low = float(power[(hertz >= 300) & (hertz <= 3400)].sum())
    high = float(power[(hertz >= 4200) & (hertz <= 7500)].sum())
    return float(10.0 * np.log10((high + 1e-12) / (low + 1e-12)))


def digest_of(samples: Float32) -> str:
    """SHA-256 of the samples at 16 bits: real speech never repeats itself exactly."""
    return hashlib.sha256(np.round(np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes()).hexdigest()
