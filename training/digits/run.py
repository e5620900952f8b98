"""Trains a digit recogniser, measures it on people left out, and writes it as a folder that the edge opens.

Takes a recipe, a folder of recordings and a folder for what comes of it. Gives plain values for ``report.json``. Must
hold: figures are of int8 files through ``edge.challenge``; the threshold is chosen on synthetic voices that are neither
learnt from nor counted in any figure; a run that is stopped goes on.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import keras
import numpy as np

from edge.challenge import Recogniser
from edge.errors import UsageError
from edge.records import Float32
from training.augment import load_materials
from training.augment.materials import Clips, Materials
from training.corpus import MANIFEST, read_manifest
from training.digits import figures, material, shipping, trials
from training.digits.compose import Composer
from training.digits.network import WINDOW_FRAMES
from training.digits.recipe import DigitsRecipe
from training.digits.stages import People, Stages
from training.digits.synthetic import say_all
from training.digits.takes import Take, find_takes
from training.digits.words import WordList

Say = Callable[[str], None]
Convert = Callable[[keras.Model, Float32], bytes]

SNR_DB: Final = 10.0
STRINGS: Final = 40
"""Per person left out."""
_SHOWN: Final = 64
"""Windows that show the converter the ranges."""


class Digits:
    """One run. ``test``: folders of recordings by others, which nothing is learnt from or chosen on.

    ``kokoro``: folder of that synthesiser.
    """

    def __init__(
        self,
        recipe: DigitsRecipe,
        speech: Path,
        out: Path,
        *,
        test: Sequence[Path],
        convert: Convert,
        say: Say,
        kokoro: Path | None = None,
    ) -> None:
        self._recipe, self._out, self._convert, self._say = recipe, out, convert, say
        self._words = WordList.of(recipe.words)
        self._test = test
        self._takes, self._fillers = find_takes(speech, self._words, recipe.language, recipe.fillers, recipe.seed)
        self._voices = say_all(
            self._words,
            recipe.language,
            strings=recipe.strings,
            folder=out / "voices",
            seed=recipe.seed,
            say=say,
            kokoro=kokoro,
        )
        rows = read_manifest(speech) if (speech / MANIFEST).exists() else ()
        noises = [speech / row.path for row in rows if row.split == "noise"]
        self._unheard = noises[1::2]
        materials = load_materials(speech, rows) if rows else Materials(Clips(()), Clips(()))
        self._material = material.make(
            [*self._takes, *self._fillers, *self._voices["learn"]],
            noises[::2],
            copies=recipe.copies,
            materials=materials,
            recipe=recipe.augment,
            seed=recipe.seed,
            kept=out / "material.npz",
            say=say,
        )
        learnt = [take.speaker for take in self._voices["learn"]]
        self._people = People.of([take.speaker for take in self._takes], learnt, recipe.seed, recipe.folds)
        self._stages = Stages(recipe, self._material, self._people, out, say)

    def run(self) -> dict[str, Any]:
        """Train, measure, write. The shipped folder is ``out/digits-LANGUAGE``."""
        final = self._opened(self._stages.final(), "final", {"digits": self._recipe.name})
        report: dict[str, Any] = {"recipe": self._recipe.to_json(), "folds": []}
        report["shipped"] = self._of_others(final)
        for left_out in self._people.folds:
            name = "without-" + "-".join(left_out)
            one = self._opened(self._stages.fold(left_out), name, {})
            own = [take for take in self._takes if take.speaker in left_out]
            report["folds"].append({"left_out": list(left_out)} | self._measured(one, own, name))
        report["left_out"] = together([fold["figures"] for fold in report["folds"]])
        shipping.publish(final.card.raw, report, self._recipe, self._out)
        return report

    def _opened(self, model: keras.Model, name: str, raw: dict[str, Any]) -> Recogniser:
        """The int8 file of ``model`` with its threshold, in a folder of its own."""
        folder = self._out / ("digits-" + self._recipe.language if name == "final" else name)
        if not shipping.written(folder):
            composer = Composer(self._material, self._people.synthetic or self._people.recorded, WINDOW_FRAMES, {})
            shown = composer.batch(_SHOWN, np.random.default_rng(self._recipe.seed)).x
            shipping.write(folder, self._recipe, self._words, self._convert(model, shown), raw)
            threshold = self._threshold(Recogniser(folder))
            shipping.settle(folder, threshold)
            self._say(f"{folder.name}: threshold {threshold:.2f}")
        return Recogniser(folder)

    def _threshold(self, recogniser: Recogniser) -> float:
        takes = self._voices["choose"] or self._takes
        said = [*trials.whole(takes), *trials.strings(takes, 6, self._recipe.seed, len(self._words.words))]
        noise = trials.noisy(iter(said), self._unheard[::2], SNR_DB, self._recipe.seed) if self._unheard else ()
        return shipping.threshold(figures.score(recogniser, [*said, *noise], self._recipe.seed, shipping.LOWEST_ODDS))

    def _measured(self, recogniser: Recogniser, takes: Sequence[Take], name: str) -> dict[str, Any]:
        """Words and strings of ``takes``, as they are and in noise."""
        kept = (
            self._out
            / "measured"
            / f"{name.replace('/', '-')}-{recogniser.card.raw['sha256'][:16]}-{recogniser.card.accept_log_odds}.json"
        )
        if kept.exists():
            return dict(json.loads(kept.read_text(encoding="utf-8")))
        self._say(f"measuring {name}")
        seed, count = self._recipe.seed, len(self._words.words)
        found: dict[str, Any] = {}
        for condition in ("clean", "noise-10db") if self._unheard else ("clean",):
            alone, joined, fluent = (
                trials.singles(takes), trials.strings(takes, STRINGS, seed, count), trials.whole(takes)
            )  # fmt: skip
            if condition != "clean":
                noises = self._unheard[1::2]
                alone, joined, fluent = (
                    trials.noisy(one, noises, SNR_DB, seed) for one in (alone, joined, fluent)
                )  # fmt: skip
            strings = [*joined, *fluent]
            scored = figures.score(recogniser, strings, seed, recogniser.card.accept_log_odds)
            found[condition] = {
                "words": figures.words_right(recogniser, alone),
                "strings": figures.rates(scored, recogniser.card.accept_log_odds),
            }
        result = {"accept_log_odds": recogniser.card.accept_log_odds, "figures": found}
        kept.parent.mkdir(exist_ok=True)
        kept.write_text(json.dumps(result), encoding="utf-8")
        return result

    def _of_others(self, final: Recogniser) -> dict[str, Any]:
        """The shipped file with synthetic voices and with recordings that it never heard."""
        found = {}
        for neural, kind in ((False, "synthetic"), (True, "neural")):
            for sex, word in (("f", "female"), ("m", "male")):
                takes = [
                    take for take in self._voices["test"] if take.sex == sex and (take.source == "kokoro") == neural
                ]
                if takes:
                    found[f"{kind}, {word}"] = self._measured(final, takes, f"{kind} {word} voices")
        for folder in self._test:
            takes, _ = find_takes(folder, self._words, self._recipe.language, 0, self._recipe.seed)
            if not takes:
                raise UsageError(
                    f"{folder} has no recording of any of the words", "See docs/digits.md for their names."
                )
            whole = [replace(take, speaker=f"{folder.name}/{take.speaker}") for take in takes]
            found[folder.name] = self._measured(final, whole, folder.name)
        return found


def together(folds: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Figures of all folds as one: counts are added, words also per speaker."""
    joined: dict[str, Any] = {}
    for condition in dict.fromkeys(name for fold in folds for name in fold):
        found = [fold[condition] for fold in folds if condition in fold]
        words = {speaker: one for part in found for speaker, one in part["words"].items()}
        strings = [part["strings"] for part in found]
        joined[condition] = {
            "words": {name: sum(one[name] for one in words.values()) for name in ("words", "right", "alone")},
            "speakers": {name: round(one["right"] / one["words"], 4) for name, one in sorted(words.items())},
            "strings": {
                name: figures.share(sum(one[name]["count"] for one in strings), sum(one[name]["of"] for one in strings))
                for name in ("heard_right", "accepted", "wrong_near", "wrong_random")
            },
        }
    return joined
