"""The card of a bundle: what it is, what it was made from, and what files belong to it.

Takes: the bytes of ``card.json``. Gives: ``Card``.
Must hold: a card that is incomplete, of an unknown schema or self-contradictory is refused with a sentence that names
the key. The form is described in docs/architecture.md, "What a bundle is".
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Any, Final, Literal

from edge.bundle import keys
from edge.bundle.keys import refuse
from edge.bundle.label_card import PACK_KIND, Heads, Trunk, parse_heads
from edge.errors import BundleError
from edge.records import FeatureSpec

_SPACE: Final = re.compile(r"[a-z0-9][a-z0-9._]*-([1-9][0-9]{0,3})/[1-9][0-9]{0,3}")

_LEAST_WINDOW_FRAMES: Final = 10
_MOST_WINDOW_FRAMES: Final = 3000
_MOST_DIMENSIONS: Final = 4096
_LARGEST: Final = 1e30
"""Magnitude of a number in a card; what is computed with it is float32."""


@dataclass(frozen=True, slots=True, eq=False)
class Card:
    """A checked ``card.json``. ``raw``: all of it. ``encoder_file`` is None for the kind ``statistics``.

    ``space``: name of the embedding space (``campplus-192/1``), empty where the encoder is alone in its own; embeddings
    of bundles with one space may be compared. ``files``: file name -> SHA-256 in hex. ``labels``: ``gender`` and
    ``emotion``, where the bundle has such heads.
    """

    raw: Mapping[str, Any]
    name: str
    kind: Literal["network", "statistics"]
    spec: FeatureSpec
    encoder_file: str | None
    window_frames: int
    head_file: str
    dim: int
    space: str
    cohort_file: str | None
    labels: Heads
    files: Mapping[str, str]

    @property
    def encoder(self) -> str:
        """The hash that names the encoder; voiceprints are bound to it, or to ``space`` where the card names one."""
        model = self.files[self.encoder_file] if self.encoder_file else ""
        return encoder_hash(self.spec, model, self.files[self.head_file])

    @property
    def trunk(self) -> Trunk:
        """What makes the frame features; label heads are bound to it."""
        model = self.files[self.encoder_file] if self.encoder_file else None
        return Trunk(self.name, model, self.spec.fingerprint(), self.window_frames)


def encoder_hash(spec: FeatureSpec, encoder_sha256: str, head_sha256: str) -> str:
    """First 16 hex digits of SHA-256 over the sorted JSON of the feature spec and the hashes of encoder and head files.

    ``encoder_sha256`` is empty for the kind ``statistics``.
    """
    parts = {"features": spec.to_json(), "encoder": encoder_sha256, "head": head_sha256}
    return hashlib.sha256(json.dumps(parts, sort_keys=True, separators=(",", ":")).encode()).hexdigest()[:16]


def fingerprint(card: Mapping[str, Any]) -> str:
    """First 16 hex digits of SHA-256 over the sorted JSON of a card. The card holds the hash of every file, so bundles
    with one fingerprint are the same.
    """
    return hashlib.sha256(json.dumps(card, sort_keys=True, separators=(",", ":")).encode()).hexdigest()[:16]


def spec_from_json(raw: Any) -> FeatureSpec:
    """A ``FeatureSpec`` from the form that ``FeatureSpec.to_json`` gives.

    Raises ``BundleError`` for a key that is missing, unknown or of the wrong type: a default would be a guess.
    """
    if not isinstance(raw, Mapping):
        raise refuse("features must be an object")
    known = {item.name: item for item in fields(FeatureSpec)}
    unknown, absent = sorted(set(raw) - set(known)), sorted(set(known) - set(raw))
    if unknown:
        raise refuse(f"features.{unknown[0]} is not known to this program")
    if absent:
        raise refuse(f"features.{absent[0]} is missing")
    values: dict[str, Any] = {}
    for name, item in known.items():
        assert item.default is not MISSING
        values[name] = _as(f"features.{name}", raw[name], type(item.default))
    return FeatureSpec(**values)


def parse_card(data: bytes) -> Card:
    """Check the bytes of a ``card.json``. Raises ``BundleError`` that names the first faulty key."""
    raw = keys.parse_object(data)
    name = keys.common(raw)
    kind = raw.get("kind")
    if kind == PACK_KIND:
        raise BundleError(
            f"{name} is a pack of label heads, which needs a bundle to stand on", f"Name it in models.packs: [{name}]."
        )
    if kind not in ("network", "statistics"):
        raise refuse(f"kind must be network or statistics, not {kind!r}")
    files = keys.files_of(raw)
    encoder = keys.object_of(raw, "encoder")
    model = encoder.get("file")
    if (model is None) != (kind == "statistics"):
        raise refuse(f"encoder.file must {'be absent' if model is not None else 'be given'} for the kind {kind}")
    dim = keys.count(encoder, "embedding_dim", 1, _MOST_DIMENSIONS)
    cohort = keys.object_of(raw, "cohort") if raw.get("cohort") is not None else None
    if raw.get("calibration") is not None:
        keys.object_of(raw, "calibration")
    return Card(
        raw=raw,
        name=name,
        kind=kind,
        spec=spec_from_json(raw.get("features")),
        encoder_file=None if model is None else keys.listed(files, model, "encoder.file"),
        window_frames=keys.count(encoder, "window_frames", _LEAST_WINDOW_FRAMES, _MOST_WINDOW_FRAMES),
        head_file=keys.listed(files, encoder.get("head"), "encoder.head"),
        dim=dim,
        space=_space(raw, dim),
        cohort_file=None if cohort is None else keys.listed(files, cohort.get("file"), "cohort.file"),
        labels=parse_heads(raw, files),
        files=files,
    )


def _space(raw: Mapping[str, Any], dim: int) -> str:
    """The dimensions are part of the name, so that vectors of two lengths never meet in one space."""
    value = raw.get("space")
    if value is None:
        return ""
    found = _SPACE.fullmatch(value) if isinstance(value, str) and len(value) <= 64 else None
    if found is None or int(found[1]) != dim:
        raise refuse(f"space must read NAME-{dim}/VERSION with the dimensions of the encoder, not {str(value)[:64]!r}")
    return str(value)


def _as(key: str, value: Any, kind: type) -> Any:
    """``value`` as ``kind``, where that loses nothing: 25 is fine for 25.0, True is not fine for 1."""
    if kind is tuple and isinstance(value, list):
        return tuple(_as(key, one, float) for one in value)
    # A whole number of any size, and 1e999, are JSON.
    number = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= _LARGEST
    if kind is float and number:
        return float(value)
    if isinstance(value, kind) and (number or kind is str):
        return value
    words = {int: "a whole number", float: "a number", str: "a text", tuple: "a list of numbers"}
    raise refuse(f"{key} must be {words[kind]}, not {str(value)[:40]!r}")
