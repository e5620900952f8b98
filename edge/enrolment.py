"""Utterances -> exemplars: the second-person check, the refusal of copies and the stop rule of enrolment.

Takes the pipeline's utterances and embeddings of one person; gives a report per clip and, when there is enough, the
exemplars to store. Must hold: every refusal names its reason; a second voice never enters a voiceprint; the same
recording counts once; nothing is stored here.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any, Final

import numpy as np

from edge.clip_quality import HINTS, band_ratio_db, digest_of, quality, warnings_about
from edge.decision import FAR_TARGETS, changes_speaker
from edge.errors import EnrolmentError
from edge.records import Embedding, Exemplar, Float32, QualityReason, Utterance, Voiceprint
from edge.scoring import Scorer, voiceprint_of
from edge.spoof import Copies, Repeats

__all__ = ["HINTS", "ClipReport", "Enrolment", "Progress", "band_ratio_db", "digest_of", "quality", "sessions_of"]

MIN_CLIPS: Final = 2
MIN_SECONDS: Final = 8.0
ADVISED_CLIPS: Final = 5
ADVISED_SECONDS: Final = 15.0
MAX_CLIPS: Final = 30
"""More are of no use, whatever the stop rule says."""
REFUSED_SHARE: Final = 0.1
"""Of the clips that are compared with all the others, so many may be refused where it is stable."""
SETTLED: Final = 0.1
"""By so much, relative to itself, the mean score of those comparisons may move with the latest clip."""
ADVISED_SESSIONS: Final = 2
SESSION_GAP_SECONDS: Final = 600.0
"""Clips further apart than this are of two sessions: another place at the microphone, another mood of the voice."""


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
    """``percent``: how far to the advised amount. ``recognised``: clips that are recognised from all the others at the
    balanced operating point. ``stable``: nearly all are, and the latest clip moved their mean score little. ``enough``:
    the voiceprint may be stored. ``done``: nothing more is needed. ``sessions``: how many times, at least ten minutes
    apart, clips were given.
    """

    clips: int
    speech_seconds: float
    percent: int
    stable: bool
    enough: bool
    done: bool
    recognised: int
    sessions: int = 1


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
        repeats: what this device has heard before; a copy of a recording that ``existing`` came from is refused.
    """

    def __init__(
        self,
        scorer: Scorer,
        *,
        others: Sequence[Voiceprint] = (),
        existing: Sequence[Exemplar] = (),
        allow: Collection[QualityReason] = (),
        repeats: Repeats | None = None,
    ) -> None:
        self._scorer = scorer
        self._others = tuple(others)
        self._existing = tuple(existing)
        self._allow = frozenset(allow)
        self._repeats = repeats
        self._copies = Copies()
        self._heard: list[tuple[str, Float32]] = []
        self._clips: list[_Clip] = []
        self.reports: list[ClipReport] = []

    def offer(
        self, utterance: Utterance, embedding: Embedding | None, *, source: str, microphone: str, created: str
    ) -> ClipReport:
        """Judge one clip and keep it if it is good. ``created``: RFC 3339 time of the recording."""
        digest = digest_of(utterance.samples)
        reason = quality(utterance, embedding, self._allow)
        if reason is None and self._given_before(utterance.samples, digest):
            reason = "duplicate"
        if reason is None and embedding is not None and changes_speaker(embedding, self._scorer):
            reason = "two_voices"
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
            self._copies.add(utterance.samples)
            if self._clips[-1] in self._strangers():
                reason = "other_voice"
        if reason != "duplicate":
            self._heard.append((digest, utterance.samples))
        report = ClipReport(
            source=source,
            accepted=reason is None,
            reason=reason,
            hint=HINTS.get(reason, "") if reason else "",
            speech_seconds=utterance.speech_seconds,
            snr_db=utterance.snr_db,
            level_dbfs=utterance.level_dbfs,
            warnings=warnings_about(utterance) if reason is None else (),
        )
        self.reports.append(report)
        return report

    def progress(self) -> Progress:
        """Where the enrolment stands."""
        kept = self._kept()
        seconds = sum(e.speech_seconds for e in kept)
        llrs = self._leave_one_out(kept)
        recognised = sum(llr >= self._threshold for llr in llrs)
        stable = len(kept) >= MIN_CLIPS and recognised >= (1 - REFUSED_SHARE) * len(kept) and self._settled(kept, llrs)
        share = min(1.0, seconds / ADVISED_SECONDS, len(kept) / ADVISED_CLIPS)
        enough = len(kept) >= MIN_CLIPS and seconds >= MIN_SECONDS
        advised = seconds >= ADVISED_SECONDS and len(kept) >= ADVISED_CLIPS
        done = advised and (stable or len(kept) >= MAX_CLIPS)
        sessions = sessions_of([e.created for e in kept])
        return Progress(len(kept), seconds, round(100 * share), stable, enough, done, recognised, sessions)

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
                reason="other_voice",
            )
        kept = self._kept()
        progress = self.progress()
        if not progress.enough:
            raise EnrolmentError(
                f"Too little good speech: {progress.speech_seconds:.1f} s in {len(kept)} clip{'s' * (len(kept) != 1)}",
                f"At least {MIN_CLIPS} clips and {MIN_SECONDS:.0f} s are needed, {ADVISED_SECONDS:.0f} s are better.",
                reason="too_little",
            )
        # Against an even chance, not the operating point: a weak bundle may enrol people, and then name nobody.
        alike = sum(llr > 0 for llr in self._leave_one_out(kept))
        if alike < 2 * len(kept) / 3:
            raise EnrolmentError(
                f"The clips differ too much: only {alike} of {len(kept)} sound like the others",
                "Record them again in one room, in a normal voice.",
                reason="clips_differ",
            )
        if not same_as_other:
            self._refuse_known(kept)
        new = {id(c.exemplar) for c in self._clips}
        return tuple(e for e in kept if id(e) in new)

    def recordings(self) -> tuple[tuple[str, Float32], ...]:
        """Digest and samples of every utterance that was given once, to be remembered by their fingerprints: those
        that were refused, too, since somebody may play them back as well.
        """
        return tuple(self._heard)

    def _given_before(self, samples: Float32, digest: str) -> bool:
        """Whether this is a recording that was given before, or a copy of one."""
        if digest in {e.digest for e in self._exemplars()} or self._copies.seen(samples):
            return True
        # For another encoder, or for somebody else, the same recording may well be given again.
        mine = {e.digest for e in self._existing}
        if self._repeats is None or not mine:
            return False
        found = self._repeats.seen(samples, kind="enrolment")
        return found is not None and found.note in mine

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

    @property
    def _threshold(self) -> float:
        return self._scorer.calibration.threshold(FAR_TARGETS["balanced"])

    def _settled(self, kept: Sequence[Exemplar], llrs: Sequence[float]) -> bool:
        """Whether the latest clip moved the mean of the comparisons little; not known from fewer than three."""
        if len(kept) < 3:
            return False
        before = float(np.mean(self._leave_one_out(kept[:-1])))
        return abs(float(np.mean(llrs)) - before) <= SETTLED * max(1.0, abs(before))

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
                reason="known_voice",
            )


def sessions_of(created: Sequence[str]) -> int:
    """How many sessions these times (RFC 3339) make; 0 for none. Times that cannot be read count as one session."""
    times = sorted(_seconds(text) for text in created)
    return len(times[:1]) + sum(later - earlier > SESSION_GAP_SECONDS for earlier, later in pairwise(times))


def _seconds(text: str) -> float:
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        return 0.0
