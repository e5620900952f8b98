"""How well a bundle tells people apart: scores trial lists through the code of the device and sums them up.

Takes an opened bundle, trial lists and their speech; gives per list the figures of ``FIGURES`` in percent (costs in
their own units) and the tables made of them.

Must hold: the equal error rate and what follows from it use plain cosines of averaged, length-normalised embeddings, so
that any independent scorer gets the same; decisions come from ``edge.decision`` under the bundle's own calibration; the
threshold is never chosen on the list that is reported.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from edge.decision import FAR_TARGETS, Decider
from edge.records import Float32, Voiceprint
from edge.scoring import Scorer
from edge.settings import Decide
from training import metrics
from training.embeddings import Embedder, Heard, Progress
from training.enrolling import Listener
from training.report.tables import layout
from training.thresholds import evidence_words
from training.trials import Side, TrialList

FIGURES: Final[dict[str, str]] = {
    "speakers": "people enrolled",
    "trials": "comparisons",
    "eer": "equal error rate of the plain cosine, percent",
    "eer_low": "lower end of its 95 % interval (bootstrap over enrolled people)",
    "eer_high": "upper end of the interval",
    "frr_far1": "genuine tests refused where 1 % of impostors pass, percent",
    "frr_far01": "genuine tests refused where 0.1 % of impostors pass, percent",
    "mindcf": "normalised minimum detection cost at a target prior of 0.01",
    "eer_llr": "equal error rate of the calibrated likelihood ratio, percent",
    "cllr": "cost of the calibrated likelihood ratio in bits (0 perfect, 1 says nothing)",
    "min_cllr": "the same after the best rising map of this very list: what calibration could not improve",
    "ece": "expected calibration error of the likelihood ratio at even prior, percent",
    "far_fixed": "impostor tests that get the name at the bundle's own threshold, percent",
    "far_fixed_high": "upper end of its 95 % interval; 3/n where none was seen",
    "frr_fixed": "genuine tests that do not get the name at the bundle's own threshold, percent",
    "frr_fixed_low": "lower end of its 95 % interval",
    "frr_fixed_high": "upper end of the interval",
    "uncertain": "tests answered `uncertain` or refused for the quality of their sound, percent",
    "uncertain_genuine": "the same, of genuine tests",
    "uncertain_impostor": "the same, of impostor tests",
}
"""Keys of a report, in order, and what they mean. The last eleven are there for a calibrated bundle only."""


@dataclass(frozen=True, slots=True, eq=False)
class ScoredList:
    """A list's trials after scoring, one element each.

    ``cosine``: float64. ``target``: bool. ``speakers``: who was enrolled. With a calibration ``llr``: float64 (nats),
    ``named`` and ``uncertain``: bool, what the device would have answered; else None. ``test_seconds``,
    ``test_speech_seconds``, ``test_snr_db``: float64, length of the test, and what the segmenter made of it.
    """

    name: str
    cosine: metrics.Float64
    target: metrics.Bools
    speakers: tuple[str, ...]
    llr: metrics.Float64 | None = None
    named: metrics.Bools | None = None
    uncertain: metrics.Bools | None = None
    test_seconds: metrics.Float64 | None = None
    test_speech_seconds: metrics.Float64 | None = None
    test_snr_db: metrics.Float64 | None = None


def score_list(
    trials: TrialList,
    embedder: Embedder,
    scorer: Scorer | None,
    *,
    policy: Decide | None = None,
    progress: Progress | None = None,
    enroller: Listener | None = None,
) -> ScoredList:
    """Score every trial of a list.

    ``scorer`` None: cosines only. ``policy``: how the device decides (its defaults). ``enroller``: hears the enrolment
    sides instead of ``embedder``; its vectors must lie in the same space.
    """
    enrolled, heard = _both_sides(trials, embedder, enroller, progress)
    cosine = np.einsum(
        "nd,nd->n",
        _rows([t.enrol for t in trials.trials], enrolled),
        _rows([t.test for t in trials.trials], heard),
    )
    target = np.array([t.target for t in trials.trials])
    speakers = tuple(t.enrol_speaker for t in trials.trials)
    tests = [heard[t.test] for t in trials.trials]
    scored = ScoredList(
        trials.name,
        cosine,
        target,
        speakers,
        test_seconds=np.array([sum(e.seconds for e in one.embeddings) for one in tests]),
        test_speech_seconds=np.array([one.speech_seconds for one in tests]),
        test_snr_db=np.array([one.snr_db for one in tests]),
    )
    if scorer is None:
        return scored
    judge = _Judge(scorer, policy or Decide(), enrolled, heard)
    answers = [judge.answer(t.enrol, t.test) for t in trials.trials]
    return replace(
        scored,
        llr=np.array([a.llr for a in answers]),
        named=np.array([a.named for a in answers]),
        uncertain=np.array([a.uncertain for a in answers]),
    )


def _both_sides(
    trials: TrialList, embedder: Embedder, enroller: Listener | None, progress: Progress | None
) -> tuple[Mapping[Side, Heard], Mapping[Side, Heard]]:
    """Enrolments and tests after listening; what is on both sides is heard once where one ear hears both."""
    if enroller is None:
        heard = embedder.hear_all([side for trial in trials.trials for side in (trial.enrol, trial.test)], progress)
        return heard, heard
    enrols = list(dict.fromkeys(trial.enrol for trial in trials.trials))
    tests = list(dict.fromkeys(trial.test for trial in trials.trials))
    total = len(enrols) + len(tests)
    enrolled = enroller.hear_all(enrols, progress and (lambda done, _: progress(done, total)))
    return enrolled, embedder.hear_all(tests, progress and (lambda done, _: progress(len(enrols) + done, total)))


def _rows(sides: Sequence[Side], heard: Mapping[Side, Heard]) -> metrics.Float64:
    """Unit vectors of sides, float64 ``(n, dim)``."""
    row = {side: i for i, side in enumerate(heard)}
    vectors = np.stack([one.vector for one in heard.values()])
    return np.asarray(vectors[[row[side] for side in sides]], np.float64)


@dataclass(frozen=True, slots=True)
class _Answer:
    llr: float
    named: bool
    uncertain: bool


class _Judge:
    """Asks the device's decision "is it this person?" for pairs of sides."""

    def __init__(
        self, scorer: Scorer, policy: Decide, enrolled: Mapping[Side, Heard], heard: Mapping[Side, Heard]
    ) -> None:
        self._scorer = scorer
        self._enrolled = enrolled
        self._heard = heard
        self._decider = Decider(policy, scorer, claim=_CLAIM)
        self._voiceprints: dict[Side, Voiceprint] = {}

    def answer(self, enrol: Side, test: Side) -> _Answer:
        """Decide one trial, with no memory of the trial before."""
        if enrol not in self._voiceprints:
            self._voiceprints[enrol] = self._enrolled[enrol].voiceprint(_CLAIM)
        people = [self._voiceprints[enrol]]
        heard = self._heard[test]
        embedding = heard.embedding()
        self._decider.reset()
        decision = self._decider.decide(heard.utterance(), embedding, people)
        llr = self._llr(embedding.vector, people, heard)
        return _Answer(llr, decision.outcome == "identified", decision.outcome in ("uncertain", "rejected"))

    def _llr(self, vector: Float32, people: Sequence[Voiceprint], heard: Heard) -> float:
        # Not read from the decision: a test that is refused for its sound has none, but belongs in the Cllr.
        return float(self._scorer.llrs(vector, people, speech_seconds=heard.speech_seconds, snr_db=heard.snr_db)[1][0])


_CLAIM: Final = "claimed"


def figures(scored: ScoredList, rounds: int = metrics.BOOTSTRAP_ROUNDS) -> dict[str, float | int]:
    """Sum a scored list up; keys as in ``FIGURES``. Raises ``ValueError`` where a kind of trial is missing."""
    target = scored.target
    if target.all() or not target.any():
        raise ValueError(f"The list {scored.name} needs genuine and impostor trials.")
    curve = metrics.error_curve(scored.cosine, target)
    low, high = metrics.interval(
        scored.speakers, lambda weights: _eer_or_nan(scored.cosine, target, weights), rounds=rounds
    )
    found: dict[str, float | int] = {
        "speakers": len(set(scored.speakers)),
        "trials": len(target),
        "eer": 100 * metrics.eer_of(curve),
        "eer_low": 100 * low,
        "eer_high": 100 * high,
        "frr_far1": 100 * metrics.frr_at_far(curve, 0.01),
        "frr_far01": 100 * metrics.frr_at_far(curve, 0.001),
        "mindcf": metrics.min_dcf(curve),
    }
    if scored.llr is None or scored.named is None or scored.uncertain is None:
        return found
    named, uncertain = scored.named, scored.uncertain
    far_high = 100 * _high(scored.speakers, named, ~target, rounds)
    if not named[~target].any():
        far_high = 100 * metrics.rule_of_three(int((~target).sum()))
    frr_low, frr_high = metrics.interval(
        scored.speakers, lambda weights: metrics.weighted_share(~named[target], weights[target]), rounds=rounds
    )
    return found | {
        "eer_llr": 100 * metrics.eer(scored.llr, target),
        "cllr": metrics.cllr(scored.llr, target),
        "min_cllr": metrics.min_cllr(scored.llr, target),
        "ece": 100 * metrics.ece(scored.llr, target),
        "far_fixed": 100 * float(named[~target].mean()),
        "far_fixed_high": far_high,
        "frr_fixed": 100 * float((~named)[target].mean()),
        "frr_fixed_low": 100 * frr_low,
        "frr_fixed_high": 100 * frr_high,
        "uncertain": 100 * float(uncertain.mean()),
        "uncertain_genuine": 100 * float(uncertain[target].mean()),
        "uncertain_impostor": 100 * float(uncertain[~target].mean()),
    }


def _high(speakers: Sequence[str], events: metrics.Bools, among: metrics.Bools, rounds: int) -> float:
    return metrics.interval(
        speakers, lambda weights: metrics.weighted_share(events[among], weights[among]), rounds=rounds
    )[1]


def _eer_or_nan(scores: metrics.Float64, target: metrics.Bools, weights: metrics.Float64) -> float:
    if not weights[target].any() or not weights[~target].any():
        return float("nan")
    return metrics.eer(scores, target, weights)


_COLUMNS: Final[tuple[tuple[str, Callable[[Mapping[str, Any]], str]], ...]] = (
    ("people", lambda f: f"{f['speakers']}"),
    ("trials", lambda f: f"{f['trials']}"),
    ("EER % [95 %]", lambda f: f"{f['eer']:.2f} [{f['eer_low']:.1f}-{f['eer_high']:.1f}]"),
    ("FRR@1%", lambda f: f"{f['frr_far1']:.1f}"),
    ("FRR@0.1%", lambda f: f"{f['frr_far01']:.1f}"),
    ("minDCF", lambda f: f"{f['mindcf']:.3f}"),
)
_CALIBRATED: Final[tuple[tuple[str, Callable[[Mapping[str, Any]], str]], ...]] = (
    ("EER of LLR", lambda f: f"{f['eer_llr']:.2f}"),
    ("Cllr (min)", lambda f: f"{f['cllr']:.3f} ({f['min_cllr']:.3f})"),
    ("FAR fixed", lambda f: f"{f['far_fixed']:.2f} (<{f['far_fixed_high']:.1f})"),
    ("FRR fixed [95 %]", lambda f: f"{f['frr_fixed']:.1f} [{f['frr_fixed_low']:.1f}-{f['frr_fixed_high']:.1f}]"),
    ("uncertain", lambda f: f"{f['uncertain']:.1f}"),
)


def table(report: Mapping[str, Mapping[str, Any]], *, markdown: bool = False) -> str:
    """Lay a report (list name -> figures) out as a table for people, aligned or as Markdown."""
    return layout(rows(report), markdown=markdown)


def rows(report: Mapping[str, Mapping[str, Any]]) -> list[list[str]]:
    """Return the cells of that table, heads first."""
    calibrated = all("far_fixed" in found for found in report.values())
    columns = _COLUMNS + (_CALIBRATED if calibrated else ())
    cells = [["list", *(head for head, _ in columns)]]
    return cells + [[name, *(cell(found) for _, cell in columns)] for name, found in report.items()]


def fixed_note(scorer: Scorer) -> str:
    """Say what the columns at the fixed threshold stand on; then a line per operating point that has evidence."""
    far = FAR_TARGETS["balanced"]
    calibration = scorer.calibration
    lines = [
        f"Fixed threshold: log-likelihood ratio {calibration.threshold(far):.2f} (balanced: {100 * far:.1f} % of "
        f"impostors in calibration), from {calibration.trials} impostor trials of {calibration.speakers} people of the "
        "training split."
    ]
    lines += [
        f"At FAR {100 * point.far:g} % ({point.llr:.2f}): {words}."
        for point in calibration.points
        if (words := evidence_words(point))
    ]
    return "\n".join(lines)
