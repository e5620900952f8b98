"""An opened bundle.

Takes: a name or a path. Gives: ``Bundle``: vectors from samples, and the card.
Must hold: everything that can be wrong with a bundle is found when it is opened, not when somebody speaks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from edge.bundle.card import Card
from edge.bundle.embedding import EmbeddingStream, Machinery, Statistics, Timings
from edge.bundle.files import load_npy, load_npz, read_bundle
from edge.bundle.heads import Head
from edge.bundle.label_card import KINDS, Trunk
from edge.bundle.labels import Labels
from edge.bundle.locate import asked_of, locate, vouched_for
from edge.bundle.packs import Pack, open_pack, standing_on
from edge.errors import BundleError
from edge.features import FrontEnd
from edge.records import Embedding, FeatureSpec, Float32, LabelAnswer, LabelKind
from edge.runtime import Network, Preference
from edge.settings import Models

_AGAIN = "Get the bundle again, or make it again."


def open_bundle(
    name: str | Path,
    models: Models | None = None,
    *,
    prefer: Preference = "auto",
    directories: Sequence[Path] | None = None,
) -> Bundle:
    """Open an installed bundle by name, or one by the path of its folder or ``.earmark`` file.

    ``models``: threads and kernels to use, packs of label heads to put on, and the keys one of which must have signed
    them. ``prefer``: which interpreter, as for ``runtime.Network``. ``directories``: where to look for names, as for
    ``installed_bundles``. Raises ``BundleError`` for a bundle or a pack that is missing, corrupt, not computable here
    or not signed by a trusted key and for a pack that was made for another encoder, and ``RuntimeMissingError`` where
    its network has no interpreter.
    """
    path = locate(name, directories)
    models = models or Models()
    packs = [open_pack(one, directories, models.trusted_keys) for one in models.packs]
    try:
        card, contents = read_bundle(path, asked_of(path, models.trusted_keys))
        bundle = Bundle(
            path,
            card,
            contents,
            threads=models.threads,
            reference=models.reference_kernels,
            prefer=prefer,
            doubt=not vouched_for(path, models.trusted_keys),
        )
    except BundleError as error:
        if str(path) in error.cause:
            raise
        raise BundleError(f"the bundle {path}: {error.cause}", error.remedy) from error
    bundle.put_on(packs)
    return bundle


class Bundle:
    """Verified models and their card; made by ``open_bundle``. Threads may share it, each with its own streams.

    ``path``, ``name``: where it came from and how it calls itself. ``card``: the parsed card.json. ``spec``: its
    features.
    ``encoder``: the hash that voiceprints are bound to. ``space``: the embedding space that the card names, empty where
    it names none; voiceprints of all bundles with one space may be compared. ``dim``: length of its vectors.
    ``calibration``: the card's, as it stands there, empty where there is none. ``cohort``: float32 (n, dim), n may be
    0. ``runtime``: the interpreter's name. ``trunk``: what label heads are bound to. ``packs``: those put on.
    """

    def __init__(
        self,
        path: Path,
        card: Card,
        contents: Mapping[str, bytes],
        *,
        threads: int = 1,
        reference: bool = False,
        prefer: Preference = "auto",
        doubt: bool = False,
    ) -> None:
        self.path = path
        self.name = card.name
        self.card: Mapping[str, Any] = card.raw
        self.spec: FeatureSpec = card.spec
        self.encoder = card.encoder
        self.space = card.space
        self.trunk: Trunk = card.trunk
        self.packs: tuple[Pack, ...] = ()
        self.dim = card.dim
        self.window_frames = card.window_frames
        self.calibration: Mapping[str, Any] = card.raw.get("calibration") or {}
        front_end = FrontEnd(card.spec)
        network: Network | None = None
        if card.encoder_file is not None:
            network = Network(
                contents[card.encoder_file], threads=threads, reference=reference, prefer=prefer, doubt=doubt
            )
        self.network = network
        self.runtime = network.runtime if network is not None else "numpy (no network)"
        channels, label_channels = _channels(card, network)
        self._width = 2 * label_channels
        self.cohort = _cohort(card, contents)
        self._machinery = Machinery(
            encoder=card.encoder,
            space=card.space,
            front_end=front_end,
            frames_of=_identity if network is None else _Frames(network),
            fixed=network is not None,
            window_frames=card.window_frames,
            head=Head.from_arrays(load_npz(contents[card.head_file], card.head_file), channels, card.dim),
            labels={
                kind: Labels.from_arrays(load_npz(contents[head.file], head.file), head, self._width)
                for kind, head in card.labels.items()
            },
        )

    def __repr__(self) -> str:
        return f"Bundle({self.name!r}, encoder {self.encoder}, {self.runtime})"

    def stream(self, timings: Timings | None = None) -> EmbeddingStream:
        """A stream for one utterance: ``push`` samples as they come, then ``finish``; equal to ``analyse`` of the
        whole.
        """
        return EmbeddingStream(self._machinery, timings)

    def analyse(self, samples: Float32, timings: Timings | None = None) -> Embedding:
        """The embedding of an utterance with its windows and speech probability.

        ``samples``: float32 ``(n,)``, 16 kHz mono, full scale 1.0, at least 0.5 s. ``timings``: CPU time is added to
        it.
        Raises ``AudioRejectedError`` (``too_short``), and ``UsageError`` for what is no audio.
        """
        stream = self.stream(timings)
        stream.push(samples)
        return stream.finish()

    def embed(self, samples: Float32) -> Float32:
        """The unit-norm float32 ``(dim,)`` vector of an utterance; samples and errors as for ``analyse``."""
        return self.analyse(samples).vector

    def statistics(self, samples: Float32) -> Statistics:
        """What label heads look at: pooled vectors and weights; samples and errors as for ``analyse``."""
        return self._finished(samples).statistics()

    def gender(self, samples: Float32) -> dict[str, float] | None:
        """How a voice is perceived: label -> probability, or None where there is no such head; samples and errors as
        for ``analyse``.
        """
        return self._probabilities("gender", samples)

    def emotion(self, samples: Float32) -> dict[str, float] | None:
        """As ``gender``, for emotion. Under ``unsure`` stand the emotions that are published as none of the labels,
        where the head knows such.
        """
        return self._probabilities("emotion", samples)

    def answer(
        self,
        kind: LabelKind,
        samples: Float32,
        *,
        speech_seconds: float | None = None,
        snr_db: float | None = None,
    ) -> LabelAnswer | None:
        """What the head ``kind`` says, which may be ``unsure``; None where there is no such head.

        ``speech_seconds``, ``snr_db``: as the segmenter measured them; where they are not given, speech counts as long
        as the samples are, and noise as no obstacle.
        """
        if kind not in self._machinery.labels:
            return None
        return self._finished(samples).answer(kind, speech_seconds=speech_seconds, snr_db=snr_db)

    @property
    def heads(self) -> tuple[LabelKind, ...]:
        """Which of ``gender`` and ``emotion`` the bundle with its packs can tell."""
        return tuple(kind for kind in KINDS if kind in self._machinery.labels)

    def options(self, kind: LabelKind) -> tuple[str, ...]:
        """Every answer that the head ``kind`` can give, ``unsure`` last; none where there is no such head."""
        found = self._machinery.labels.get(kind)
        return found.head.options if found else ()

    def put_on(self, packs: Sequence[Pack]) -> None:
        """Tell labels by the heads of ``packs``, instead of those of the bundle where it has such. For before use.

        Raises ``BundleError`` for a pack that was made for another encoder, and for two that tell the same.
        """
        found = standing_on(packs, self.name, self.trunk, self._width)
        self._machinery = replace(self._machinery, labels={**self._machinery.labels, **found})
        self.packs = tuple(packs)

    def _probabilities(self, kind: LabelKind, samples: Float32) -> dict[str, float] | None:
        return self._finished(samples).probabilities(kind) if kind in self._machinery.labels else None

    def _finished(self, samples: Float32) -> EmbeddingStream:
        stream = self.stream()
        stream.push(samples)
        stream.finish()
        return stream


class _Frames:
    """The network as a function from one window to its outputs, each float32 (frames, channels)."""

    def __init__(self, network: Network) -> None:
        self._network = network

    def __call__(self, window: Float32) -> tuple[Float32, ...]:
        return tuple(one.reshape(-1, one.shape[-1]) for one in self._network.all_outputs(window))


def _identity(window: Float32) -> tuple[Float32, ...]:
    return (window,)


def _channels(card: Card, network: Network | None) -> tuple[int, int]:
    """Channels of the first output, for embeddings, and of the last, for labels; all shapes checked with the card."""
    if network is None:
        return card.spec.coefficients, card.spec.coefficients
    wanted = (card.window_frames, card.spec.coefficients)
    if tuple(size for size in network.input_shape if size != 1) != tuple(size for size in wanted if size != 1):
        raise BundleError(f"its network takes {network.input_shape}, and the card says windows of {wanted}", _AGAIN)
    for shape in (output.shape for output in network.outputs):
        frames = [size for size in shape[:-1] if size != 1]
        if len(shape) < 2 or len(frames) != 1:
            raise BundleError(f"its network gives {shape}, and (1, frames, channels) is needed", _AGAIN)
    return network.outputs[0].shape[-1], network.outputs[-1].shape[-1]


def _cohort(card: Card, contents: Mapping[str, bytes]) -> Float32:
    if card.cohort_file is None:
        return np.zeros((0, card.dim), np.float32)
    cohort = load_npy(contents[card.cohort_file], card.cohort_file)
    if cohort.ndim != 2 or cohort.shape[1] != card.dim:
        raise BundleError(f"its cohort has the shape {cohort.shape}, and (speakers, {card.dim}) is needed", _AGAIN)
    if len(cohort) and np.abs(np.linalg.norm(cohort, axis=1) - 1).max() > 1e-3:
        raise BundleError("its cohort holds vectors that are not of length 1", _AGAIN)
    return cohort
