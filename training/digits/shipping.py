"""The folder of a digit recogniser: network, card, threshold.

Takes what was trained. Gives a folder that ``edge.challenge`` opens. Must hold: the card names the file's hash, its
data, its limits and its figures.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from edge.calibrate.intervals import upper_bound
from edge.challenge.card import CARD_NAME, SCHEMA
from edge.challenge.frames import SPEC
from training.digits.figures import Score
from training.digits.network import CONTEXT_FRAMES, STRIDE, WINDOW_FRAMES
from training.digits.recipe import DigitsRecipe
from training.digits.told import total
from training.digits.words import WordList

MODEL: Final = "digits.int8.tflite"
LOWEST_ODDS: Final = -8.0
_RANDOM: Final = 1e-4
"""Share of the challenges that an old recording of other digits may pass, as the upper 95 % bound while choosing."""
_NEAR: Final = 0.05
"""Share of the strings that differ in one digit from what was said which may pass while choosing. Who plays an old
recording meets a challenge that near once in 13,000 times (44 of 590,490)."""


def threshold(scored: Score) -> float:
    """Lowest log odds from which on random wrong strings are accepted less than once in ten thousand times, as far as
    those that were tried can show it, and one of one other digit less than once in twenty times.
    """
    bounds = [LOWEST_ODDS, *_above(scored.near, int(_NEAR * scored.near_tried))]
    bounds += _above(scored.random, _most(scored.random_tried))
    return round(float(max(bounds)), 3)


def _above(odds: Sequence[float], allowed: int) -> list[float]:
    """What leaves ``allowed`` of these, at most, at or above it."""
    return [one + 0.01 for one in sorted(odds, reverse=True)[allowed : allowed + 1]]


def _most(tried: int) -> int:
    """How many of the random strings may pass; with too few of them none."""
    most = 0
    while tried and upper_bound(most + 1, tried) <= _RANDOM:
        most += 1
    return most


def written(folder: Path) -> bool:
    """Whether ``folder`` holds a recogniser with its threshold."""
    path = folder / CARD_NAME
    return path.exists() and bool(json.loads(path.read_text(encoding="utf-8")).get("settled"))


def write(folder: Path, recipe: DigitsRecipe, words: WordList, model: bytes, more: Mapping[str, Any]) -> None:
    """Network and card, not settled yet."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MODEL).write_bytes(model)
    card = {
        "schema": SCHEMA,
        "name": recipe.name,
        "version": recipe.version,
        "created": datetime.now(UTC).date().isoformat(),
        "language": recipe.language,
        "words": list(words.words),
        "features": SPEC.to_json(),
        "file": MODEL,
        "sha256": hashlib.sha256(model).hexdigest(),
        "window_frames": WINDOW_FRAMES,
        "context_frames": CONTEXT_FRAMES,
        "stride": STRIDE,
        "accept_log_odds": 0.0,
    }
    _save(folder, card | dict(recipe.card) | dict(more))


def settle(folder: Path, accept: float) -> None:
    """Write the threshold down."""
    card = json.loads((folder / CARD_NAME).read_text(encoding="utf-8"))
    _save(folder, card | {"accept_log_odds": accept, "settled": True})


def publish(card: Mapping[str, Any], report: Mapping[str, Any], recipe: DigitsRecipe, out: Path) -> None:
    """Add the figures to the card of the network that ships."""
    brief: dict[str, Any] = {"left_out": report["left_out"]}
    for name, one in report["shipped"].items():
        brief[name] = {
            condition: {"words": total(part["words"]), "strings": part["strings"]}
            for condition, part in one["figures"].items()
        }
    _save(out / f"digits-{recipe.language}", dict(card) | dict(recipe.card) | {"figures": brief})


def _save(folder: Path, card: Mapping[str, Any]) -> None:
    temporary = folder / f"{CARD_NAME}.tmp"
    temporary.write_text(json.dumps(card, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    temporary.rename(folder / CARD_NAME)
