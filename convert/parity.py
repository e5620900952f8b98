"""What int8 costs: the same utterances through the float and the int8 file.

Takes two ``Encoder`` factories and utterances. Gives cosines, size and CPU time for a report. Must hold: the
utterances come from recordings that calibration didn't see; CPU time is that of this process (user and system), not
wall clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from convert.alone import embed_alone
from convert.clips import read_speech
from convert.encoder import Encoder
from convert.errors import ConversionError
from convert.graph import Float32
from edge.records import SAMPLE_RATE, FeatureSpec
from edge.runtime import installed
from training.corpus import Recording

LEAST_MEAN_COSINE: Final = 0.98
"""Below this the conversion counts as failed."""


@dataclass(frozen=True, slots=True)
class Parity:
    """Cosines between float and int8 embeddings, one per utterance, summed up. ``cpu_ms_per_s``: network alone."""

    runtime: str
    utterances: int
    cosine_mean: float
    cosine_p5: float
    cosine_min: float
    cpu_ms_per_s: float

    def to_json(self) -> dict[str, Any]:
        """Plain values for the report."""
        return asdict(self)


def held_out_speech(
    folder: Path, recordings: Sequence[Recording], used: set[str], count: int, seed: int
) -> list[Float32]:
    """Utterances of at most 6 seconds from ``train`` recordings that are not in ``used``, evenly over the sets.

    Raises ``ConversionError`` where ``used`` leaves none.
    """
    rng = np.random.default_rng((seed, 3))
    sets = sorted({r.set for r in recordings if r.split == "train"})
    found: list[Float32] = []
    for name in sets:
        pool = [r for r in recordings if r.split == "train" and r.set == name and r.seconds >= 0.5]
        pool = [r for r in pool if r.path not in used]
        for index in rng.permutation(len(pool))[: -(-count // len(sets))]:
            found.append(read_speech(folder / pool[int(index)].path)[: 6 * SAMPLE_RATE])
    if not found:
        raise ConversionError("No training recording is left to compare int8 with float on", "Calibrate on fewer clips")
    return found


def measure(
    reference: Encoder,
    model: bytes,
    head: tuple[Float32, Float32],
    spec: FeatureSpec,
    utterances: Sequence[Float32],
) -> list[Parity]:
    """One ``Parity`` for every runtime installed. ``head``: kernel and bias for the frame features of both files."""
    expected = np.stack([reference.embed(samples) for samples in utterances])
    reports = []
    for engine in installed():
        embeddings, cpu = embed_alone(model, head, spec, engine.kind, utterances)
        cosines = (embeddings * expected).sum(axis=1)
        reports.append(
            Parity(
                runtime=engine.name,
                utterances=len(cosines),
                cosine_mean=round(float(cosines.mean()), 5),
                cosine_p5=round(float(np.quantile(cosines, 0.05)), 5),
                cosine_min=round(float(cosines.min()), 5),
                cpu_ms_per_s=round(cpu, 2),
            )
        )
    return reports


def check(reports: Sequence[Parity]) -> None:
    """Raise ``ConversionError`` where a runtime's int8 embeddings are too far from the float ones."""
    for report in reports:
        if not report.cosine_mean >= LEAST_MEAN_COSINE:
            raise ConversionError(
                f"The int8 file lost too much on {report.runtime}: mean cosine to float {report.cosine_mean:.4f}, "
                f"at least {LEAST_MEAN_COSINE} is needed",
                "Look at parity.json, and at the calibration clips first",
            )
