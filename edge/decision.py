"""Scores + policy -> Decision: who it was, or why nobody is named.

Takes an utterance's circumstances and embedding and the voiceprints; gives a ``Decision``. Must hold: strangers are
``unknown`` by default; too little evidence is ``uncertain``, not a guess; evidence of consecutive utterances of one
voice adds up; evidence is never averaged across a suspected change of speaker. Pure: no clock, no files.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from edge.records import (
    SAMPLE_RATE,
    Decision,
    Embedding,
    Flag,
    Float32,
    Outcome,
    PersonScore,
    Profile,
    QualityReason,
    Utterance,
    Voiceprint,
)
from edge.scoring import Scorer, mean_direction
from edge.settings import Decide

FAR_TARGETS: Final[dict[Profile, float]] = {"relaxed": 0.01, "balanced": 0.003, "strict": 0.001}
"""At most this share of strangers' utterances gets a name, whatever the number of people enrolled."""

SHORT_SECONDS: Final = 1.5
"""Below this much speech a result carries the flag ``short``."""

NOISY_SNR_DB: Final = 10.0
"""Below this a result carries the flag ``noisy``."""

CLIPPED_FLAG: Final = 0.001
CLIPPED_REJECT: Final = 0.1
"""Shares of samples at full scale: flagged, and beyond use."""

SPEECH_PROBABILITY: Final = 0.5
"""Below this the bundle's speech head says that the sound is no speech."""

_MOST_IN_TURN: Final = 32
"""Utterances that a turn is decided on: the latest. A radio that reads the news all day is one turn without end."""

_CHANGE_LLR: Final = -2.0
"""Two windows of one utterance that are this unlikely to be one voice hold a change of speaker."""


@dataclass(slots=True)
class _Turn:
    """Evidence of consecutive utterances of one voice."""

    vectors: list[Float32]
    seconds: list[float]
    snr_db: list[float]
    end: int

    @property
    def total_seconds(self) -> float:
        return sum(self.seconds)

    @property
    def centre(self) -> Float32:
        return mean_direction(np.stack(self.vectors), self.seconds)

    @property
    def mean_snr_db(self) -> float:
        return sum(s * w for s, w in zip(self.snr_db, self.seconds, strict=True)) / self.total_seconds


def refusal(utterance: Utterance, embedding: Embedding | None, policy: Decide) -> QualityReason | None:
    """Why this audio allows no statement at all, or None where it does. Works before and after the network."""
    if utterance.speech_seconds < policy.min_speech_seconds:
        return "too_short"
    if utterance.clipped_fraction > CLIPPED_REJECT:
        return "clipped"
    if embedding is not None and embedding.speech_probability is not None:
        return "not_speech" if embedding.speech_probability < SPEECH_PROBABILITY else None
    return None


def changes_speaker(embedding: Embedding, scorer: Scorer) -> bool:
    """Whether consecutive windows of one utterance are unlikely to be one voice."""
    for before, after in itertools.pairwise(embedding.windows):
        like = Voiceprint("", "", before, 3.0, 1, 1.0, embedding.encoder)
        if scorer.llrs(after, [like], speech_seconds=3.0, snr_db=20.0)[1][0] < _CHANGE_LLR:
            return True
    return False


def rejected(reason: QualityReason) -> Decision:
    """The decision for audio that allows no statement."""
    return Decision("rejected", None, None, 0.0, 0.0, 0.0, _quality_flags_of(reason), reason)


def _quality_flags_of(reason: QualityReason) -> tuple[Flag, ...]:
    flags: dict[QualityReason, Flag] = {"too_short": "short", "clipped": "clipped", "too_noisy": "noisy"}
    return (flags[reason],) if reason in flags else ()


class Decider:
    """Turns embeddings into decisions, remembering the turn that is being spoken.

    ``claim``: a person id when the question is "is this the person?" (verification): the target false-accept rate then
    holds for that one comparison, and nobody else can be named. Without it the target holds for all people together,
    unless ``policy.threshold`` names a probability to accept from instead. A claim never heeds that one: what is chosen
    for comfort must not open anything.
    """

    def __init__(self, policy: Decide, scorer: Scorer, *, claim: str | None = None) -> None:
        self._policy = policy
        self._scorer = scorer.aiming_at(FAR_TARGETS[policy.profile])
        self._claim = claim
        self._least = None if claim else policy.threshold
        self._turn: _Turn | None = None

    def reset(self) -> None:
        """Forget the turn, as after a gap in the audio or a change of the people enrolled."""
        self._turn = None

    def thresholds(self, people: int, rivals: Sequence[PersonScore] = ()) -> tuple[float, float]:
        """Log-likelihood ratios ``(reject below, accept from)`` for this many comparisons (Bonferroni).

        ``rivals``: the other people's scores, which only ``policy.threshold`` depends on; whoever is left out counts as
        if nothing spoke for them.
        """
        comparisons = 1 if self._claim else max(1, people)
        calibration = self._scorer.calibration
        reject = calibration.threshold(self._policy.uncertain_far / comparisons)
        if self._least is None:
            accept = calibration.threshold(FAR_TARGETS[self._policy.profile] / comparisons)
        else:
            accept = _llr_at(self._least, rivals, comparisons, self._policy.prior_known)
        return min(reject, accept), accept

    def decide(self, utterance: Utterance, embedding: Embedding, voiceprints: Sequence[Voiceprint]) -> Decision:
        """Decide on one utterance, together with what the same voice said just before it."""
        reason = refusal(utterance, embedding, self._policy)
        if reason is not None:
            return rejected(reason)
        change = changes_speaker(embedding, self._scorer)
        turn = self._pool(utterance, embedding, change)
        return self._judge(turn, embedding, voiceprints, change, self._flags(utterance, change))

    def _pool(self, utterance: Utterance, embedding: Embedding, change: bool) -> _Turn:
        """The turn this utterance belongs to: the running one if it is the same voice soon after, else a new one."""
        fresh = _Turn([embedding.vector], [utterance.speech_seconds], [utterance.snr_db], utterance.end)
        if change:
            self._turn = None
            return fresh
        turn = self._turn
        if turn is not None and self._policy.pool_turns:
            gap_seconds = (utterance.start - turn.end) / SAMPLE_RATE
            if 0 <= gap_seconds <= self._policy.turn_gap_seconds and self._same_voice(embedding, utterance, turn) > 0:
                turn.vectors.append(embedding.vector)
                turn.seconds.append(utterance.speech_seconds)
                turn.snr_db.append(utterance.snr_db)
                turn.end = utterance.end
                for evidence in (turn.vectors, turn.seconds, turn.snr_db):
                    del evidence[:-_MOST_IN_TURN]
                return turn
        self._turn = fresh
        return fresh

    def _same_voice(self, embedding: Embedding, utterance: Utterance, turn: _Turn) -> float:
        """Log-likelihood ratio that the utterance continues the turn."""
        like = Voiceprint("", "", turn.centre, turn.total_seconds, len(turn.vectors), 1.0, embedding.encoder)
        _, llr = self._scorer.llrs(
            embedding.vector, [like], speech_seconds=utterance.speech_seconds, snr_db=utterance.snr_db
        )
        return float(llr[0])

    def _flags(self, utterance: Utterance, change: bool) -> list[Flag]:
        flags: list[Flag] = []
        if utterance.speech_seconds < SHORT_SECONDS:
            flags.append("short")
        if utterance.snr_db < NOISY_SNR_DB:
            flags.append("noisy")
        if utterance.clipped_fraction > CLIPPED_FLAG:
            flags.append("clipped")
        if change:
            flags.append("multi_speaker")
        return flags

    def _judge(
        self,
        turn: _Turn,
        embedding: Embedding,
        voiceprints: Sequence[Voiceprint],
        change: bool,
        flags: list[Flag],
    ) -> Decision:
        policy = self._policy
        scores = self._scorer.score(
            turn.centre,
            voiceprints,
            speech_seconds=turn.total_seconds,
            snr_db=turn.mean_snr_db,
            prior_known=policy.prior_known,
        )
        if not scores.ranked:
            return Decision("unknown", None, None, 0.0, 1.0, 0.0, tuple(flags), "nobody is enrolled", len(turn.vectors))
        ranked = scores.ranked
        best = next((p for p in ranked if p.person_id == self._claim), ranked[0]) if self._claim else ranked[0]
        others = [p for p in ranked if p.person_id != best.person_id]
        runner_up = others[0] if others else None
        margin = scores.margin if best is ranked[0] else best.llr - ranked[0].llr
        reject, accept = self.thresholds(len(ranked), others)
        outcome: Outcome
        if best.llr < reject:
            outcome, reason = "unknown", "below_threshold"
        elif best.llr < accept:
            outcome, reason = "uncertain", "between_thresholds"
        elif margin < policy.margin_llr:
            flags.append("low_margin")
            outcome, reason = "uncertain", "low_margin"
        elif change and not self._every_window_agrees(embedding, voiceprints, best):
            outcome, reason = "uncertain", "multi_speaker"
        elif len(turn.vectors) > 1 and self._alone(turn, voiceprints, best) < reject:
            # The turn names somebody whom its latest utterance speaks against: perhaps another voice has taken over.
            outcome, reason = "uncertain", "turn_disagrees"
        else:
            outcome, reason = "identified", "accepted"
        # A claim is one comparison: the posterior is that of this person against strangers, whoever else is enrolled.
        rivals = [] if self._claim else others
        probability = _probability_at(best.llr, rivals, policy.prior_known) if self._claim else best.probability
        threshold = _probability_at(accept, rivals, policy.prior_known)
        return Decision(
            outcome, best, runner_up, probability, threshold, margin, tuple(flags), reason, len(turn.vectors)
        )

    def _alone(self, turn: _Turn, voiceprints: Sequence[Voiceprint], best: PersonScore) -> float:
        """Log-likelihood ratio of the turn's latest utterance by itself."""
        mine = [v for v in voiceprints if v.person_id == best.person_id]
        _, llr = self._scorer.llrs(turn.vectors[-1], mine, speech_seconds=turn.seconds[-1], snr_db=turn.snr_db[-1])
        return float(llr[0])

    def _every_window_agrees(self, embedding: Embedding, voiceprints: Sequence[Voiceprint], best: PersonScore) -> bool:
        """Where a change is suspected the weakest window has to point at the same person too."""
        mine = [v for v in voiceprints if v.person_id == best.person_id]
        return all(
            self._scorer.llrs(window, mine, speech_seconds=3.0, snr_db=20.0)[1][0] > 0 for window in embedding.windows
        )


def _probability_at(llr: float, others: Sequence[PersonScore], prior_known: float) -> float:
    """The posterior that somebody with exactly ``llr`` has beside ``others``: thresholds on the scale people see."""
    known, rest = _against(others, len(others) + 1, prior_known)
    mine = math.exp(known + llr)
    return mine / (mine + rest)


def _llr_at(probability: float, others: Sequence[PersonScore], people: int, prior_known: float) -> float:
    """The log-likelihood ratio at which ``_probability_at`` is ``probability``: it solves p = m / (m + rest) for m."""
    known, rest = _against(others, people, prior_known)
    return math.log(probability / (1.0 - probability)) + math.log(rest) - known


def _against(others: Sequence[PersonScore], people: int, prior_known: float) -> tuple[float, float]:
    """Log of the prior of each of ``people``, and the weight of all that speaks against one: the others, strangers."""
    known = math.log(prior_known / people)
    return known, sum(math.exp(known + p.llr) for p in others) + (1.0 - prior_known)
