"""What a card says about label heads, and the card of a pack that has nothing else.

Takes: the ``heads`` of a card; the bytes of a pack's ``card.json``. Gives: ``LabelHead``, ``PackCard``.
Must hold: what a head publishes, and when it abstains, stands in the card and is checked there; every trained class is
published once or given up as ``unsure``; a pack names the encoders that it was trained on. The form is described in
docs/architecture.md, "Label heads and packs".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, get_args

from edge.bundle import keys
from edge.bundle.keys import refuse
from edge.records import UNSURE, LabelKind

KINDS: Final[tuple[LabelKind, ...]] = get_args(LabelKind)
"""What can be told besides who it is."""

PACK_KIND: Final = "labels"
"""``kind`` in the card of a pack."""

_PUBLISHED: Final = {"gender": frozenset({"female", "male"})}
_LABEL: Final = re.compile(r"[a-z][a-z0-9_-]{0,31}")
_FINGERPRINT: Final = re.compile(r"[0-9a-f]{16}")
_HEAD_KEYS: Final = ("file", "labels", "publish", "unsure_below", "min_speech_seconds", "min_snr_db")
_TRUNK_KEYS: Final = ("bundle", "encoder", "features", "window_frames", "heads")


@dataclass(frozen=True, slots=True)
class LabelHead:
    """A head as its card describes it.

    ``file``: its arrays. ``classes``: what it was trained on, one per column. ``publish``: published label -> the
    classes whose probabilities it adds up; ``unsure`` holds the classes that are no label of their own.
    ``unsure_below``: least probability of a label that is told. ``min_speech_seconds``, ``min_snr_db``: below these
    nothing is told.
    """

    file: str
    classes: tuple[str, ...]
    publish: Mapping[str, tuple[str, ...]]
    unsure_below: float = 0.0
    min_speech_seconds: float = 0.0
    min_snr_db: float | None = None

    @property
    def options(self) -> tuple[str, ...]:
        """Every answer that it can give, ``unsure`` last."""
        return (*(label for label in self.publish if label != UNSURE), UNSURE)


Heads = Mapping[LabelKind, LabelHead]


@dataclass(frozen=True, slots=True)
class Trunk:
    """What frame features depend on; heads fit the trunk that they were trained on and no other.

    ``bundle``: name of a bundle that has it, for sentences. ``encoder``: SHA-256 of the encoder's file in hex, None
    without a network. ``features``: ``FeatureSpec.fingerprint()``. ``window_frames``: length of a window.
    """

    bundle: str
    encoder: str | None
    features: str
    window_frames: int

    def to_json(self) -> dict[str, Any]:
        """What the entry of a pack says besides its ``heads``."""
        return {
            "bundle": self.bundle,
            "encoder": self.encoder,
            "features": self.features,
            "window_frames": self.window_frames,
        }

    def difference(self, other: Trunk) -> str:
        """What keeps heads of this trunk from ``other``, empty where nothing does."""
        if self.encoder != other.encoder:
            return "the encoder is another network"
        if self.features != other.features:
            return "the features are computed in another way"
        if self.window_frames != other.window_frames:
            return f"its windows are {self.window_frames} frames and not {other.window_frames}"
        return ""


@dataclass(frozen=True, slots=True, eq=False)
class PackCard:
    """A checked card of a pack. ``raw``: all of it. ``trunks``: each with its heads by kind. ``files``: as in a
    bundle's card.
    """

    raw: Mapping[str, Any]
    name: str
    version: str
    licence: str
    trunks: tuple[tuple[Trunk, Heads], ...]
    files: Mapping[str, str]

    @property
    def kinds(self) -> tuple[LabelKind, ...]:
        """What it can tell, for one trunk or another."""
        return tuple(kind for kind in KINDS if any(kind in heads for _, heads in self.trunks))


def parse_pack(data: bytes) -> PackCard:
    """Check the bytes of a pack's ``card.json``. Raises ``BundleError`` that names the first faulty key."""
    raw = keys.parse_object(data)
    name = keys.common(raw)
    if raw.get("kind") != PACK_KIND:
        raise refuse(f"kind must be {PACK_KIND} for a pack of label heads, not {raw.get('kind')!r}")
    for key in ("training_data", "limits"):
        keys.text(raw, key)
    keys.object_of(raw, "figures")
    files = keys.files_of(raw)
    trunks = raw.get("trunks")
    if not isinstance(trunks, list) or not trunks:
        raise refuse("trunks must list the encoders that the heads were trained on")
    found = tuple(_trunk(one, files, f"trunks[{number}].") for number, one in enumerate(trunks))
    for number, (trunk, _) in enumerate(found):
        if any(not trunk.difference(other) for other, _ in found[:number]):
            raise refuse(f"trunks[{number}] is the encoder of another entry once more")
    return PackCard(raw, name, keys.text(raw, "version"), keys.text(raw, "licence"), found, files)


def _trunk(raw: Any, files: Mapping[str, str], where: str) -> tuple[Trunk, Heads]:
    if not isinstance(raw, Mapping):
        raise refuse(f"{where[:-1]} must be an object")
    _only(raw, _TRUNK_KEYS, where)
    bundle, encoder, features = raw.get("bundle"), raw.get("encoder"), raw.get("features")
    if not isinstance(bundle, str) or not bundle:
        raise refuse(f"{where}bundle must name the bundle that the heads were trained on")
    if "encoder" not in raw:
        raise refuse(f"{where}encoder must be the SHA-256 of the encoder's file, or null without a network")
    if not isinstance(features, str) or not _FINGERPRINT.fullmatch(features):
        raise refuse(f"{where}features must be the fingerprint of a feature spec: 16 hex digits")
    heads = parse_heads(raw, files, where)
    if not heads:
        raise refuse(f"{where}heads must have gender or emotion")
    return Trunk(
        bundle,
        None if encoder is None else keys.sha256(encoder, f"{where}encoder"),
        features,
        keys.count(raw, "window_frames", 2, 3000, where),
    ), heads


def parse_heads(raw: Mapping[str, Any], files: Mapping[str, str], where: str = "") -> Heads:
    """The heads under ``heads`` by kind, none where there is no such key. Raises ``BundleError``."""
    found: dict[LabelKind, LabelHead] = {}
    for kind, head in (keys.object_of(raw, "heads", where) if raw.get("heads") is not None else {}).items():
        key = f"{where}heads.{kind}"
        if kind not in KINDS or not isinstance(head, Mapping):
            raise refuse(f"{key} is not known; there are gender and emotion")
        _only(head, _HEAD_KEYS, f"{key}.")
        classes = head.get("labels")
        if not isinstance(classes, list) or not all(isinstance(one, str) for one in classes) or len(set(classes)) < 2:
            raise refuse(f"{key}.labels must list at least two different labels")
        if len(set(classes)) < len(classes):
            raise refuse(f"{key}.labels names a label twice")
        found[kind] = LabelHead(
            keys.listed(files, head.get("file"), f"{key}.file"),
            tuple(classes),
            _publish(kind, head, classes, key),
            keys.number(head, "unsure_below", (0.0, 1.0), f"{key}.") or 0.0,
            keys.number(head, "min_speech_seconds", (0.0, 60.0), f"{key}.") or 0.0,
            keys.number(head, "min_snr_db", (-30.0, 60.0), f"{key}."),
        )
    return found


def _publish(kind: str, head: Mapping[str, Any], classes: list[str], key: str) -> dict[str, tuple[str, ...]]:
    """The published labels with their classes, in the card's order."""
    raw = head.get("publish")
    if raw is None:
        raw = {one: [one] for one in classes}
    if not isinstance(raw, Mapping) or not all(isinstance(parts, list) and parts for parts in raw.values()):
        raise refuse(f"{key}.publish must map each published label to a list of labels")
    parts = [one for listed in raw.values() for one in listed]
    for one in parts:
        if one not in classes:
            raise refuse(f"{key}.publish has {one!r}, which is not among the labels")
        if parts.count(one) > 1:
            raise refuse(f"{key}.publish has {one!r} twice")
    if left := [one for one in classes if one not in parts]:
        raise refuse(f"{key}.publish leaves out {left[0]!r}; what shall not be told belongs under {UNSURE}")
    told = [label for label in raw if label != UNSURE]
    if wrong := [label for label in told if not _LABEL.fullmatch(label)]:
        raise refuse(f"{key} publishes {wrong[0]!r}; a label is lower-case letters, digits, _ and -")
    wanted = _PUBLISHED.get(kind)
    if wanted is not None and set(told) != wanted:
        raise refuse(f"{key} must publish {' and '.join(sorted(wanted))}, not {', '.join(told)}")
    if len(told) < 2:
        raise refuse(f"{key}.publish must have at least two labels besides {UNSURE}")
    return {label: tuple(parts) for label, parts in raw.items()}


def _only(raw: Mapping[str, Any], known: tuple[str, ...], where: str) -> None:
    if unknown := sorted(set(raw) - set(known)):
        raise refuse(f"{where}{unknown[0]} is not known to this program")
