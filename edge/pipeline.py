"""The flow from audio blocks to decisions, composed of the rooms above; ``run``, ``demo``, ``simulate``, ``identify``,
``verify`` and enrolment all drive this object.

Takes ``AudioBlock``s in order, gives a ``Result`` per utterance. Must hold: the results depend on the samples alone,
not on the size of the blocks; windows are embedded while the person still speaks, and give what embedding the whole
utterance afterwards gives.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from edge.bundle import Bundle, EmbeddingStream, analyses
from edge.correction import UNCORRECTED, Correction
from edge.decision import Decider, refusal, rejected
from edge.errors import AudioRejectedError
from edge.records import (
    SAMPLE_RATE,
    AudioBlock,
    Decision,
    Embedding,
    LabelAnswer,
    LabelKind,
    Result,
    StageTimes,
    Utterance,
    Voiceprint,
)
from edge.scoring import Calibration, Scorer
from edge.segment import Segmenter
from edge.settings import Decide, Privacy, Settings


@dataclass(slots=True)
class Counters:
    """What has passed through since the start."""

    audio_seconds: float = 0.0
    dropped_samples: int = 0
    utterances: int = 0
    not_speech: int = 0
    gate_cpu_seconds: float = 0.0


class Pipeline:
    """Audio blocks in, results out.

    Args:
        bundle: the models, opened.
        settings: the sections ``segment``, ``decide`` and ``privacy`` are used.
        voiceprints: the people to compare with; see ``set_voiceprints``.
        claim: person id for verification (see ``decision.Decider``).
        correction: what the household has learned about the bundle's calibration (see ``edge.calibrate``).

    Raises:
        BundleError: the bundle carries no usable calibration.
    """

    def __init__(
        self,
        bundle: Bundle,
        settings: Settings,
        voiceprints: Sequence[Voiceprint] = (),
        *,
        claim: str | None = None,
        correction: Correction = UNCORRECTED,
    ) -> None:
        self._bundle = bundle
        self._settings = settings
        self._segmenter = Segmenter(settings.segment)
        self.scorer = Scorer(Calibration.from_json(bundle.calibration), bundle.cohort, correction)
        self._claim = claim
        self._decider = Decider(settings.decide, self.scorer, claim=claim)
        self._voiceprints = tuple(voiceprints)
        self._early: _Early | None = None
        self.analyses = analyses(bundle, settings.privacy)
        """What is told besides who it is, and what was asked for and is not."""
        self.counters = Counters()

    @property
    def voiceprints(self) -> tuple[Voiceprint, ...]:
        """The people compared with."""
        return self._voiceprints

    def set_voiceprints(self, voiceprints: Sequence[Voiceprint], correction: Correction = UNCORRECTED) -> None:
        """Use these people and their correction from the next utterance on; the turn so far is forgotten."""
        self._voiceprints = tuple(voiceprints)
        self.scorer = replace(self.scorer, correction=correction)
        self._decider = Decider(self._settings.decide, self.scorer, claim=self._claim)

    def set_policy(self, policy: Decide) -> None:
        """Decide by another policy from the next utterance on; the turn so far is forgotten."""
        self._settings = replace(self._settings, decide=policy)
        self._decider = Decider(policy, self.scorer, claim=self._claim)

    def set_privacy(self, privacy: Privacy) -> None:
        """Tell of voices what these settings let be told, from the next utterance that ends."""
        self.analyses = analyses(self._bundle, privacy)

    @property
    def speaking(self) -> bool:
        """Whether an utterance is open now."""
        return self._segmenter.speaking

    @property
    def thresholds(self) -> tuple[float, float]:
        """Log-likelihood ratios ``(unknown below, named from)`` with these people under this policy. Where that asks
        for a probability, the second is right as long as nothing speaks for anybody else.
        """
        return self._decider.thresholds(len(self._voiceprints))

    @property
    def closing_samples(self) -> int:
        """Samples from the end of an utterance to where silence has ended it (see ``Segmenter``)."""
        return self._segmenter.closing_samples

    @property
    def level_dbfs(self) -> float:
        """Level of the latest audio."""
        return self._segmenter.level_dbfs

    @property
    def noise_dbfs(self) -> float:
        """Level of the background as tracked."""
        return self._segmenter.noise_dbfs

    def push(self, block: AudioBlock) -> list[Result]:
        """Take the next block, give the utterances that ended in it."""
        begun = time.thread_time()
        utterances = self._segmenter.push(block)
        self.counters.gate_cpu_seconds += time.thread_time() - begun
        self.counters.audio_seconds += len(block.samples) / SAMPLE_RATE
        self.counters.dropped_samples += block.dropped
        results = [self._finish(u) for u in utterances]
        if not results:
            # A result is on its way to the disk first; what has begun since can wait for the next block.
            self._embed_ahead()
        return results

    def interrupt(self) -> list[Result]:
        """No audio comes for now: give what is still open. The background and the turn so far are kept."""
        results = [self._finish(u) for u in self._segmenter.finish()]
        self._early = None
        return results

    def finish(self) -> list[Result]:
        """End of the audio: give what is still open, and be ready for another stream."""
        results = self.interrupt()
        self._decider.reset()
        self._segmenter.reset()
        return results

    def _embed_ahead(self) -> None:
        """Feed the part of the open utterance that is certain, so that full windows are embedded before it ends."""
        samples = self._segmenter.open_samples()
        if len(samples) == 0:
            return
        start = self._segmenter.open_start
        if self._early is None or self._early.start != start:
            self._early = _Early(start, self._bundle.stream())
        early = self._early
        if len(samples) > early.fed:
            early.stream.push(samples[early.fed :])
            early.fed = len(samples)

    def _finish(self, utterance: Utterance) -> Result:
        self.counters.utterances += 1
        early, self._early = self._early, None
        if early is None or early.start != utterance.start or early.fed > len(utterance.samples):
            early = _Early(utterance.start, self._bundle.stream())
        reason = refusal(utterance, None, self._settings.decide)
        if reason is not None:
            return Result(utterance, None, rejected(reason), self._times(utterance, early.stream, 0.0))
        early.stream.push(utterance.samples[early.fed :])
        try:
            embedding = early.stream.finish()
        except AudioRejectedError:
            # Less than half a second of sound: possible only with settings well below the defaults.
            return Result(utterance, None, rejected("too_short"), self._times(utterance, early.stream, 0.0))
        begun = time.thread_time()
        decision = self._decide(utterance, embedding)
        labels = self._labels(utterance, early.stream, decision)
        spent = 1000 * (time.thread_time() - begun)
        return Result(utterance, embedding, decision, self._times(utterance, early.stream, spent), labels)

    def _decide(self, utterance: Utterance, embedding: Embedding) -> Decision:
        decision = self._decider.decide(utterance, embedding, self._voiceprints)
        if decision.reason == "not_speech":
            self.counters.not_speech += 1
        return decision

    def _labels(
        self, utterance: Utterance, stream: EmbeddingStream, decision: Decision
    ) -> dict[LabelKind, LabelAnswer]:
        """What the heads that are switched on say; nothing about audio that allows no statement."""
        if decision.outcome == "rejected":
            return {}
        voices = 2 if "multi_speaker" in decision.flags else 1
        seconds, snr_db = utterance.speech_seconds, utterance.snr_db
        found = {
            kind: stream.answer(kind, speech_seconds=seconds, snr_db=snr_db, voices=voices)
            for kind in self.analyses.kinds
        }
        return {kind: answer for kind, answer in found.items() if answer is not None}

    def _times(self, utterance: Utterance, stream: EmbeddingStream, decision_ms: float) -> StageTimes:
        """The gate's cost is its mean so far times this utterance's length: it works on blocks, not utterances."""
        heard = max(self.counters.audio_seconds, 1e-9)
        return StageTimes(
            gate_ms=1000 * self.counters.gate_cpu_seconds / heard * utterance.duration_seconds,
            frontend_ms=stream.frontend_ms,
            encoder_ms=stream.encoder_ms,
            decision_ms=decision_ms,
        )


@dataclass(slots=True)
class _Early:
    """An embedding begun while its utterance is still open."""

    start: int
    stream: EmbeddingStream
    fed: int = 0
