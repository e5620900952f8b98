"""A scorer that computes each comparison once, however many households ask for it.

Takes what ``edge.scoring.Scorer`` takes and gives what it gives: the very same function computes every number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from edge.records import Embedding, Float32, Scores, Voiceprint
from edge.scoring import Float64, Scorer

_Evidence = tuple[bytes, float, float]


@dataclass(frozen=True, slots=True)
class RememberingScorer(Scorer):
    """``known``: the voiceprints that will be asked for in many combinations; compared with all at once."""

    known: tuple[Voiceprint, ...] = ()
    last: list[Scores] = field(default_factory=list)
    """The latest scores."""
    _places: frozenset[int] = frozenset()
    _found: dict[_Evidence, dict[int, tuple[np.float32, np.float64]]] = field(default_factory=dict)
    _single: dict[tuple[_Evidence, bytes, float], tuple[Float32, Float64]] = field(default_factory=dict)

    @classmethod
    def of(cls, scorer: Scorer, known: Sequence[Voiceprint]) -> RememberingScorer:
        """One that scores as ``scorer`` does."""
        places = frozenset(map(id, known))
        return cls(scorer.calibration, scorer.cohort, scorer.correction, tuple(known), _places=places)

    def forget(self) -> None:
        """Let go of what was computed: the next sound brings other evidence."""
        self._found.clear()
        self._single.clear()

    def score(
        self,
        embedding: Embedding | Float32,
        voiceprints: Sequence[Voiceprint],
        *,
        speech_seconds: float,
        snr_db: float,
        prior_known: float = 0.5,
    ) -> Scores:
        """As ``Scorer.score``; kept in ``last``."""
        found = Scorer.score(
            self, embedding, voiceprints, speech_seconds=speech_seconds, snr_db=snr_db, prior_known=prior_known
        )
        self.last[:] = [found]
        return found

    def llrs(
        self, vector: Float32, voiceprints: Sequence[Voiceprint], *, speech_seconds: float, snr_db: float
    ) -> tuple[Float32, Float64]:
        """As ``Scorer.llrs``."""
        evidence = (vector.tobytes(), speech_seconds, snr_db)
        if all(id(one) in self._places for one in voiceprints):
            if evidence not in self._found:
                cosines, llrs = Scorer.llrs(self, vector, self.known, speech_seconds=speech_seconds, snr_db=snr_db)
                self._found[evidence] = {
                    id(one): (cosine, llr) for one, cosine, llr in zip(self.known, cosines, llrs, strict=True)
                }
            found = self._found[evidence]
            pairs = [found[id(one)] for one in voiceprints]
            return np.array([pair[0] for pair in pairs], np.float32), np.array([pair[1] for pair in pairs], np.float64)
        if len(voiceprints) > 1:
            return Scorer.llrs(self, vector, voiceprints, speech_seconds=speech_seconds, snr_db=snr_db)
        like = voiceprints[0]
        key = (evidence, like.vector.tobytes() + repr((like.clips, like.spread)).encode(), like.speech_seconds)
        if key not in self._single:
            self._single[key] = Scorer.llrs(self, vector, voiceprints, speech_seconds=speech_seconds, snr_db=snr_db)
        return self._single[key]
