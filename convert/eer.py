"""What a conversion costs in errors: the same trial lists through every variant.

Takes converted files, trial lists and their speech. Gives equal error rates in percent (plain cosine, as ``earmark
evaluate`` computes them) and what int8 lost. Must hold: a list that cannot be measured is refused before any work; a
loss beyond what is allowed is an error that names list and figures.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from convert.alone import Runtime, score_alone
from convert.errors import ConversionError
from convert.limits import MAX_EER_LOSS, MAX_RUNTIME_GAP
from convert.variants import Converted, Variant
from edge.errors import UsageError
from training.report.tables import layout
from training.trials import TrialList, read_list

_SLACK: Final = 1e-9
"""Differences of decimal fractions: 2.3 - 2.0 is a little more than 0.3."""


@dataclass(frozen=True, slots=True)
class Rate:
    """``eer``: equal error rate in percent."""

    variant: Variant
    runtime: str
    eer: float


@dataclass(frozen=True, slots=True)
class ListErrors:
    """One list through every variant. ``rates``: the float file's and every int8 one's are among them."""

    name: str
    trials: int
    rates: tuple[Rate, ...]

    @property
    def float32(self) -> float:
        """EER of the file before quantisation."""
        return next(rate.eer for rate in self.rates if rate.variant == "float32")

    @property
    def int8(self) -> tuple[Rate, ...]:
        """The int8 file on each runtime."""
        return tuple(rate for rate in self.rates if rate.variant == "int8")

    @property
    def loss(self) -> float:
        """Points by which int8 is worse than float on the runtime where it is worst."""
        return max(rate.eer for rate in self.int8) - self.float32

    @property
    def gap(self) -> float | None:
        """Points between the runtimes; None where there is only one."""
        found = [rate.eer for rate in self.int8]
        return max(found) - min(found) if len(found) > 1 else None

    def to_json(self) -> dict[str, Any]:
        """Plain values for the report, percent to four places."""
        rates = [asdict(rate) | {"eer": round(rate.eer, 4)} for rate in self.rates]
        gap = None if self.gap is None else round(self.gap, 4)
        return {
            "list": self.name,
            "trials": self.trials,
            "rates": rates,
            "int8_loss": round(self.loss, 4),
            "runtime_gap": gap,
        }


def read_lists(paths: Sequence[Path], speech: Path) -> list[TrialList]:
    """The lists, each with genuine and impostor trials and all its audio in the folder ``speech``.

    Raises ``UsageError`` naming the list, and the file that it lacks.
    """
    lists: list[TrialList] = []
    for path in paths:
        trials = read_list(path)
        if any(other.name == trials.name for other in lists):
            raise UsageError(
                f"Two trial lists have the name {trials.name}", "A report has one row per name: rename one"
            )
        if len({trial.target for trial in trials.trials}) < 2:
            raise UsageError(
                f"The trial list {path} lacks genuine or impostor trials", "An equal error rate needs both"
            )
        for file in _files(trials):
            if not (speech / file).is_file():
                raise UsageError(
                    f"{speech / file}, which the trial list {path} names, is not there",
                    "Give the folder that the lists refer to with --speech",
                )
        lists.append(trials)
    return lists


def _files(trials: TrialList) -> list[str]:
    sides = {side for trial in trials.trials for side in (trial.enrol, trial.test)}
    clips = {clip.path for side in sides for utterance in side.utterances for clip in utterance}
    return sorted(clips | {side.noise.path for side in sides if side.noise})


@dataclass(frozen=True, slots=True)
class Material:
    """What is scored. ``paths``: of the lists, in order. ``cache``: folder that keeps embeddings; None for none."""

    lists: Sequence[TrialList]
    paths: Sequence[Path]
    speech: Path
    cache: Path | None = None


def measure(
    files: Sequence[Converted], runtimes: Sequence[Runtime], material: Material, say: Callable[[str], None]
) -> list[ListErrors]:
    """Score every list: int8 on all runtimes, the other variants on the first one, which the edge takes too."""
    columns: list[tuple[Variant, str, list[float]]] = []
    with tempfile.TemporaryDirectory() as temporary:
        # Kept between processes at least: what the segmenter finds in a clip is the same for all variants.
        cache = material.cache or Path(temporary)
        for file in files:
            for runtime in runtimes if file.variant == "int8" else runtimes[:1]:
                found = score_alone(file, runtime, material.paths, material.speech, cache, say)
                columns.append((file.variant, runtime.name, found))
    return [
        ListErrors(
            one.name, len(one.trials), tuple(Rate(variant, name, found[row]) for variant, name, found in columns)
        )
        for row, one in enumerate(material.lists)
    ]


def check(errors: Sequence[ListErrors], max_loss: float = MAX_EER_LOSS, max_gap: float = MAX_RUNTIME_GAP) -> None:
    """Raise ``ConversionError`` where int8 makes more errors than it may. Bounds in points of EER."""
    for one in errors:
        if not one.loss <= max_loss + _SLACK:
            worst = max(one.int8, key=lambda rate: rate.eer)
            raise ConversionError(
                f"The int8 file lost too much on {one.name}: EER {worst.eer:.2f} % on {worst.runtime}, float "
                f"{one.float32:.2f} %, at most {max_loss:g} points more are allowed",
                "Look at the calibration clips first, or allow more with --max-eer-loss",
            )
        if one.gap is not None and not one.gap <= max_gap + _SLACK:
            rates = ", ".join(f"{rate.eer:.2f} % on {rate.runtime}" for rate in one.int8)
            raise ConversionError(
                f"The runtimes disagree on {one.name}: EER {rates}, at most {max_gap:g} points apart are allowed",
                "Kernels round differently: see how much a single trial is worth on this list, then allow more with "
                "--max-runtime-gap",
            )


def table(errors: Sequence[ListErrors]) -> str:
    """Lay the errors out for people, in percent and points."""
    heads = [rate.variant if rate.variant != "int8" else f"int8 {rate.runtime}" for rate in errors[0].rates]
    rows = [["EER %", "trials", *heads, "int8 - float", "runtimes apart"]]
    for one in errors:
        gap = "-" if one.gap is None else f"{one.gap:.2f}"
        rows.append([one.name, f"{one.trials}", *(f"{rate.eer:.2f}" for rate in one.rates), f"{one.loss:+.2f}", gap])
    return layout(rows)
