"""Enrolment by other means than the bundle that is measured: by another bundle, by several views of each utterance.

Takes opened bundles of one embedding space, the speech and a seed. Gives a ``Listener`` for the enrolment sides of
``training.evaluate.score_list``, and an account of it for reports.

Must hold: bundles whose embeddings cannot be compared are refused; views follow from seed, samples and manifest, and
never hold a noise that the lists mix into tests; how much speech an enrolment has is what the clean clips have.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np

from edge.bundle import comparable, in_words, open_bundle
from edge.errors import UsageError
from edge.records import Embedding, Float32
from edge.runtime import Preference
from edge.scoring import mean_direction
from training.augment.seeding import generator
from training.embeddings import Embedder, EmbeddingCache, Heard, Progress
from training.trials import Audio, Side, TrialList

if TYPE_CHECKING:
    from edge.bundle import Bundle
    from training.augment import Augmenter
    from training.corpus import Recording

MOST_VIEWS: Final = 50


class Listener(Protocol):
    """What ``score_list`` needs of an ``Embedder``."""

    def hear_all(self, sides: Iterable[Side], progress: Progress | None = None) -> dict[Side, Heard]:
        """Return every distinct side, telling ``progress(done, all)`` now and then."""


@dataclass(frozen=True, slots=True)
class Account:
    """Who enrolled, and how: for reports. ``views``: beside each utterance itself; drawn with ``seed``."""

    bundle: str
    version: str
    encoder: str
    space: str
    views: int
    seed: int

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)

    def text(self) -> str:
        """The same in a few words."""
        where = f"space {self.space}" if self.space else f"encoder {self.encoder}"
        by = f"{self.bundle} {self.version} ({where})"
        if not self.views:
            return by
        number = "1 degraded view" if self.views == 1 else f"{self.views} degraded views"
        return f"{by}, each utterance averaged with {number} of it (seed {self.seed})"


def make_augmenter(speech: Path, recordings: Sequence[Recording], lists: Sequence[TrialList]) -> Augmenter:
    """Return what degrades views: rooms, microphones and codecs, and what the manifest has of noise and other voices.

    Noises that a list mixes into a test are left out: an enrolment must not know them.
    """
    from training.augment import Augmenter, AugmentRecipe, load_materials

    heard = {trial.test.noise.path for one in lists for trial in one.trials if trial.test.noise}
    known = [row for row in recordings if row.path not in heard]
    return Augmenter(load_materials(speech, known), AugmentRecipe(place_kept=0.0))


class Views:
    """Hears as an ``Embedder`` does; each utterance's vector is the mean of itself and of degraded views of it."""

    def __init__(self, embedder: Embedder, audio: Audio, augmenter: Augmenter, *, views: int, seed: int) -> None:
        """Remember the parts. ``views``: how many beside the utterance itself."""
        self._embedder = embedder
        self._audio = audio
        self._augmenter = augmenter
        self._views = views
        self._seed = seed
        self._heard: dict[Side, Heard] = {}

    def hear_all(self, sides: Iterable[Side], progress: Progress | None = None) -> dict[Side, Heard]:
        """Return every distinct side, telling ``progress(done, all)`` after each."""
        distinct = list(dict.fromkeys(sides))
        for done, side in enumerate(distinct, start=1):
            if side not in self._heard:
                self._heard[side] = self._hear(side)
            if progress:
                progress(done, len(distinct))
        return {side: self._heard[side] for side in distinct}

    def _hear(self, side: Side) -> Heard:
        plain = self._embedder.hear(side)
        sounds = self._audio.utterances(side)
        pairs = zip(plain.embeddings, sounds, strict=True)
        return replace(plain, embeddings=tuple(self._averaged(one, samples) for one, samples in pairs))

    def _averaged(self, plain: Embedding, samples: Float32) -> Embedding:
        name = hashlib.sha256(np.ascontiguousarray(samples, np.float32).tobytes()).hexdigest()
        vectors = [plain.vector]
        for number in range(1, self._views + 1):
            view = self._augmenter.degrade(samples, generator(self._seed, f"{name}#view{number}"))
            vectors.append(self._embedder.embed(view).vector)
        return replace(plain, vector=mean_direction(np.stack(vectors)))


class Enroller:
    """A ``Listener`` for enrolments, with its account."""

    def __init__(self, listener: Listener, account: Account) -> None:
        """Remember both."""
        self._listener = listener
        self.account = account

    def hear_all(self, sides: Iterable[Side], progress: Progress | None = None) -> dict[Side, Heard]:
        """As the listener does."""
        return self._listener.hear_all(sides, progress)


@dataclass(frozen=True, slots=True)
class Way:
    """What was asked for. ``bundle``: name or path of the one that enrols, None for the one that is measured.

    Raises ``UsageError`` for an impossible number of views.
    """

    bundle: str | None
    views: int
    seed: int

    def __post_init__(self) -> None:
        """Refuse nonsense."""
        if not 0 <= self.views <= MOST_VIEWS:
            raise UsageError(f"--enrol-views is {self.views}", f"Give a number from 0 to {MOST_VIEWS}.")

    @property
    def apart(self) -> bool:
        """Whether enrolments are made otherwise than tests."""
        return bool(self.bundle or self.views)

    def open(
        self,
        listens: Bundle,
        audio: Audio,
        cache: EmbeddingCache | None,
        recordings: Sequence[Recording],
        lists: Sequence[TrialList],
        *,
        prefer: Preference = "auto",
    ) -> Enroller:
        """Open what enrols for the bundle ``listens``.

        ``recordings``: the manifest's, may be empty. Raises ``BundleError``, and ``UsageError`` where embeddings of the
        two bundles mean different things.
        """
        enrols = open_bundle(self.bundle, prefer=prefer) if self.bundle else listens
        if not comparable(listens, enrols):
            raise UsageError(
                f"Embeddings of {listens.name} ({in_words(listens)}) and {enrols.name} ({in_words(enrols)}) cannot be "
                "compared",
                "Name an --enrol-bundle whose card names the same space.",
            )
        version = str(enrols.card["version"])
        account = Account(enrols.name, version, enrols.encoder, enrols.space, self.views, self.seed)
        embedder = Embedder(enrols, audio, cache=cache, runtime=enrols.runtime)
        if not self.views:
            return Enroller(embedder, account)
        augmenter = make_augmenter(audio.root, recordings, lists)
        return Enroller(Views(embedder, audio, augmenter, views=self.views, seed=self.seed), account)
