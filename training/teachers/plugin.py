"""Teachers: whatever turns audio into the embedding that a student shall learn.

Takes a text such as ``campp:FILE``, ``ecapa:FILE``, ``bundle:NAME`` or ``python:MODULE:FACTORY``. Gives a ``Teacher``.
Must hold: a teacher's digest changes with its weights, its front-end and the rules that cut audio into windows, so
that cached outputs (``outputs.py``) can't be those of another teacher; Keras is imported only by teachers that need it.
"""

from __future__ import annotations

import contextlib
import difflib
import hashlib
import importlib
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol, cast

import numpy as np

from edge.bundle import open_bundle
from edge.bundle.embedding import EmbeddingStream, Machinery, checked
from edge.bundle.heads import Head, unit
from edge.errors import AudioRejectedError, ExtraMissingError, UsageError
from edge.features import FrontEnd
from edge.records import SAMPLE_RATE, FeatureSpec, Float32
from training.teachers.checkpoint import read_checkpoint
from training.windows import WINDOW_FRAMES

LEAST_SAMPLES: Final = SAMPLE_RATE // 2
"""Half a second: what the device embeds at least. Shorter audio is repeated up to it, as in ``earmark evaluate``."""

CAMPP_FEATURES: Final = FeatureSpec(n_ceps=0)
"""CAM++ runs behind the device's own log-mel energies (``docs/encoder.md``)."""

FORMS: Final = "campp:CHECKPOINT, ecapa:CHECKPOINT, bundle:NAME_OR_PATH or python:MODULE:FACTORY"


class Teacher(Protocol):
    """What a student learns from. Plain attributes will do for the properties."""

    @property
    def name(self) -> str:
        """What people call it; shown in progress and reports."""

    @property
    def digest(self) -> str:
        """Names its cached outputs: a hash over everything that they depend on. Letters, digits, ``-`` and ``_``."""

    @property
    def dimensions(self) -> int:
        """Length of its embeddings."""

    def __call__(self, samples: Float32) -> Float32:
        """Unit-norm float32 ``(dimensions,)`` of float32 ``(n,)`` mono audio at 16 kHz, full scale 1.0."""


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """A teacher that comes with Earmark. ``embed``: from at least ``LEAST_SAMPLES`` checked samples, any norm."""

    name: str
    digest: str
    dimensions: int
    embed: Callable[[Float32], Float32]

    def __call__(self, samples: Float32) -> Float32:
        """The unit-norm embedding. Raises ``UsageError`` for what is no audio, ``AudioRejectedError`` for none."""
        return unit(self.embed(long_enough(checked(samples))))


def teacher(spec: str) -> Teacher:
    """The teacher that ``spec`` asks for, ready to listen.

    Raises ``UsageError`` for a spec or checkpoint that can't be used, ``BundleError`` for such a bundle and
    ``ExtraMissingError`` where Keras is needed and missing.
    """
    kind, _, rest = spec.partition(":")
    make = _KINDS.get(kind)
    if make is None:
        near = difflib.get_close_matches(kind, _KINDS, n=1)
        hint = f"Did you mean {near[0]}? " if near else ""
        raise UsageError(f"There is no kind of teacher {kind!r}", f"{hint}Write {FORMS}.")
    if not rest:
        raise UsageError(f"The teacher {spec!r} says only its kind", f"Write {FORMS}.")
    return make(rest)


def long_enough(samples: Float32) -> Float32:
    """``samples``, repeated up to half a second where they are shorter. Raises ``AudioRejectedError`` for none."""
    if not len(samples):
        raise AudioRejectedError("too_short", "A teacher was given no audio at all", "Leave empty clips out.")
    if len(samples) >= LEAST_SAMPLES:
        return samples
    return np.asarray(samples[np.arange(LEAST_SAMPLES) % len(samples)], np.float32)


def _campp(path: str) -> Teacher:
    """Windows, repetition and averaging are the device's own code; only the network is Keras."""
    weights, contents = _checkpoint(path, "campp")
    with _needing_keras("campp"):
        from training.teachers.campp import campp_head, campp_trunk
    trunk, head = campp_trunk(weights, WINDOW_FRAMES), campp_head(weights)

    def frames_of(window: Float32) -> tuple[Float32, ...]:
        return (np.asarray(trunk.predict_on_batch(window[np.newaxis, :, :, np.newaxis])[0], np.float32),)

    machinery = Machinery(
        encoder="campp",
        front_end=FrontEnd(CAMPP_FEATURES),
        frames_of=frames_of,
        fixed=True,
        window_frames=WINDOW_FRAMES,
        head=Head(head.kernel, head.bias, None, 0.0),
        labels={},
    )

    def embed(samples: Float32) -> Float32:
        stream = EmbeddingStream(machinery)
        stream.push(samples)
        return stream.finish().vector

    digest = _digest(kind="campp", weights=contents, features=CAMPP_FEATURES.to_json(), window_frames=WINDOW_FRAMES)
    return Known("CAM++", digest, len(head.bias), embed)


def _ecapa(path: str) -> Teacher:
    """The utterance as a whole, as the original hears it."""
    from training.teachers.ecapa_features import FRONT_END, ecapa_features

    weights, contents = _checkpoint(path, "ecapa")
    with _needing_keras("ecapa"):
        from training.teachers.ecapa import ecapa_network
    network = ecapa_network(weights)

    def embed(samples: Float32) -> Float32:
        return np.asarray(network.predict_on_batch(ecapa_features(samples)[np.newaxis])[0], np.float32)

    digest = _digest(kind="ecapa", weights=contents, features=FRONT_END, window_frames=None)
    return Known("ECAPA-TDNN", digest, int(network.output_shape[-1]), embed)


def _bundle(name: str) -> Teacher:
    """The int8 network of a bundle, through the interpreter of this machine."""
    bundle = open_bundle(name)
    digest = _digest(kind="bundle", encoder=bundle.encoder, runtime=bundle.runtime)
    return Known(f"bundle {bundle.name}", digest, bundle.dim, bundle.embed)


def _python(text: str) -> Teacher:
    """What ``FACTORY()`` of ``MODULE`` gives; modules in the current folder are found too."""
    module, _, factory = text.partition(":")
    if not (module and factory):
        raise UsageError(f"The teacher 'python:{text}' names no module and factory", "Write python:MODULE:FACTORY.")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)  # last, so that nothing there hides an installed module
    try:
        found = getattr(importlib.import_module(module), factory)
    except ModuleNotFoundError as error:
        missing = error.name or module
        itself = module == missing or module.startswith(f"{missing}.")
        remedy = "Run the command in its folder, or put that folder on PYTHONPATH" if itself else f"Install {missing}"
        raise UsageError(f"The teacher's module {module} needs {missing}, which is not found", f"{remedy}.") from error
    except AttributeError:
        raise UsageError(f"The module {module} has no {factory}", "Name a function that gives a teacher.") from None
    made = found() if callable(found) else found
    _check(made, f"python:{text}")
    return cast(Teacher, made)


def _check(made: Any, spec: str) -> None:
    """Raise ``UsageError`` for the first thing that ``made`` lacks of a ``Teacher``."""
    digest = getattr(made, "digest", None)
    tests: Mapping[str, bool] = {
        "cannot be called": callable(made),
        "has no name": isinstance(getattr(made, "name", None), str),
        "has no digest of letters, digits, - and _": isinstance(digest, str)
        and digest.isascii()
        and digest.replace("-", "").replace("_", "").isalnum(),
        "has no dimensions, a whole number above 0": isinstance(getattr(made, "dimensions", None), int)
        and made.dimensions > 0,
    }
    for lack, good in tests.items():
        if not good:
            raise UsageError(f"What {spec} gives is no teacher: it {lack}", "See docs/teachers.md for an example.")


_KINDS: Final[Mapping[str, Callable[[str], Teacher]]] = {
    "campp": _campp,
    "ecapa": _ecapa,
    "bundle": _bundle,
    "python": _python,
}


def _checkpoint(text: str, kind: str) -> tuple[dict[str, Any], str]:
    """The tensors in a file, and the SHA-256 of the file."""
    path = Path(text).expanduser()
    if not path.is_file():
        raise UsageError(
            f"There is no checkpoint at {path}", f"Write {kind}:CHECKPOINT; docs/teachers.md says where to get it."
        )
    with path.open("rb") as file:
        return read_checkpoint(path), hashlib.file_digest(file, "sha256").hexdigest()


@contextlib.contextmanager
def _needing_keras(kind: str) -> Iterator[None]:
    """Say how to install what the teacher ``kind`` imports."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise ExtraMissingError(
            f"The teacher {kind} needs {error.name}, which is not installed",
            "Install it with `pip install 'earmark[train]'`.",
        ) from error


def _digest(**parts: Any) -> str:
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
