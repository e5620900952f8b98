"""What the device hears in a sound: its own pipeline, without anybody enrolled, run once.

Takes an opened bundle, settings and samples. Gives ``Heard``s: utterances and embeddings, which ``edge.decision`` can
then judge for any household. A cache keeps them between runs.

Must hold: what is cached is what would be computed (keys are hashes over the samples, the settings, the encoder and its
runtime, and the code of segmenter and pipeline).
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

import edge.pipeline
import edge.segment
from edge.bundle import Bundle
from edge.errors import StorageError
from edge.pipeline import Pipeline
from edge.records import SAMPLE_RATE, AudioBlock, Embedding, Float32, Utterance
from edge.settings import Settings

_BLOCK: Final = SAMPLE_RATE // 10
_CODE: Final[bytes] = b"".join(
    hashlib.sha256(path.read_bytes()).digest()
    for path in [
        Path(__file__),
        Path(edge.pipeline.__file__),
        *sorted(Path(edge.segment.__file__).parent.glob("*.py")),
    ]
)
_NUMBERS: Final = ("start", "end", "speech_seconds", "snr_db", "level_dbfs", "peak_dbfs", "clipped_fraction")
_NONE: Final[Float32] = np.zeros(0, np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Heard:
    """One utterance, without its samples: a decision never looks at them. ``embedding`` None: refused before that."""

    utterance: Utterance
    embedding: Embedding | None


class Ear:
    """Listens with one bundle. ``folder``: where results are kept."""

    def __init__(self, bundle: Bundle, settings: Settings, folder: Path) -> None:
        """Remember the parts. Raises ``StorageError`` where the folder cannot be made."""
        self._bundle = bundle
        self._settings = settings
        self._folder = folder / "streams"
        self._salt = _CODE + repr((bundle.encoder, bundle.runtime, settings.segment, settings.decide)).encode()
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(f"The cache {folder} cannot be used ({error})", "Name another one.") from error

    def hear(self, samples: Float32) -> tuple[Heard, ...]:
        """The utterances in float32 ``(n,)`` mono 16 kHz, in order."""
        key = hashlib.sha256(self._salt + np.ascontiguousarray(samples, np.float32).tobytes()).hexdigest()
        path = self._folder / f"{key}.npz"
        if path.is_file():
            return _unpacked(path.read_bytes(), self._bundle.encoder)
        found = self._listen(samples)
        part = path.with_suffix(".part")
        part.write_bytes(_packed(found))
        part.replace(path)
        return found

    def _listen(self, samples: Float32) -> tuple[Heard, ...]:
        pipeline = Pipeline(self._bundle, self._settings)
        results = []
        for start in range(0, len(samples), _BLOCK):
            results += pipeline.push(AudioBlock(samples[start : start + _BLOCK], start))
        results += pipeline.finish()
        return tuple(Heard(replace(one.utterance, samples=_NONE), one.embedding) for one in results)


def _packed(found: Sequence[Heard]) -> bytes:
    arrays: dict[str, Any] = {
        "numbers": np.array([[getattr(one.utterance, name) for name in _NUMBERS] for one in found], np.float64),
        "ended_by": np.array([one.utterance.ended_by for one in found], "U16"),
    }
    for number, one in enumerate(found):
        if one.embedding is not None:
            speech = one.embedding.speech_probability
            arrays[f"vector{number}"] = one.embedding.vector
            arrays[f"windows{number}"] = one.embedding.windows
            arrays[f"said{number}"] = np.array([one.embedding.seconds, np.nan if speech is None else speech])
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def _unpacked(content: bytes, encoder: str) -> tuple[Heard, ...]:
    found = []
    with np.load(io.BytesIO(content)) as arrays:
        for number, (row, ended_by) in enumerate(zip(arrays["numbers"], arrays["ended_by"], strict=True)):
            values: dict[str, Any] = dict(zip(_NUMBERS, row.tolist(), strict=True))
            values |= {"start": int(values["start"]), "end": int(values["end"]), "ended_by": str(ended_by)}
            embedding = None
            if f"vector{number}" in arrays:
                seconds, speech = arrays[f"said{number}"].tolist()
                embedding = Embedding(
                    arrays[f"vector{number}"],
                    arrays[f"windows{number}"],
                    seconds,
                    encoder,
                    None if np.isnan(speech) else speech,
                )
            found.append(Heard(Utterance(samples=_NONE, **values), embedding))
    return tuple(found)
