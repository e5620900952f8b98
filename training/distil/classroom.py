"""Who learns from whom, and who judges.

Takes a teacher, a store and choices. Gives lessons (rows and what the teacher says about them) and a judgement
of students on speakers that nobody learns from. Must hold: the speakers that judge are in no lesson; what the teacher
said is kept on disk and reused.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import keras
import numpy as np
import numpy.typing as npt

from edge.features import normalise
from edge.records import FeatureSpec, Float32
from training.data.store import Store
from training.distil.run import Lessons
from training.distil.split import learn_and_judge
from training.distil.targets import digest_of, targets
from training.models.campp import embedder
from training.teachers.campp import campp_trunk
from training.teachers.checkpoint import Weights
from training.windows import WINDOW_FRAMES, fill

Say = Callable[[str], None]

_JUDGED: Final = 256
"""Windows of held-out speakers that a student is judged by."""


def windows_of(store: Store, spec: FeatureSpec, rows: npt.NDArray[np.int64]) -> Float32:
    """The first window of each row as the network gets it, (n, frames, bands)."""
    return np.stack([normalise(spec, fill(store.features(int(row), 0, WINDOW_FRAMES), WINDOW_FRAMES)) for row in rows])


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """``seed``: of the order of rows. ``held_out``: one speaker in so many only judges. ``teacher_windows``: how many
    of a clip the teacher hears at most. ``clips``: how many are learnt from; None: all there are.
    """

    seed: int
    held_out: int
    teacher_windows: int
    clips: int | None = None


class Classroom:
    """A CAM++ that teaches. ``folder``: where what it said is kept. ``spec``: what teacher and students look at."""

    def __init__(
        self, teacher: Weights, store: Store, spec: FeatureSpec, choices: Choices, *, folder: Path, say: Say
    ) -> None:
        self._trunk: keras.Model | None = None
        self._store, self.spec, self._choices, self._folder = store, spec, choices, folder
        rng = np.random.default_rng(choices.seed)
        learning, judging = learn_and_judge(store, choices.held_out)
        self.teacher = digest_of({name: np.asarray(value) for name, value in teacher.items()})
        rows = rng.permutation(learning)[: choices.clips]
        judges = rng.permutation(judging)[:_JUDGED]
        network = embedder(teacher, WINDOW_FRAMES)
        say("asking the teacher")
        self._tensors = teacher
        self.lessons = Lessons(store, spec, rows, self._ask(network, rows, say), self._frames)
        self._expected = self._ask(network, judges, say)
        self._shown = windows_of(store, spec, judges)[..., None]

    def _ask(self, network: keras.Model, rows: npt.NDArray[np.int64], say: Say) -> Float32:
        return targets(
            self._store, self.spec, network.predict_on_batch, self._folder, name=self.teacher, rows=rows.tolist(),
            most=self._choices.teacher_windows, progress=lambda done, of: say(f"  clip {done}/{of}"),
        )  # fmt: skip

    def _frames(self, windows: Float32) -> Float32:
        """The teacher's frame features, for windows of whatever length the first have."""
        if self._trunk is None:
            self._trunk = campp_trunk(self._tensors, windows.shape[1], None)
        return np.asarray(self._trunk.predict_on_batch(windows), np.float32)

    def cosines(self, network: keras.Model) -> Float32:
        """Of a student's embeddings of degraded windows to the teacher's of the clean ones, held-out speakers."""
        parts = np.array_split(self._shown, -(-len(self._shown) // 16))
        found = np.concatenate([network.predict_on_batch(part) for part in parts])
        return np.asarray((found * self._expected).sum(axis=1), np.float32)

    def judge(self, network: keras.Model) -> str:
        """The same in words."""
        cosines = self.cosines(network)
        return f"cosine to the teacher {cosines.mean():.4f}, lowest tenth {np.quantile(cosines, 0.1):.4f}"

    def judgement(self, network: keras.Model) -> dict[str, float]:
        """The same in figures."""
        cosines = self.cosines(network)
        return {
            "cosine_mean": round(float(cosines.mean()), 4),
            "cosine_p10": round(float(np.quantile(cosines, 0.1)), 4),
        }

    def describe(self) -> dict[str, Any]:
        """For a report."""
        return {
            "teacher": self.teacher,
            "features": self.spec.to_json(),
            "caches": [folder.name for folder in self._store.folders],
            "rows": len(self.lessons.rows),
            "judged_windows": len(self._shown),
        }
