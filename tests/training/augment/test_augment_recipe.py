"""A recipe is kept as JSON without loss, and nonsense is refused in one sentence."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.errors import UsageError
from training.augment import AugmentRecipe


def test_a_recipe_survives_json() -> None:
    recipe = AugmentRecipe(room=0.9, noise_snr_db=(5, 15), rooms=8)
    assert AugmentRecipe.from_json(json.loads(json.dumps(recipe.to_json()))) == recipe
    assert AugmentRecipe.from_json({}) == AugmentRecipe()


@given(low=st.floats(0.6, 1.6), high=st.floats(0.6, 1.6))
def test_a_range_is_taken_only_with_the_lower_end_first(low: float, high: float) -> None:
    if low <= high:
        assert AugmentRecipe(formant_ratio=(low, high)).formant_ratio == (low, high)
    else:
        with pytest.raises(UsageError):
            AugmentRecipe(formant_ratio=(low, high))


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"room": 1.5}, "room"),
        ({"noise": -0.1}, "noise"),
        ({"codec": float("nan")}, "codec"),
        ({"codec": True}, "codec"),
        ({"hum": "often"}, "hum"),
        ({"gain_db": [3.0]}, "gain_db"),
        ({"gain_db": 3.0}, "gain_db"),
        ({"noise_snr_db": [20.0, 0.0]}, "noise_snr_db"),
        ({"noise_snr_db": [0.0, float("inf")]}, "noise_snr_db"),
        ({"speed_ratio": [0.0, 1.0]}, "speed_ratio"),
        ({"rt60_seconds": [0.2, 60.0]}, "rt60_seconds"),
        ({"rooms": 0}, "rooms"),
        ({"rooms": 2.5}, "rooms"),
        ({"babble_voices_least": 9}, "babble_voices_most"),
        ({"loudness": 0.5}, "loudness"),
    ],
)
def test_nonsense_is_refused_in_a_sentence_that_names_it(values: dict[str, Any], named: str) -> None:
    with pytest.raises(UsageError) as caught:
        AugmentRecipe.from_json(values)
    assert named in caught.value.cause
    assert "\n" not in caught.value.sentence()
    assert caught.value.remedy
