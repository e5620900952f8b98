"""``digits.json``: what a digit recogniser is, and what belongs to it.

Takes a folder. Gives a ``Card`` and the network's bytes. Must hold: a card that is incomplete, of an unknown schema or
at odds with its file is refused with a sentence that names the key.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from edge.errors import BundleError
from edge.records import FeatureSpec

CARD_NAME: Final = "digits.json"
SCHEMA: Final = 1
_REMEDY: Final = "Get the recogniser again, or train it again: earmark train digits."


@dataclass(frozen=True, slots=True, eq=False)
class Card:
    """``words``: how digit 0, 1, ... is said. ``features``: of the frames. ``window_frames``: what the network sees at
    once; its first and last ``context_frames`` serve the frames between; one step of its output is ``stride`` frames.
    ``accept_log_odds``: from which log odds on a string counts as said. ``raw``: everything.
    """

    raw: Mapping[str, Any]
    language: str
    words: tuple[str, ...]
    features: FeatureSpec
    file: str
    window_frames: int
    context_frames: int
    stride: int
    accept_log_odds: float


def read(folder: Path) -> tuple[Card, bytes]:
    """The card of ``folder`` and its network. Raises ``BundleError``."""
    path = folder / CARD_NAME
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BundleError(f"{path} cannot be read: {error}", _REMEDY) from error
    if not isinstance(raw, dict) or raw.get("schema") != SCHEMA:
        raise BundleError(f"{path} is no card of schema {SCHEMA}", _REMEDY)
    card = _card(raw, path)
    try:
        model = (folder / card.file).read_bytes()
    except OSError as error:
        raise BundleError(f"{folder / card.file} cannot be read: {error.strerror}", _REMEDY) from error
    if hashlib.sha256(model).hexdigest() != raw["sha256"]:
        raise BundleError(f"{folder / card.file} is not the file that its card names", _REMEDY)
    return card, model


def _card(raw: Mapping[str, Any], path: Path) -> Card:
    def wrong(key: str, wanted: str) -> BundleError:
        return BundleError(f"{path}: {key!r} is {raw.get(key)!r}, not {wanted}", _REMEDY)

    for key in ("language", "file", "sha256"):
        if not isinstance(raw.get(key), str) or not raw[key] or "/" in raw[key]:
            raise wrong(key, "a name")
    words = raw.get("words")
    if not isinstance(words, list) or len(words) < 4 or not all(isinstance(word, str) and word for word in words):
        raise wrong("words", "a list of at least four words")
    for key in ("window_frames", "context_frames", "stride"):
        if not isinstance(raw.get(key), int) or not 1 <= raw[key] <= 3000:
            raise wrong(key, "a whole number from 1 to 3000")
    window, context, stride = raw["window_frames"], raw["context_frames"], raw["stride"]
    if window % stride or context % stride or window <= 2 * context:
        raise wrong("context_frames", f"a multiple of {stride} below half of {window}")
    accept = raw.get("accept_log_odds")
    if isinstance(accept, bool) or not isinstance(accept, int | float) or not math.isfinite(accept):
        raise wrong("accept_log_odds", "a number")
    try:
        values = raw["features"]
        features = FeatureSpec(**(values | {"mean": tuple(values["mean"]), "scale": tuple(values["scale"])}))
    except (KeyError, TypeError) as error:
        raise wrong("features", f"a feature spec ({error})") from error
    return Card(
        raw, raw["language"], tuple(words), features, raw["file"], window, context, stride, float(accept)
    )  # fmt: skip
