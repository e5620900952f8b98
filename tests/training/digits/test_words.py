"""Names of recordings tell what is said, and by whom."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.errors import UsageError
from training.digits.words import WordList

GERMAN = WordList.of(["null 0", "# a remark", "", "eins 1", "zwei 2 zwo", "drei 3"])


def test_each_line_is_a_digit_from_zero_on() -> None:
    assert GERMAN.words == ("null", "eins", "zwei", "drei")
    assert GERMAN.names["zwo"] == 2


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("zwei/maria_1.wav", ((2,), "maria")),
        ("zwei/maria_nohash_0.wav", ((2,), "maria")),
        ("all/Zwei_maria_1.wav", ((2,), "maria")),
        ("2_maria_1.wav", ((2,), "maria")),
        ("x/2-0-zwo-eins_maria_1.wav", ((2, 0, 2, 1), "maria")),
        ("x/drei.wav", ((3,), "")),
        ("x/hallo_maria_1.wav", None),
        ("x/2-hallo_maria_1.wav", None),
    ],
)
def test_recordings_are_known_by_their_names(path: str, said: object) -> None:
    assert GERMAN.said(Path(path)) == said


def test_a_name_for_two_words_is_refused() -> None:
    with pytest.raises(UsageError, match="'1' stands for two words"):
        WordList.of(["null 0", "eins 1", "zwei 1", "drei 3"])


def test_too_few_words_are_refused() -> None:
    with pytest.raises(UsageError, match="has 3 words"):
        WordList.of(["yes", "no", "maybe"])


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"none\.txt cannot be read"):
        WordList.read(tmp_path / "none.txt")
