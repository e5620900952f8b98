"""Embeds each distinct utterance of a trial list once, through the code path of the device.

Takes trial sides and an opened bundle; gives ``Heard`` sides: embeddings and how much speech at which signal-to-noise
ratio stands behind each. A cache file on disk keeps them between runs.

Must hold: what is cached is what would be computed (keys are hashes over the samples and what judges them:
encoder and runtime, or the segmenter's code); speech and noise figures come from the device's own segmenter, never from
a label.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Final, Protocol

import numpy as np

from edge.errors import StorageError
from edge.records import SAMPLE_RATE, Embedding, Exemplar, Float32, Utterance, Voiceprint
from edge.scoring import mean_direction, voiceprint_of
from training.listening import LISTENING, Circumstances, listen
from training.moods import Mood
from training.trials import Audio, Side

Progress = Callable[[int, int], None]

MIN_SAMPLES: Final = SAMPLE_RATE // 2
"""A bundle takes half a second or more; shorter clips (single digits) are repeated up to it."""


class Encoder(Protocol):
    """What is needed of an ``edge.bundle.Bundle`` to embed."""

    @property
    def encoder(self) -> str:
        """Hash that names the encoder."""

    def analyse(self, samples: Float32) -> Embedding:
        """Embed float32 mono 16 kHz samples."""


@dataclass(frozen=True, slots=True, eq=False)
class Heard:
    """One side of a trial after listening. ``embeddings`` and ``circumstances``: one per utterance."""

    embeddings: tuple[Embedding, ...]
    circumstances: tuple[Circumstances, ...]

    @property
    def speech_seconds(self) -> float:
        """Speech in all utterances."""
        return sum(c.speech_seconds for c in self.circumstances)

    @property
    def snr_db(self) -> float:
        """Signal-to-noise ratio, averaged with the speech seconds as weights."""
        weights = [max(c.speech_seconds, 1e-3) for c in self.circumstances]
        return float(np.average([c.snr_db for c in self.circumstances], weights=weights))

    @property
    def vector(self) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        """Length-normalised mean of the length-normalised embeddings, float64 ``(dim,)``."""
        vectors = np.stack([e.vector for e in self.embeddings]).astype(np.float64)
        mean = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).mean(axis=0)
        unit: np.ndarray[tuple[int], np.dtype[np.float64]] = mean / np.linalg.norm(mean)
        return unit

    def voiceprint(self, person_id: str) -> Voiceprint:
        """The template that the device would keep of these utterances."""
        exemplars = [
            Exemplar(e.vector, e.encoder, c.speech_seconds, c.snr_db, microphone="", created="", digest="")
            for e, c in zip(self.embeddings, self.circumstances, strict=True)
        ]
        return voiceprint_of(exemplars, person_id=person_id, name=person_id)

    def utterance(self) -> Utterance:
        """The utterances as one, as a decision sees it; the samples are left out, a decision never looks at them."""
        samples = round(SAMPLE_RATE * sum(e.seconds for e in self.embeddings))
        return Utterance(
            samples=np.zeros(0, np.float32),
            start=0,
            end=samples,
            speech_seconds=self.speech_seconds,
            snr_db=self.snr_db,
            level_dbfs=max(c.level_dbfs for c in self.circumstances),
            peak_dbfs=max(c.peak_dbfs for c in self.circumstances),
            clipped_fraction=max(c.clipped_fraction for c in self.circumstances),
            ended_by="end_of_stream",
        )

    def embedding(self) -> Embedding:
        """The embeddings as one: what a decision about the utterances together looks at."""
        if len(self.embeddings) == 1:
            return self.embeddings[0]
        probabilities = [e.speech_probability for e in self.embeddings if e.speech_probability is not None]
        return Embedding(
            vector=mean_direction(np.stack([e.vector for e in self.embeddings])),
            windows=np.concatenate([e.windows for e in self.embeddings]),
            seconds=sum(e.seconds for e in self.embeddings),
            encoder=self.embeddings[0].encoder,
            speech_probability=max(probabilities) if probabilities else None,
        )


class Embedder:
    """Turns sides into ``Heard``; each distinct utterance is embedded once, however many trials use it."""

    def __init__(
        self, bundle: Encoder, audio: Audio, *, cache: EmbeddingCache | None = None, runtime: str = ""
    ) -> None:
        """Remember the parts. ``runtime``: what interprets the network, part of the cache key."""
        self._bundle = bundle
        self._audio = audio
        self._cache = cache
        self._salt = f"{bundle.encoder} {runtime} ".encode()
        self._sides: dict[tuple[Side, float, Mood | None], Heard] = {}

    def hear(self, side: Side, gain_db: float = 0.0, mood: Mood | None = None) -> Heard:
        """Return a side's embeddings and circumstances, as heard ``gain_db`` louder (cut off at full scale).

        ``mood``: how the voice speaks, other than it does in the recording.
        """
        key = (side, gain_db, mood)
        if key not in self._sides:
            gain = np.float32(10 ** (gain_db / 20))
            spoken = self._audio.utterances(side, None if mood is None else mood.apply)
            pairs = [self.utterance(np.clip(x * gain, -1, 1) if gain_db else x) for x in spoken]
            self._sides[key] = Heard(tuple(e for e, _ in pairs), tuple(c for _, c in pairs))
        return self._sides[key]

    def hear_all(self, sides: Iterable[Side], progress: Progress | None = None) -> dict[Side, Heard]:
        """Return every distinct side, telling ``progress(done, all)`` now and then."""
        distinct = list(dict.fromkeys(sides))
        return dict(zip(distinct, self.hear_takes([(side, 0.0) for side in distinct], progress), strict=True))

    def hear_takes(
        self,
        takes: Sequence[tuple[Side, float]],
        progress: Progress | None = None,
        moods: Sequence[Mood | None] | None = None,
    ) -> list[Heard]:
        """Return each side at its gain (dB) in its mood, in order, telling ``progress(done, all)`` now and then."""
        heard = []
        for done, (side, gain_db) in enumerate(takes, start=1):
            heard.append(self.hear(side, gain_db, moods[done - 1] if moods else None))
            if progress and (done % 25 == 0 or done == len(takes)):
                progress(done, len(takes))
        return heard

    def utterance(self, samples: Float32) -> tuple[Embedding, Circumstances]:
        """Embed and listen to one utterance, float32 ``(n,)``."""
        content = np.ascontiguousarray(samples, np.float32).tobytes()
        return self._embedding(samples, content), self._circumstances(samples, content)

    def embed(self, samples: Float32) -> Embedding:
        """Embed one utterance, float32 ``(n,)``, without listening to it."""
        return self._embedding(samples, np.ascontiguousarray(samples, np.float32).tobytes())

    def _embedding(self, samples: Float32, content: bytes) -> Embedding:
        key = hashlib.sha256(self._salt + content).hexdigest()
        found = self._cache.embedding(key, self._bundle.encoder) if self._cache else None
        if found is None:
            # Too short for a bundle: say it again, as its own window would be filled anyway.
            repeats = -(-MIN_SAMPLES // len(samples))
            found = self._bundle.analyse(np.tile(samples, repeats)[:MIN_SAMPLES] if repeats > 1 else samples)
            if self._cache:
                self._cache.put_embedding(key, found)
        return found

    def _circumstances(self, samples: Float32, content: bytes) -> Circumstances:
        key = hashlib.sha256(LISTENING + content).hexdigest()
        found = self._cache.circumstances(key) if self._cache else None
        if found is None:
            found = listen(samples)
            if self._cache:
                self._cache.put_circumstances(key, found)
        return found


class EmbeddingCache:
    """Embeddings and circumstances in one SQLite file. Losing it costs time, nothing else."""

    def __init__(self, folder: Path) -> None:
        """Open or create ``folder/embeddings.sqlite``. Raises ``StorageError``."""
        try:
            folder.mkdir(parents=True, exist_ok=True)
            # Each row is its own transaction and WAL does not wait for the disk: several commands may share a cache.
            self._db = sqlite3.connect(folder / "embeddings.sqlite", timeout=60, isolation_level=None)
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = NORMAL")
            self._db.execute(
                "CREATE TABLE IF NOT EXISTS embeddings (key TEXT PRIMARY KEY, vector BLOB, windows BLOB, seconds REAL,"
                " speech_probability REAL) WITHOUT ROWID"
            )
            self._db.execute(
                "CREATE TABLE IF NOT EXISTS circumstances (key TEXT PRIMARY KEY, speech_seconds REAL, snr_db REAL,"
                " level_dbfs REAL, peak_dbfs REAL, clipped_fraction REAL) WITHOUT ROWID"
            )
        except (OSError, sqlite3.Error) as error:
            raise StorageError(
                f"The cache {folder} cannot be used ({error})", "Name another folder with --cache."
            ) from error

    def embedding(self, key: str, encoder: str) -> Embedding | None:
        """Return the embedding stored under a key, or None. ``encoder``: the hash that it is bound to."""
        row = self._db.execute("SELECT * FROM embeddings WHERE key = ?", (key,)).fetchone()
        if row is None:
            return None
        vector = np.frombuffer(row[1], np.float32)
        windows = np.frombuffer(row[2], np.float32).reshape(-1, len(vector))
        return Embedding(vector, windows, row[3], encoder, row[4])

    def put_embedding(self, key: str, embedding: Embedding) -> None:
        """Store an embedding."""
        vector = np.asarray(embedding.vector, np.float32).tobytes()
        windows = np.asarray(embedding.windows, np.float32).tobytes()
        self._db.execute(
            "INSERT OR REPLACE INTO embeddings VALUES (?, ?, ?, ?, ?)",
            (key, vector, windows, float(embedding.seconds), embedding.speech_probability),
        )

    def circumstances(self, key: str) -> Circumstances | None:
        """Return the circumstances stored under a key, or None."""
        row = self._db.execute("SELECT * FROM circumstances WHERE key = ?", (key,)).fetchone()
        return None if row is None else Circumstances(*row[1:])

    def put_circumstances(self, key: str, circumstances: Circumstances) -> None:
        """Store circumstances."""
        self._db.execute(
            "INSERT OR REPLACE INTO circumstances VALUES (?, ?, ?, ?, ?, ?)", (key, *astuple(circumstances))
        )

    def close(self) -> None:
        """Close the file."""
        self._db.close()
