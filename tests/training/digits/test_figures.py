"""What is counted is what a challenge would accept."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="needs the extra [train]")

from edge.calibrate.intervals import upper_bound
from edge.challenge import Recogniser
from edge.challenge.strings import Float64
from edge.errors import UsageError
from edge.records import Float32
from training.digits import figures, shipping
from training.digits.recipe import DigitsRecipe
from training.digits.run import together
from training.digits.stages import People
from training.digits.told import text
from training.digits.trials import Trial

pytestmark = pytest.mark.training

WORDS = tuple("abcdefghij")


class Clear:
    """Hears a string clearly; the samples are the digits."""

    words = WORDS

    def log_probabilities(self, samples: Float32) -> Float64:
        rows = []
        for digit in samples.astype(int):
            for word in (10, digit, digit, 10):
                row = np.full(11, 0.0005)
                row[word] = 0.995
                rows.append(row)
        return np.log(np.array(rows))


RECOGNISER = cast(Recogniser, Clear())


def _trials(said: tuple[int, ...], played: tuple[int, ...]) -> Iterator[Trial]:
    yield Trial(said, np.array(played, np.float32), "p", "f")


def test_what_is_said_is_accepted_and_every_wrong_string_is_not() -> None:
    scored = figures.score(RECOGNISER, _trials((1, 2, 3, 4, 5, 6), (1, 2, 3, 4, 5, 6)), 1)
    told = figures.rates(scored, 1.0)
    assert told["accepted"]["count"] == told["strings"] == 1
    # Nine others at each of six places, less those that would repeat a neighbour.
    assert told["wrong_near"]["of"] == 54 - 10 and told["wrong_near"]["count"] == 0
    assert told["wrong_random"]["of"] > 100 and told["wrong_random"]["count"] == 0
    assert told["wrong_near"]["upper_bound"] == pytest.approx(3 / 44)


def test_one_digit_misheard_is_a_wrong_string_accepted() -> None:
    scored = figures.score(RECOGNISER, _trials((1, 2, 3, 4, 5, 6), (1, 2, 3, 4, 5, 9)), 1)
    told = figures.rates(scored, 1.0)
    assert told["accepted"]["count"] == 0 and told["heard_right"]["count"] == 0
    assert told["wrong_near"]["count"] == 1


def test_words_are_counted_per_speaker() -> None:
    said = [*_trials((1,), (1,)), *_trials((2,), (3,)), *_trials((4,), (4, 5))]
    assert figures.words_right(RECOGNISER, said)["p"]["words"] == 3
    assert figures.words_right(RECOGNISER, said[:2])["p"] == {"words": 2, "right": 1, "alone": 1}
    assert figures.words_right(RECOGNISER, said[2:])["p"]["alone"] == 0


def test_the_threshold_lets_few_random_strings_pass_and_few_near_ones() -> None:
    near = [3.0, 1.0, *np.linspace(-3.9, -1.0, 30)]
    assert shipping.threshold(figures.Score(near=near, near_tried=40)) == -0.99
    assert shipping.threshold(figures.Score(near=near, near_tried=10_000)) == shipping.LOWEST_ODDS
    # Of 20,000 not one can pass if the share is to be below 1e-4 for sure; of 100,000 some can.
    random = [-0.5, -1.0, -1.5, -2.0, -2.5, -3.0]
    assert shipping.threshold(figures.Score(random=random, random_tried=20_000)) == -0.49
    found = shipping.threshold(figures.Score(random=random, random_tried=100_000))
    passed = sum(odds >= found for odds in random)
    assert passed == 4 and upper_bound(passed, 100_000) <= 1e-4 < upper_bound(passed + 1, 100_000)
    assert shipping.threshold(figures.Score()) == shipping.LOWEST_ODDS


def test_folds_leave_everybody_out_once() -> None:
    people = People.of(["b", "a", "a", "c", "d", "e", "f", "g"], ["x"], 1)
    assert people.recorded == ("a", "b", "c", "d", "e", "f", "g")
    assert sorted(name for fold in people.folds for name in fold) == list(people.recorded)
    assert len(people.folds) == 6
    assert People.of(["a", "b"], [], 1).folds == ()


def test_folds_together_add_counts() -> None:
    strings = {name: figures.share(1, 2) for name in ("heard_right", "accepted", "wrong_near", "wrong_random")}
    fold = {"clean": {"words": {"p": {"words": 4, "right": 3, "alone": 2}}, "strings": strings}}
    other = {"clean": {"words": {"q": {"words": 4, "right": 4, "alone": 4}}, "strings": strings}}
    joined = together([fold, other])
    assert joined["clean"]["words"] == {"words": 8, "right": 7, "alone": 6}
    assert joined["clean"]["speakers"] == {"p": 0.75, "q": 1.0}
    assert joined["clean"]["strings"]["accepted"]["of"] == 4
    lines = text({"left_out": joined, "shipped": {}})
    assert lines.startswith(
        "people left out, clean: 87.5% of 8 words right; strings heard right 50.0 % of 4 (6.8 to 93.2)"
    )


def test_the_shipped_recipe_is_understood_and_its_card_says_what_it_must() -> None:
    path = Path(figures.__file__).parents[1] / "recipes" / "digits.json"
    recipe = DigitsRecipe.from_json(json.loads(path.read_text(encoding="utf-8")))
    assert len(recipe.words) == 10
    for key in ("licence", "attribution", "training_data", "intended_use", "must_not_be_used_for", "limits"):
        assert recipe.card[key]


@pytest.mark.parametrize(("change", "cause"), [({"frames": 100}, "multiple of 3"), ({"pace": 1}, "no 'pace'")])
def test_nonsense_is_refused(change: dict[str, Any], cause: str) -> None:
    with pytest.raises(UsageError, match=cause):
        DigitsRecipe.from_json({"name": "x", "language": "xx", "words": ["a", "b", "c", "d"]} | change)
