"""Voices to learn from are never those that figures are about."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.errors import UsageError
from training.digits.kokoro import Kokoro, spelt
from training.digits.synthetic import voices

NAMES = ("af_bella", "af_heart", "af_sarah", "af_sky", "am_adam", "am_eric", "am_liam", "bf_lily", "jf_alpha")


def test_a_voice_is_learnt_from_or_held_out() -> None:
    parts: dict[str, set[str]] = {}
    for voice in voices("en", NAMES):
        parts.setdefault(voice.speaker, set()).add(voice.part)
    assert all(len(kinds) == 1 for kinds in parts.values())
    assert {kind for kinds in parts.values() for kind in kinds} == {"learn", "choose", "test"}


def test_voices_between_two_are_of_one_sex_and_of_voices_to_learn_from() -> None:
    found = list(voices("en", NAMES))
    part_of = {voice.name: voice.part for voice in found}
    between = [voice for voice in found if "~" in voice.name]
    assert {voice.name for voice in between} == {
        "af_heart~af_sarah", "af_heart~af_sky", "af_sarah~af_sky", "am_adam~am_liam"
    }  # fmt: skip
    for voice in between:
        one, other = voice.name.split("~")
        assert voice.part == "learn" and part_of[one] == part_of[other] == "learn"
        assert one[1] == other[1] == voice.sex


def test_a_language_that_kokoro_does_not_know_has_none_of_its_voices() -> None:
    assert not [voice for voice in voices("de", NAMES) if voice.engine == "kokoro"]


def test_diphthongs_are_spelt_as_one_sign() -> None:
    assert spelt("zˈiəɹoʊ, fˈoːɹ, tˈuː, nˈaɪn", american=True) == "zˈɪɹO, fˈɔɹ, tˈu, nˈIn"
    assert spelt("zˈiəɹəʊ, fˈɔː", american=False) == "zˈiəɹQ, fˈɔː"


def test_a_folder_without_the_files_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"one \.onnx file"):
        Kokoro(tmp_path)
