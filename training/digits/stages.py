"""Which networks are taught on whom, each kept once it is done.

Takes a recipe, takes and a folder. Gives Keras models. Must hold: the network of a fold has learnt nothing from that
fold's people, nor has the one it goes on from; a run that is stopped goes on with the stage it was in.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import keras

from training.augment import generator
from training.digits.compose import Composer
from training.digits.fit import learn
from training.digits.material import Material
from training.digits.network import build
from training.digits.recipe import DigitsRecipe

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class People:
    """``recorded``: speakers of the recordings. ``synthetic``: voices to learn from. ``folds``: who is left out."""

    recorded: tuple[str, ...]
    synthetic: tuple[str, ...]
    folds: tuple[tuple[str, ...], ...]

    @classmethod
    def of(cls, recorded: Sequence[str], synthetic: Sequence[str], seed: int, folds: int = 6) -> People:
        """As many folds as people, at most ``folds``; none where there are fewer than three people."""
        names = sorted(set(recorded))
        count = min(folds, len(names))
        order = [names[int(place)] for place in generator(seed, "folds").permutation(len(names))]
        parts = tuple(tuple(sorted(order[number::count])) for number in range(count)) if len(names) >= 3 else ()
        return cls(tuple(names), tuple(sorted(set(synthetic))), tuple(sorted(parts)))


class Stages:
    """Makes the networks, or reads those that are there already."""

    def __init__(self, recipe: DigitsRecipe, material: Material, people: People, out: Path, say: Say) -> None:
        self._recipe, self._material, self._people, self._out, self._say = recipe, material, people, out, say

    def base(self) -> keras.Model:
        """Has heard synthetic voices only; where there are none, nobody."""
        known = self._people.synthetic
        return self._stage("base", known, self._recipe.steps, None) if known else self._fresh()

    def fold(self, left_out: Sequence[str]) -> keras.Model:
        """Goes on from the base with everybody but ``left_out``."""
        kept = [name for name in self._people.recorded if name not in set(left_out)]
        steps = self._recipe.fold_steps if self._people.synthetic else self._recipe.steps
        return self._stage("without-" + "-".join(left_out)[:80], (*kept, *self._people.synthetic), steps, self.base)

    def final(self) -> keras.Model:
        """Goes on from the base with everybody."""
        steps = self._recipe.final_steps if self._people.synthetic else self._recipe.steps
        return self._stage("final", (*self._people.recorded, *self._people.synthetic), steps, self.base)

    def _fresh(self) -> keras.Model:
        keras.utils.set_random_seed(self._recipe.seed)
        return build(len(self._recipe.words), None, self._recipe.channels)

    def _stage(
        self, name: str, speakers: Sequence[str], steps: int, before: Callable[[], keras.Model] | None
    ) -> keras.Model:
        kept = self._out / f"{name}.weights.h5"
        model = before() if before and not kept.exists() else self._fresh()
        if kept.exists():
            model.load_weights(kept)
            return model
        recipe = self._recipe
        self._say(f"{name}: {len(speakers)} speakers")
        composer = Composer(self._material, speakers, recipe.frames, dict(recipe.source_weights))
        seed = int(generator(recipe.seed, name).integers(2**31))
        learn(model, composer, steps=steps, batch=recipe.batch, rate=recipe.learning_rate, seed=seed, say=self._say)
        temporary = self._out / f"{name}-writing.weights.h5"
        model.save_weights(temporary)
        temporary.rename(kept)
        return model
