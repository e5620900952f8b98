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

from edge.errors import BundleError
from edge.records import FeatureSpec

SCHEMA: Final = 1
CARD_NAME: Final = "card.json"

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
FILE_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}")
_SPACE: Final = re.compile(r"[a-z0-9][a-z0-9._]*-([1-9][0-9]{0,3})/[1-9][0-9]{0,3}")
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_TEXTS: Final = ("version", "summary", "licence", "intended_use", "must_not_be_used_for")
_REMEDY: Final = "Get the bundle again, or make it again with this version of Earmark."

_LEAST_WINDOW_FRAMES: Final = 10
_MOST_WINDOW_FRAMES: Final = 3000
_MOST_DIMENSIONS: Final = 4096


@dataclass(frozen=True, slots=True)
class LabelHead:
    """A head that tells one of several labels: ``kernel`` and ``bias`` in ``file``, one column per label."""

    file: str
    labels: tuple[str, ...]


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
    labels: Mapping[str, LabelHead]
    files: Mapping[str, str]

    @property
    def encoder(self) -> str:
        """The hash that names the encoder; voiceprints are bound to it, or to ``space`` where the card names one."""
        model = self.files[self.encoder_file] if self.encoder_file else ""
        return encoder_hash(self.spec, model, self.files[self.head_file])


def encoder_hash(spec: FeatureSpec, encoder_sha256: str, head_sha256: str) -> str:
    """First 16 hex digits of SHA-256 over the sorted JSON of the feature spec and the hashes of encoder and head files.

    ``encoder_sha256`` is empty for the kind ``statistics``.
    """
    parts = {"features": spec.to_json(), "encoder": encoder_sha256, "head": head_sha256}
    return hashlib.sha256(json.dumps(parts, sort_keys=True, separators=(",", ":")).encode()).hexdigest()[:16]


def spec_from_json(raw: Any) -> FeatureSpec:
    """A ``FeatureSpec`` from the form that ``FeatureSpec.to_json`` gives.

    Raises ``BundleError`` for a key that is missing, unknown or of the wrong type: a default would be a guess.
    """
    if not isinstance(raw, Mapping):
        raise _refuse("features must be an object")
    known = {item.name: item for item in fields(FeatureSpec)}
    unknown, absent = sorted(set(raw) - set(known)), sorted(set(known) - set(raw))
    if unknown:
        raise _refuse(f"features.{unknown[0]} is not known to this program")
    if absent:
        raise _refuse(f"features.{absent[0]} is missing")
    values: dict[str, Any] = {}
    for name, item in known.items():
        assert item.default is not MISSING
        values[name] = _as(f"features.{name}", raw[name], type(item.default))
    return FeatureSpec(**values)


def parse_card(data: bytes) -> Card:
    """Check the bytes of a ``card.json``. Raises ``BundleError`` that names the first faulty key."""
    raw = _json(data)
    schema = raw.get("schema")
    if schema != SCHEMA or isinstance(schema, bool):
        raise BundleError(
            f"its card has schema {schema!r}, and this program knows {SCHEMA}",
            "Update Earmark, or get a bundle made for this version.",
        )
    name = _text(raw, "name")
    if not _NAME.fullmatch(name):
        raise _refuse(f"name {name!r} must be lower-case letters, digits, dots, _ and -")
    for key in _TEXTS:
        _text(raw, key)
    attribution = raw.get("attribution")
    if not isinstance(attribution, list) or not all(
        isinstance(one, Mapping) and {"what", "licence", "source"} <= set(one) for one in attribution
    ):
        raise _refuse("attribution must list objects with what, licence and source")
    kind = raw.get("kind")
    if kind not in ("network", "statistics"):
        raise _refuse(f"kind must be network or statistics, not {kind!r}")
    files = _files(raw)
    encoder = _object(raw, "encoder")
    model = encoder.get("file")
    if (model is None) != (kind == "statistics"):
        raise _refuse(f"encoder.file must {'be absent' if model is not None else 'be given'} for the kind {kind}")
    dim = _count(encoder, "embedding_dim", 1, _MOST_DIMENSIONS)
    cohort = _object(raw, "cohort") if raw.get("cohort") is not None else None
    if raw.get("calibration") is not None:
        _object(raw, "calibration")
    return Card(
        raw=raw,
        name=name,
        kind=kind,
        spec=spec_from_json(raw.get("features")),
        encoder_file=None if model is None else _listed(files, model, "encoder.file"),
        window_frames=_count(encoder, "window_frames", _LEAST_WINDOW_FRAMES, _MOST_WINDOW_FRAMES),
        head_file=_listed(files, encoder.get("head"), "encoder.head"),
        dim=dim,
        space=_space(raw, dim),
        cohort_file=None if cohort is None else _listed(files, cohort.get("file"), "cohort.file"),
        labels=_labels(raw, files),
        files=files,
    )


def _json(data: bytes) -> dict[str, Any]:
    def constant(word: str) -> Any:
        raise ValueError(f"{word} is not allowed")

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(items)
        if len(found) != len(items):
            raise ValueError("a key stands twice")
        return found

    try:
        raw = json.loads(data.decode("utf-8"), parse_constant=constant, object_pairs_hook=pairs)
    except (ValueError, RecursionError) as error:
        raise _refuse(f"is not valid JSON ({' '.join(str(error).split())[:120]})") from error
    if not isinstance(raw, dict):
        raise _refuse("must be an object")
    return raw


def _refuse(what: str) -> BundleError:
    return BundleError(f"its card: {what}", _REMEDY)


def _text(raw: Mapping[str, Any], key: str) -> str:
    """A text, or for descriptions also a list of texts."""
    value = raw.get(key)
    texts = value if isinstance(value, list) and key != "name" else [value]
    if not texts or not all(isinstance(one, str) and one for one in texts):
        raise _refuse(f"{key} must be a text that is not empty")
    return str(texts[0])


def _object(raw: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = raw.get(key)
    if not isinstance(value, Mapping):
        raise _refuse(f"{key} must be an object")
    return value


def _count(raw: Mapping[str, Any], key: str, least: int, most: int) -> int:
    value = raw.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise _refuse(f"encoder.{key} must be a whole number from {least} to {most}")
    return value


def _space(raw: Mapping[str, Any], dim: int) -> str:
    """The dimensions are part of the name, so that vectors of two lengths never meet in one space."""
    value = raw.get("space")
    if value is None:
        return ""
    found = _SPACE.fullmatch(value) if isinstance(value, str) and len(value) <= 64 else None
    if found is None or int(found[1]) != dim:
        raise _refuse(f"space must read NAME-{dim}/VERSION with the dimensions of the encoder, not {str(value)[:64]!r}")
    return str(value)


def _files(raw: Mapping[str, Any]) -> dict[str, str]:
    files = _object(raw, "files")
    for name, digest in files.items():
        if not FILE_NAME.fullmatch(name) or name == CARD_NAME:
            raise _refuse(f"files has the name {name!r}, which is not that of a plain file in the bundle")
        if not isinstance(digest, str) or not _SHA256.fullmatch(digest):
            raise _refuse(f"files.{name} must be a SHA-256 in lower-case hex")
    return dict(files)


def _listed(files: Mapping[str, str], name: Any, key: str) -> str:
    if not isinstance(name, str) or name not in files:
        raise _refuse(f"{key} must be one of the names under files, not {name!r}")
    return name


def _labels(raw: Mapping[str, Any], files: Mapping[str, str]) -> dict[str, LabelHead]:
    found = {}
    for kind, head in (_object(raw, "heads") if raw.get("heads") is not None else {}).items():
        if kind not in ("gender", "emotion") or not isinstance(head, Mapping):
            raise _refuse(f"heads.{kind} is not known; there are gender and emotion")
        labels = head.get("labels")
        if not isinstance(labels, list) or not all(isinstance(one, str) for one in labels) or len(set(labels)) < 2:
            raise _refuse(f"heads.{kind}.labels must list at least two different labels")
        found[kind] = LabelHead(_listed(files, head.get("file"), f"heads.{kind}.file"), tuple(labels))
    return found


def _as(key: str, value: Any, kind: type) -> Any:
    """``value`` as ``kind``, where that loses nothing: 25 is fine for 25.0, True is not fine for 1."""
    if kind is tuple and isinstance(value, list):
        return tuple(_as(key, one, float) for one in value)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, kind) and not (kind is int and isinstance(value, bool)):
        return value
    words = {int: "a whole number", float: "a number", str: "a text", tuple: "a list of numbers"}
    raise _refuse(f"{key} must be {words[kind]}, not {str(value)[:40]!r}")
