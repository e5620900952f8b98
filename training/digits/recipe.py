"""How a digit recogniser is trained: one frozen set of values.

Takes and gives plain values (JSON). Must hold: a value that is not known is refused by name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from edge.errors import UsageError
from training.augment import AugmentRecipe
from training.recipe_keys import checked


@dataclass(frozen=True, slots=True)
class DigitsRecipe:
    """``words``: lines of a word list. ``copies``: changed copies of each recording. ``fillers``: recordings of other
    speech. ``strings``: fluent strings per synthetic voice. ``steps``: of the network that heard nobody who is judged,
    ``fold_steps``: of each of ``folds`` that go on from it without some, ``final_steps``: of the one that ships.
    ``source_weights``: how often the speakers of a set or synthesiser are drawn, 1 where not named.
    """

    name: str
    language: str
    words: tuple[str, ...]
    version: str = "1.0.0"
    seed: int = 1
    copies: int = 1
    fillers: int = 1200
    strings: int = 8
    channels: int = 112
    batch: int = 32
    frames: int = 360
    steps: int = 900
    fold_steps: int = 400
    final_steps: int = 400
    folds: int = 6
    learning_rate: float = 2e-3
    source_weights: Mapping[str, float] = field(default_factory=dict)
    augment: AugmentRecipe = field(default_factory=AugmentRecipe)
    card: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse nonsense. Raises ``UsageError``."""
        for name in ("batch", "steps", "channels", "frames"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} of the digits recipe is {getattr(self, name)}", "It must be at least 1.")
        if self.frames % 3:
            raise UsageError("frames of the digits recipe is no multiple of 3", "A step of the network is 3 frames.")

    @classmethod
    def from_json(cls, raw: dict[str, Any]) -> DigitsRecipe:
        """Raises ``UsageError`` for what is not known or missing."""
        values = checked("A digits recipe", raw, cls, frozenset({"name", "language", "words"}))
        values["words"] = tuple(values["words"])
        values["augment"] = AugmentRecipe.from_json(values.get("augment", {}))
        return cls(**values)

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self) | {"augment": self.augment.to_json(), "words": list(self.words)}
