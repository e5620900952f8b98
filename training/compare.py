"""Bundles and peers side by side: the same trials, the same clock.

Takes opened contenders (``compare_peers``) and trial lists; gives one ``Row`` each, best mean equal error rate first.

Must hold: every contender scores exactly the same trials with the same rules for sides and vectors (``embeddings``);
costs are measured in the same run, in turns; nothing is tuned on the lists.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from edge.errors import UsageError
from edge.records import SAMPLE_RATE, Float32
from training import evaluate, metrics
from training.compare_cost import RUNS, cpu_ms_per_second
from training.compare_peers import Contender
from training.embeddings import Embedder, EmbeddingCache
from training.trials import Audio, TrialList

TIMED_SECONDS: Final = 3.0
"""Length of the utterance that costs are measured on: an ordinary request, one window of the shipped networks."""

Watch = Callable[[str], Any]
"""From a text that says what is being done to a context manager that gives a ``Progress``."""


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """What was found out about one contender. ``figures``: per list, as from ``training.evaluate.figures``.

    ``mean_eer``: mean over the lists, percent. ``far_fixed``, ``frr_fixed``: the same of the decisions at the bundle's
    own threshold; None without calibration. ``cpu_ms_per_s``: CPU milliseconds per second of audio, front-end and
    network. ``ratio``: that in multiples of the first row's.
    """

    contender: Contender
    figures: Mapping[str, Mapping[str, float | int]]
    curves: Mapping[str, metrics.ErrorCurve]
    mean_eer: float
    far_fixed: float | None
    frr_fixed: float | None
    cpu_ms_per_s: float
    ratio: float

    def to_json(self) -> dict[str, Any]:
        """Return plain objects; ``earmark frontier`` reads a file with such rows."""
        one = self.contender
        return {
            "name": one.name,
            "family": one.kind,
            "encoder": one.encoder.encoder,
            "parameters": one.parameters,
            "int8_mb" if one.kind == "bundle" else "mb": one.megabytes,
            "cpu_ms_per_s": self.cpu_ms_per_s,
            "cpu_ratio": self.ratio,
            "mean_eer": self.mean_eer,
            "far_fixed": self.far_fixed,
            "frr_fixed": self.frr_fixed,
            "eer": {name: found["eer"] for name, found in self.figures.items()},
            "lists": {name: dict(found) for name, found in self.figures.items()},
        }


def compare(
    contenders: Sequence[Contender],
    lists: Sequence[TrialList],
    audio: Audio,
    *,
    cache: EmbeddingCache | None = None,
    runs: int = RUNS,
    watch: Watch,
) -> list[Row]:
    """Measure every contender on every list and rank them by mean equal error rate.

    Raises ``UsageError`` for a list without genuine or impostor trials.
    """
    found = []
    for one in contenders:
        figures: dict[str, dict[str, float | int]] = {}
        curves: dict[str, metrics.ErrorCurve] = {}
        embedder = Embedder(one.encoder, audio, cache=cache, runtime=one.runtime)
        for trials in lists:
            with watch(f"{one.name}: {trials.name}") as progress:
                scored = evaluate.score_list(trials, embedder, one.scorer, progress=progress)
            try:
                figures[trials.name] = evaluate.figures(scored)
            except ValueError as error:
                raise UsageError(str(error).rstrip("."), "An error rate needs both.") from error
            curves[trials.name] = metrics.error_curve(scored.cosine, scored.target)
        found.append((one, figures, curves))
    with watch("timing") as progress:
        costs = cpu_ms_per_second([one.encoder for one in contenders], timed_speech(lists, audio), runs, progress)
    order = sorted(range(len(found)), key=lambda i: (_mean(found[i][1], "eer") or 0.0, costs[i]))
    return [
        Row(
            contender=found[i][0],
            figures=found[i][1],
            curves=found[i][2],
            mean_eer=_mean(found[i][1], "eer") or 0.0,
            far_fixed=_mean(found[i][1], "far_fixed"),
            frr_fixed=_mean(found[i][1], "frr_fixed"),
            cpu_ms_per_s=costs[i],
            ratio=costs[i] / costs[order[0]],
        )
        for i in order
    ]


def _mean(figures: Mapping[str, Mapping[str, float | int]], key: str) -> float | None:
    values = [found[key] for found in figures.values() if key in found]
    return float(np.mean(values)) if values else None


def timed_speech(lists: Sequence[TrialList], audio: Audio) -> Float32:
    """Return ``TIMED_SECONDS`` of speech, float32 ``(n,)``: the first enrolment, repeated where it is shorter."""
    speech = np.concatenate(audio.utterances(lists[0].trials[0].enrol))
    return np.asarray(np.resize(speech, int(TIMED_SECONDS * SAMPLE_RATE)), np.float32)


def draw(trials: TrialList, limit: int, seed: int) -> TrialList:
    """Return a list with at most ``limit`` of the trials, in their order, the same ones for the same seed.

    Genuine and impostor trials keep their shares, and at least one trial of each kind stays.
    """
    if len(trials.trials) <= limit:
        return trials
    genuine = [i for i, trial in enumerate(trials.trials) if trial.target]
    impostor = [i for i, trial in enumerate(trials.trials) if not trial.target]
    wanted = min(max(round(limit * len(genuine) / len(trials.trials)), 1), limit - 1)
    dice = random.Random(f"{seed} {trials.name}")
    kept = dice.sample(genuine, min(wanted, len(genuine))) + dice.sample(impostor, min(limit - wanted, len(impostor)))
    return TrialList(trials.name, tuple(trials.trials[i] for i in sorted(kept)))
