"""What a conversion costs: the same utterances through the float file and its variants.

Takes a reference ``Encoder``, converted files and utterances. Gives cosines, size and CPU time for a report. Must hold:
the utterances come from recordings that calibration didn't see; CPU time is that of a process that does nothing else
(user and system), not wall clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from convert.alone import Runtime, embed_alone
from convert.clips import read_speech
from convert.encoder import Encoder
from convert.errors import ConversionError
from convert.graph import Float32
from convert.limits import LEAST_MEAN_COSINE
from convert.variants import Converted, Variant
from edge.records import SAMPLE_RATE
from training.corpus import Recording
from training.report.tables import layout


@dataclass(frozen=True, slots=True)
class Parity:
    """One file on one runtime. ``cosines``: of its embeddings to the float ones, one per utterance.
    ``cpu_ms_per_s``: network alone, per second of audio.
    """

    variant: Variant
    runtime: str
    megabytes: float
    cpu_ms_per_s: float
    cosines: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Mean cosine."""
        return float(np.mean(self.cosines))

    def to_json(self) -> dict[str, Any]:
        """Plain values for the report, with the cosines summed up first."""
        return {
            "variant": self.variant,
            "runtime": self.runtime,
            "megabytes": round(self.megabytes, 3),
            "cpu_ms_per_s": round(self.cpu_ms_per_s, 2),
            "utterances": len(self.cosines),
            "cosine_mean": round(self.mean, 5),
            "cosine_p5": round(float(np.quantile(self.cosines, 0.05)), 5),
            "cosine_min": round(min(self.cosines), 5),
            "cosines": [round(value, 5) for value in self.cosines],
        }


@dataclass(frozen=True, slots=True, eq=False)
class HeldOut:
    """An utterance. ``path``: of its recording in the corpus. ``samples`` float32 (n,)."""

    path: str
    samples: Float32


def held_out_speech(
    folder: Path, recordings: Sequence[Recording], used: set[str], count: int, seed: int
) -> list[HeldOut]:
    """Utterances of at most 6 seconds from ``train`` recordings that are not in ``used``, evenly over the sets.

    Raises ``ConversionError`` where ``used`` leaves none.
    """
    rng = np.random.default_rng((seed, 3))
    sets = sorted({r.set for r in recordings if r.split == "train"})
    found: list[HeldOut] = []
    for name in sets:
        pool = [r for r in recordings if r.split == "train" and r.set == name and r.seconds >= 0.5]
        pool = [r for r in pool if r.path not in used]
        for index in rng.permutation(len(pool))[: -(-count // len(sets))]:
            path = pool[int(index)].path
            found.append(HeldOut(path, read_speech(folder / path)[: 6 * SAMPLE_RATE]))
    if not found:
        raise ConversionError("No training recording is left to compare int8 with float on", "Calibrate on fewer clips")
    return found


def measure(
    reference: Encoder, files: Sequence[Converted], runtimes: Sequence[Runtime], utterances: Sequence[HeldOut]
) -> list[Parity]:
    """Every file on every runtime, against the embeddings of ``reference``."""
    samples = [one.samples for one in utterances]
    expected = np.stack([reference.embed(one) for one in samples])
    reports = []
    for file in files:
        for runtime in runtimes:
            embeddings, cpu = embed_alone(file, runtime, samples)
            cosines = tuple(float(value) for value in (embeddings * expected).sum(axis=1))
            reports.append(Parity(file.variant, runtime.name, len(file.model) / 1e6, cpu, cosines))
    return reports


def check(reports: Sequence[Parity], least: float = LEAST_MEAN_COSINE) -> None:
    """Raise ``ConversionError`` where the mean cosine of a file's embeddings to the float ones is below ``least``."""
    for report in reports:
        if not report.mean >= least:
            raise ConversionError(
                f"The {report.variant} file lost too much on {report.runtime}: mean cosine to float "
                f"{report.mean:.4f}, at least {least} is needed",
                "Look at the calibration clips first",
            )


def table(reports: Sequence[Parity]) -> str:
    """Lay the measurements out for people."""
    rows = [["variant", "runtime", "MB", "cosine mean", "p5", "min", "CPU-ms/s"]]
    for one in reports:
        found = one.to_json()
        cosines = [f"{found[name]:.4f}" for name in ("cosine_mean", "cosine_p5", "cosine_min")]
        rows.append([one.variant, one.runtime, f"{one.megabytes:.2f}", *cosines, f"{one.cpu_ms_per_s:.2f}"])
    return layout(rows, left=2)
