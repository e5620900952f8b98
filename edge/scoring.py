"""Embeddings -> scores: cosine, and the calibrated log-likelihood ratio that decisions are made on.

Takes an embedding with its circumstances and the voiceprints of the people enrolled; gives ``Scores``, best person
first. Training fits and evaluation measures with these same functions, so the device can't disagree with a figure.

The likelihood ratio is a logistic regression over the cosine and side information (a quality measure function, as in
Mandasari et al., "Quality measure functions for calibration of speaker recognition systems in various duration
conditions", IEEE TASLP 21(11), 2013): the same cosine says less about one second of speech than about five.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from edge.correction import UNCORRECTED, Correction
from edge.errors import BundleError
from edge.operating_point import OperatingPoint
from edge.outliers import NONE, Outliers
from edge.records import Embedding, Exemplar, Float32, Person, PersonScore, Scores, Voiceprint

Float64 = npt.NDArray[np.float64]

FEATURE_NAMES: Final = (
    "bias",
    "cosine",
    "log_test",
    "log_enrol",
    "log_clips",
    "spread",
    "noise",
    "cohort_test",
    "cohort_enrol",
    "cosine_log_test",
    "cosine_log_enrol",
    "cosine_noise",
    "log_test_squared",
)
"""What a calibration may weigh; a calibration names the ones it uses."""

COHORT_TOP: Final = 5
"""How many of the nearest cohort speakers make up the cohort cosine."""

_LLR_LIMIT: Final = 30.0
"""Beyond this a natural-log likelihood ratio says nothing more; it keeps exp() in range."""


def calibration_features(
    cosine: Float32 | float,
    *,
    test_seconds: Float32 | float,
    enrol_seconds: Float32 | float,
    enrol_clips: Float32 | float,
    spread: Float32 | float,
    snr_db: Float32 | float,
    cohort_test: Float32 | float,
    cohort_enrol: Float32 | float,
) -> Float64:
    """Side information of ``n`` trials as a float64 matrix ``(n, len(FEATURE_NAMES))``.

    Args:
        cosine: cosine between test embedding and voiceprint.
        test_seconds: seconds of speech in the test; clamped to 0.5-12.
        enrol_seconds: seconds of speech in all enrolment clips; clamped to 1-60.
        enrol_clips: number of enrolment clips; clamped to 1-20.
        spread: mean cosine of the clips to their voiceprint (1 where there is one clip).
        snr_db: signal-to-noise ratio of the test; clamped to 0-30 dB.
        cohort_test: mean of the ``COHORT_TOP`` highest cosines of the test to the bundle's cohort.
        cohort_enrol: the same for the voiceprint.
    """
    columns = np.broadcast_arrays(
        *(
            np.atleast_1d(np.asarray(v, np.float64))
            for v in (cosine, test_seconds, enrol_seconds, enrol_clips, spread, snr_db, cohort_test, cohort_enrol)
        )
    )
    cos, test_s, enrol_s, clips, spr, snr, c_test, c_enrol = columns
    log_test = np.log(np.clip(test_s, 0.5, 12.0) / 3.0)
    log_enrol = np.log(np.clip(enrol_s, 1.0, 60.0) / 12.0)
    log_clips = np.log(np.clip(clips, 1.0, 20.0) / 3.0)
    noise = 1.0 - np.clip(snr, 0.0, 30.0) / 30.0
    rows: Float64 = np.stack(
        [np.ones_like(cos), cos, log_test, log_enrol, log_clips, spr, noise, c_test, c_enrol,
         cos * log_test, cos * log_enrol, cos * noise, log_test * log_test],
        axis=1,
    )  # fmt: skip
    return rows


@dataclass(frozen=True, slots=True)
class Calibration:
    """Weights of the logistic regression and the thresholds measured with them.

    ``weights``: feature name -> weight, giving a natural-log likelihood ratio. ``points``: impostor quantiles,
    strictest last. ``trials``/``speakers``: impostor trials and people behind ``points``. ``outliers``: how far the
    regression is believed about speech unlike that of calibration.
    """

    weights: Mapping[str, float]
    points: tuple[OperatingPoint, ...]
    trials: int
    speakers: int
    outliers: Outliers = NONE

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Calibration:
        """Parse the ``calibration`` object of a card. Raises ``BundleError`` where it is absent or malformed."""
        if not raw:
            raise BundleError("The bundle has no calibration", "Fit one with `earmark calibrate-bundle`.")
        try:
            weights = {str(k): float(v) for k, v in raw["weights"].items()}
            points = tuple(sorted((OperatingPoint.from_json(p) for p in raw["points"]), key=lambda p: -p.far))
            outliers = Outliers.from_json(raw["outliers"]) if "outliers" in raw else NONE
            result = cls(weights, points, int(raw["trials"]), int(raw["speakers"]), outliers)
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise BundleError(
                f"The bundle's calibration is malformed ({str(error)[:80]!r})", "Install the bundle again."
            ) from None
        unknown = sorted(set(weights) - set(FEATURE_NAMES))
        if unknown:
            raise BundleError(
                f"The bundle's calibration weighs {unknown[0]!r}, which this version cannot compute", "Update Earmark."
            )
        numbers = [*weights.values(), *(v for p in points for v in (p.far, p.llr))]
        if not points or not all(math.isfinite(v) for v in numbers) or any(not 0 < p.far < 1 for p in points):
            raise BundleError("The bundle's calibration has no usable operating points", "Install the bundle again.")
        return result

    def to_json(self) -> dict[str, Any]:
        """Plain values, as stored under ``calibration`` in a card."""
        return {
            "weights": dict(self.weights),
            "points": [p.to_json() for p in self.points],
            "trials": self.trials,
            "speakers": self.speakers,
            "outliers": self.outliers.to_json(),
        }

    def llr(self, features: Float64) -> Float64:
        """Natural-log likelihood ratios float64 ``(n,)`` of ``calibration_features`` rows, clamped to +-30."""
        weights = np.array([self.weights.get(name, 0.0) for name in FEATURE_NAMES])
        return self.outliers(np.clip(features @ weights, -_LLR_LIMIT, _LLR_LIMIT))

    def threshold(self, far: float) -> float:
        """The log-likelihood ratio that at most ``far`` of impostor trials pass.

        Interpolated linearly in log(far) between the measured points. Beyond the strictest it goes on by at most the
        last slope: a far that was never measured is an extrapolation, and ``supports`` says so.
        """
        logs = np.array([math.log(p.far) for p in self.points])
        llrs = np.array([p.llr for p in self.points])
        x = math.log(min(max(far, 1e-6), 0.5))
        if len(logs) == 1:
            return float(llrs[0])
        if x < logs[-1]:
            slope = (llrs[-1] - llrs[-2]) / (logs[-1] - logs[-2])
            return float(llrs[-1] + slope * (x - logs[-1]))
        return float(np.interp(x, logs[::-1], llrs[::-1]))

    def point(self, far: float) -> OperatingPoint | None:
        """The operating point that was measured at exactly ``far``, None where there is none."""
        return next((p for p in self.points if math.isclose(p.far, far)), None)

    def supports(self, far: float) -> bool:
        """Whether enough impostor trials stand behind ``far`` (rule of three: at least 3/far)."""
        return self.trials >= 3.0 / far


def cohort_cosine(vectors: Float32, cohort: Float32) -> Float32:
    """Mean cosine of each vector ``(n, dim)`` to its ``COHORT_TOP`` nearest cohort speakers; zeros without a cohort."""
    vectors = np.atleast_2d(vectors)
    if len(cohort) == 0:
        return np.zeros(len(vectors), np.float32)
    cosines = vectors @ cohort.T
    k = min(COHORT_TOP, cosines.shape[1])
    nearest = np.partition(cosines, cosines.shape[1] - k, axis=1)[:, -k:]
    return np.asarray(nearest.mean(axis=1), np.float32)


def mean_direction(vectors: Float32, weights: Sequence[float] | None = None) -> Float32:
    """Length-normalised (weighted) mean of unit vectors ``(k, dim)`` -> float32 ``(dim,)``."""
    mean = np.average(np.asarray(vectors, np.float64), axis=0, weights=weights)
    norm = float(np.linalg.norm(mean))
    return np.asarray(mean / norm if norm > 0 else mean, np.float32)


def voiceprint_of(exemplars: Sequence[Exemplar], *, person_id: str, name: str) -> Voiceprint:
    """The template of some exemplars: their length-normalised mean (each clip counts the same).

    Raises ``ValueError`` without exemplars, and for encoders that do not all name one embedding space.
    """
    if not exemplars:
        raise ValueError("a voiceprint needs at least one exemplar")
    spaces = {e.encoder: e.space for e in exemplars if e.space}
    if len({spaces.get(e.encoder, e.encoder) for e in exemplars}) > 1:
        raise ValueError("exemplars of different embedding spaces must never be averaged")
    vectors = np.stack([e.vector for e in exemplars])
    centre = mean_direction(vectors)
    return Voiceprint(
        person_id=person_id,
        name=name,
        vector=centre,
        speech_seconds=float(sum(e.speech_seconds for e in exemplars)),
        clips=len(exemplars),
        spread=float(np.mean(vectors @ centre)),
        encoder="+".join(sorted({e.encoder for e in exemplars})),
    )


def voiceprint(person: Person) -> Voiceprint:
    """The template of an enrolled person. Raises ValueError where the person has no exemplars."""
    return voiceprint_of(person.exemplars, person_id=person.id, name=person.name)


@dataclass(frozen=True, slots=True)
class Scorer:
    """Compares evidence with voiceprints under one calibration. ``cohort``: float32 ``(n, dim)`` of the bundle.

    ``correction``: the household's, applied to every log-likelihood ratio here and nowhere else.
    """

    calibration: Calibration
    cohort: Float32
    correction: Correction = UNCORRECTED

    def aiming_at(self, far: float) -> Scorer:
        """This scorer for a false-accept target; without the correction where that does not reach so far."""
        return self if far >= self.correction.least_far else replace(self, correction=UNCORRECTED)

    def llrs(
        self, vector: Float32, voiceprints: Sequence[Voiceprint], *, speech_seconds: float, snr_db: float
    ) -> tuple[Float32, Float64]:
        """Cosines and log-likelihood ratios ``(n,)`` of one test vector against each voiceprint."""
        if not voiceprints:
            return np.zeros(0, np.float32), np.zeros(0)
        templates = np.stack([v.vector for v in voiceprints])
        cosines = templates @ vector
        features = calibration_features(
            cosines,
            test_seconds=speech_seconds,
            enrol_seconds=np.array([v.speech_seconds for v in voiceprints], np.float32),
            enrol_clips=np.array([v.clips for v in voiceprints], np.float32),
            spread=np.array([v.spread for v in voiceprints], np.float32),
            snr_db=snr_db,
            cohort_test=float(cohort_cosine(vector, self.cohort)[0]),
            cohort_enrol=cohort_cosine(templates, self.cohort),
        )
        return cosines, np.clip(self.correction(self.calibration.llr(features)), -_LLR_LIMIT, _LLR_LIMIT)

    def score(
        self,
        embedding: Embedding | Float32,
        voiceprints: Sequence[Voiceprint],
        *,
        speech_seconds: float,
        snr_db: float,
        prior_known: float = 0.5,
    ) -> Scores:
        """Rank the people for one piece of evidence.

        ``probability`` is the posterior that it was this person and nobody else: the prior ``prior_known`` is shared
        by the people enrolled, the rest belongs to strangers. ``margin`` is measured between people; with a single
        person enrolled the bundle's nearest cohort speaker stands in as the runner-up.
        """
        vector = embedding.vector if isinstance(embedding, Embedding) else embedding
        cosines, llrs = self.llrs(vector, voiceprints, speech_seconds=speech_seconds, snr_db=snr_db)
        if not voiceprints:
            return Scores((), 0.0, speech_seconds)
        probabilities = posteriors(llrs, prior_known)
        order = np.argsort(-llrs, kind="stable")
        ranked = tuple(
            PersonScore(
                voiceprints[i].person_id,
                voiceprints[i].name,
                float(cosines[i]),
                float(llrs[i]),
                float(probabilities[i]),
            )
            for i in order
        )
        if len(ranked) > 1:
            margin = ranked[0].llr - ranked[1].llr
        else:
            margin = ranked[0].llr - self._cohort_llr(vector, voiceprints[0], speech_seconds, snr_db)
        return Scores(ranked, margin, speech_seconds)

    def _cohort_llr(self, vector: Float32, like: Voiceprint, speech_seconds: float, snr_db: float) -> float:
        """The likelihood ratio that the nearest cohort speaker would get, were they enrolled as ``like`` is."""
        if len(self.cohort) == 0:
            return -_LLR_LIMIT
        nearest = self.cohort[int(np.argmax(self.cohort @ vector))]
        stand_in = Voiceprint("", "", nearest, like.speech_seconds, like.clips, like.spread, like.encoder)
        return float(self.llrs(vector, [stand_in], speech_seconds=speech_seconds, snr_db=snr_db)[1][0])


def posteriors(llrs: Float64, prior_known: float) -> Float64:
    """Open-set posteriors ``(n,)``: ``prior_known`` shared evenly by n people, the rest a stranger's (Bayes)."""
    if len(llrs) == 0:
        return np.zeros(0)
    known = math.log(prior_known / len(llrs)) + llrs
    stranger = math.log1p(-prior_known)
    top = max(float(known.max()), stranger)
    weights = np.exp(known - top)
    result: Float64 = weights / (weights.sum() + math.exp(stranger - top))
    return result
