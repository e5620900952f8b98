"""Whom to compare: bundles, known peers, and any function from samples to a vector.

Takes a text such as ``accurate``, ``resemblyzer``, ``ecapa:FILE`` or ``python:MODULE:FACTORY``, with ``NAME=`` before
it where people are to read another name. Gives a ``Contender``.

Must hold: a peer that is not installed is an ``ExtraMissingError`` that names the package; a peer's hash changes with
what it computes, so that cached embeddings are never another encoder's.
"""

from __future__ import annotations

import hashlib
import importlib
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

import numpy as np

from edge.errors import ExtraMissingError, UsageError
from edge.records import SAMPLE_RATE, Embedding, Float32
from edge.scoring import Scorer
from training.compare_cost import one_thread
from training.embeddings import Encoder

FORMS: Final = (
    "the name or path of a bundle, resemblyzer, ecapa, ecapa:CHECKPOINT, campp:CHECKPOINT, trained:FOLDER of `earmark "
    "train`, or python:MODULE:FACTORY"
)

Encode = Callable[[Float32], Any]
"""From float32 ``(n,)`` mono 16 kHz samples to a vector. May have the attributes ``parameters`` (a count) and
``megabytes`` (10^6 bytes)."""


@dataclass(frozen=True, slots=True, eq=False)
class Contender:
    """One row to be. ``kind``: ``bundle`` or ``peer``. ``scorer``: with calibration, else None.

    ``runtime``: what interprets the network, "" for peers. ``parameters``, ``megabytes`` (10^6 bytes of files or
    weights): None where unknown.
    """

    name: str
    kind: str
    encoder: Encoder
    scorer: Scorer | None = None
    runtime: str = ""
    parameters: int | None = None
    megabytes: float | None = None


class Peer:
    """A function from samples to a vector, as an ``Encoder``."""

    def __init__(self, name: str, encode: Encode, identity: str = "") -> None:
        """``identity``: what else names it, such as a version. Raises ``UsageError`` where it gives no vector."""
        self.name = name
        self._encode = encode
        seconds = np.arange(SAMPLE_RATE) / SAMPLE_RATE
        probe = 0.1 * np.sin(2 * np.pi * (150 + 900 * seconds) * seconds) * (1 + np.sin(2 * np.pi * 4 * seconds))
        # The answer to a fixed sound stands for the weights: a function says nothing else about what it is.
        answer = self._vector(probe.astype(np.float32))
        self.encoder = hashlib.sha256(f"{identity} ".encode() + answer.tobytes()).hexdigest()[:16]

    def analyse(self, samples: Float32) -> Embedding:
        """Embed float32 mono 16 kHz samples. Raises ``UsageError`` where the peer gives no vector."""
        vector = self._vector(samples)
        return Embedding(vector, vector[np.newaxis], len(samples) / SAMPLE_RATE, self.encoder)

    def _vector(self, samples: Float32) -> Float32:
        vector = np.asarray(self._encode(samples), np.float32).ravel()
        norm = float(np.linalg.norm(vector))
        if not vector.size or not np.isfinite(norm) or norm == 0.0:
            raise UsageError(
                f"{self.name} gave no usable vector for {len(samples) / SAMPLE_RATE:.2f} s of audio",
                "It must give finite numbers, not all zero.",
            )
        return np.asarray(vector / norm, np.float32)


def open_contender(text: str, *, runtime: Any = "auto") -> Contender:
    """Open what a text names; ``runtime``: the interpreter for bundles.

    Raises ``ExtraMissingError`` for a peer whose package is not installed, ``UsageError`` for a text or peer that
    cannot be used, ``BundleError`` for a bundle that cannot.
    """
    label = re.fullmatch(r"([\w.+-]+)=(.+)", text)
    name, what = (label[1], label[2]) if label and not Path(text).exists() else (text, text)
    kind, _, rest = what.partition(":")
    if Path(what).exists() or kind not in _PEERS:
        return _bundle(name if name != what else None, what, runtime)
    if name == what and "/" in rest:
        name = f"{kind}:{Path(rest).name}"  # a column of a table is no place for a path
    try:
        peer = _PEERS[kind](name, rest)
    except ModuleNotFoundError as error:
        missing = str(error.name).partition(".")[0]
        raise ExtraMissingError(
            f"{name} is left out: the package {missing} is not installed",
            f"pip install {missing}",
        ) from error
    one_thread()  # again: a library that came in with the peer may only listen now
    return peer


def _bundle(name: str | None, what: str, runtime: Any) -> Contender:
    from edge.bundle import open_bundle
    from edge.scoring import Calibration

    bundle = open_bundle(what, prefer=runtime)
    files = [bundle.path / file for file in bundle.card["files"]] if bundle.path.is_dir() else [bundle.path]
    scorer = Scorer(Calibration.from_json(bundle.calibration), bundle.cohort) if bundle.calibration else None
    return Contender(
        name=name or (bundle.name if what == bundle.name else Path(what).name),
        kind="bundle",
        encoder=bundle,
        scorer=scorer,
        runtime=bundle.runtime,
        megabytes=sum(file.stat().st_size for file in files) / 1e6,
    )


def _peer(name: str, encode: Encode, identity: str) -> Contender:
    parameters, megabytes = getattr(encode, "parameters", None), getattr(encode, "megabytes", None)
    return Contender(name, "peer", Peer(name, encode, identity), parameters=parameters, megabytes=megabytes)


def _python(name: str, rest: str) -> Contender:
    """What ``FACTORY()`` of ``MODULE`` gives; modules in the current folder are found too."""
    module, _, factory = rest.partition(":")
    if not (module and factory):
        raise UsageError(f"{name} names no module and factory", "Write python:MODULE:FACTORY.")
    if str(Path.cwd()) not in sys.path:
        sys.path.append(str(Path.cwd()))  # last, so that nothing there hides an installed module
    try:
        make = getattr(importlib.import_module(module), factory)
    except ModuleNotFoundError as error:
        if error.name != module:
            raise
        raise UsageError(
            f"There is no module {module}", "Run the command in its folder, or put that folder on PYTHONPATH."
        ) from error
    except AttributeError:
        raise UsageError(f"The module {module} has no {factory}", "Name a function that gives an encoder.") from None
    encode = make()
    if not callable(encode):
        raise UsageError(f"{factory}() of {module} gives nothing that can be called", "See docs/evaluation.md.")
    return _peer(name, encode, rest)


def _resemblyzer(name: str, rest: str) -> Contender:
    """As its users call it: its own loudness and silence rules, its own partial utterances."""
    package = importlib.import_module("resemblyzer")
    voice = package.VoiceEncoder("cpu", verbose=False)

    def encode(samples: Float32) -> Any:
        trimmed = package.preprocess_wav(samples, source_sr=SAMPLE_RATE)
        # Its silence detector may leave nothing of a soft word.
        return voice.embed_utterance(trimmed if len(trimmed) >= SAMPLE_RATE // 10 else samples)

    return _torch(_peer(name, encode, f"resemblyzer {_version('resemblyzer')}"), voice)


def _ecapa(name: str, rest: str) -> Contender:
    """A checkpoint through Earmark's own network, else the package speechbrain, which fetches its weights itself."""
    if rest:
        return _teacher(name, f"ecapa:{rest}")
    package = importlib.import_module("speechbrain.inference.speaker")
    torch = importlib.import_module("torch")
    model = package.EncoderClassifier.from_hparams("speechbrain/spkrec-ecapa-voxceleb", run_opts={"device": "cpu"})

    def encode(samples: Float32) -> Any:
        with torch.no_grad():
            return model.encode_batch(torch.from_numpy(samples)[None]).squeeze().numpy()

    return _torch(_peer(name, encode, f"speechbrain {_version('speechbrain')}"), model)


def _campp(name: str, rest: str) -> Contender:
    return _teacher(name, f"campp:{rest}")


def _trained(name: str, rest: str) -> Contender:
    """The float network of a training."""
    from training.students import Student

    return _peer(name, Student(Path(rest)), "trained")


def _teacher(name: str, spec: str) -> Contender:
    from training.teachers.plugin import teacher

    found = teacher(spec)
    return _peer(name, found, found.digest)


def _torch(contender: Contender, model: Any) -> Contender:
    """Fill in what a PyTorch module knows about its size."""
    weights = list(model.parameters())
    return Contender(
        contender.name,
        contender.kind,
        contender.encoder,
        parameters=sum(int(one.numel()) for one in weights),
        megabytes=sum(one.numel() * one.element_size() for one in weights) / 1e6,
    )


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


_PEERS: Final[Mapping[str, Callable[[str, str], Contender]]] = {
    "python": _python,
    "resemblyzer": _resemblyzer,
    "ecapa": _ecapa,
    "campp": _campp,
    "trained": _trained,
}
