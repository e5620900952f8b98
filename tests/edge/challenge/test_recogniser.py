"""The recogniser that ships, with voices that it was not taught with.

``assets``: espeak-ng (voices en-gb+f5 and en-us+m8) and flite (voice rms) of Debian 12, as Opus.
"""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

import numpy as np
import pytest

from edge.audio import read_samples
from edge.challenge import Challenge, Recogniser, languages, open_recogniser
from edge.challenge.card import CARD_NAME
from edge.challenge.frames import SPEC, levelled
from edge.challenge.recogniser import PACKAGED
from edge.clock import SystemClock
from edge.errors import BundleError, UsageError
from edge.features import FrontEnd
from edge.records import SAMPLE_RATE, Float32

ASSETS = Path(__file__).parent / "assets"
SAID = {"said-3-8-1-9-0-4": (3, 8, 1, 9, 0, 4), "said-7-2-0-5-1-6": (7, 2, 0, 5, 1, 6)}


@pytest.fixture(scope="module")
def english() -> Recogniser:
    return open_recogniser("en")


def _samples(name: str) -> Float32:
    return read_samples(ASSETS / f"{name}.ogg")


@pytest.mark.parametrize("name", SAID)
def test_digits_that_are_said_pass(english: Recogniser, name: str) -> None:
    outcome = english.judge(_samples(name), SAID[name])
    assert outcome.said_right and outcome.reason == "said"
    assert outcome.probability >= 0.5
    assert 0 <= outcome.start_seconds < outcome.end_seconds <= len(_samples(name)) / SAMPLE_RATE + 0.01


def test_what_is_said_is_heard(english: Recogniser) -> None:
    assert english.hear(_samples("said-3-8-1-9-0-4")) == (3, 8, 1, 9, 0, 4)


@pytest.mark.parametrize("name", SAID)
def test_one_digit_wrong_missing_or_added_does_not_pass(english: Recogniser, name: str) -> None:
    digits, samples = SAID[name], _samples(name)
    for place in range(6):
        wrong = (*digits[:place], (digits[place] + 4) % 10, *digits[place + 1 :])
        assert not english.judge(samples, wrong).said_right
    assert not english.judge(samples, digits[:-1]).said_right
    assert not english.judge(samples, digits[1:]).said_right
    assert not english.judge(samples, (*digits, 8)).said_right
    assert not english.judge(samples, digits[::-1]).said_right


def test_other_words_are_not_digits(english: Recogniser) -> None:
    outcome = english.judge(_samples("said-other-words"), (3, 8, 1, 9, 0, 4))
    assert not outcome.said_right


@pytest.mark.parametrize("samples", [np.zeros(0, np.float32), np.zeros(1, np.float32), np.zeros(32000, np.float32)])
def test_in_silence_nothing_is_heard(english: Recogniser, samples: Float32) -> None:
    outcome = english.judge(samples, (1, 2, 3, 4))
    assert (outcome.said_right, outcome.heard, outcome.reason) == (False, (), "nothing_heard")


def test_in_noise_nothing_passes(english: Recogniser) -> None:
    noise = np.random.default_rng(1).normal(0, 0.1, 80000).astype(np.float32)
    assert not english.judge(noise, (1, 2, 3, 4)).said_right


def test_loudness_does_not_matter(english: Recogniser) -> None:
    samples = _samples("said-3-8-1-9-0-4")
    for gain in (0.02, 0.3, 1.4):
        assert english.judge(samples * np.float32(gain), SAID["said-3-8-1-9-0-4"]).said_right


def test_words_are_heard_wherever_they_are(english: Recogniser) -> None:
    samples = _samples("said-3-8-1-9-0-4")
    hop = english.card.window_frames - 2 * english.card.context_frames
    for frames in (1, 57, hop, 2 * hop + 30):
        moved = np.concatenate((np.zeros(frames * 160, np.float32), samples, np.zeros(8000, np.float32)))
        outcome = english.judge(moved, SAID["said-3-8-1-9-0-4"])
        assert outcome.said_right
        assert outcome.end_seconds > frames / 100 + 1


def test_a_shift_by_whole_windows_changes_nothing(english: Recogniser) -> None:
    samples = _samples("said-7-2-0-5-1-6")
    hop = english.card.window_frames - 2 * english.card.context_frames
    moved = english.log_probabilities(np.concatenate((np.zeros(hop * 160, np.float32), samples)))
    plain = english.log_probabilities(samples)
    # All but the first steps, whose frames touch what comes before.
    steps = hop // english.card.stride
    assert np.allclose(moved[steps + 20 :], plain[20:], atol=1e-6)


def test_of_very_long_audio_the_end_is_judged(english: Recogniser) -> None:
    samples = _samples("said-3-8-1-9-0-4")
    long = np.concatenate((np.zeros(40 * SAMPLE_RATE, np.float32), samples))
    outcome = english.judge(long, SAID["said-3-8-1-9-0-4"])
    assert outcome.said_right and outcome.start_seconds > 39


def test_it_is_small_and_answers_at_once(english: Recogniser) -> None:
    assert (PACKAGED / "en" / english.card.file).stat().st_size <= 150_000
    begun = time.process_time()
    english.judge(_samples("said-3-8-1-9-0-4"), SAID["said-3-8-1-9-0-4"])
    assert time.process_time() - begun < 5.0  # a bound for absurdity; docs/digits.md has the figures


def test_a_challenge_is_answered_end_to_end(english: Recogniser) -> None:
    digits = SAID["said-7-2-0-5-1-6"]
    challenge = Challenge(digits, english, "en", SystemClock())
    assert challenge.check(_samples("said-7-2-0-5-1-6")).said_right


def test_strings_without_digits_are_refused(english: Recogniser) -> None:
    for wrong in ((), (3, 10), (-1,)):
        with pytest.raises(UsageError, match="no string of digits"):
            english.judge(np.zeros(16000, np.float32), wrong)


def test_the_card_says_what_it_is_made_of(english: Recogniser) -> None:
    raw = english.card.raw
    for key in ("licence", "attribution", "training_data", "intended_use", "must_not_be_used_for", "limits", "figures"):
        assert raw[key]
    assert "Free Spoken Digit Dataset" in json.dumps(raw["attribution"])
    assert english.words[0] == "zero" and len(english.words) == 10


def test_another_language_is_found_beside_the_bundles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(PACKAGED / "en", tmp_path / "digits-tlh")
    monkeypatch.setenv("EARMARK_BUNDLES", str(tmp_path))
    assert languages() == {"en": PACKAGED / "en", "tlh": tmp_path / "digits-tlh"}
    assert open_recogniser("tlh").words == open_recogniser("en").words


def _damaged(tmp_path: Path, **changes: object) -> Path:
    folder = tmp_path / "digits"
    shutil.copytree(PACKAGED / "en", folder)
    card = json.loads((folder / CARD_NAME).read_text(encoding="utf-8"))
    (folder / CARD_NAME).write_text(json.dumps(card | changes), encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"schema": 2}, "no card of schema 1"),
        ({"words": ["a"]}, "'words'"),
        ({"words": ["a", "b", "c", "d"]}, "does not fit its card"),
        ({"window_frames": 100}, "'context_frames'"),
        ({"stride": 0}, "'stride'"),
        ({"accept_log_odds": True}, "'accept_log_odds'"),
        ({"file": "../x"}, "'file'"),
        ({"features": {"n_mels": 32}}, "'features'"),
        ({"sha256": "0" * 64}, "not the file that its card names"),
    ],
)
def test_a_damaged_card_is_refused(tmp_path: Path, changes: dict[str, object], cause: str) -> None:
    with pytest.raises(BundleError, match=cause):
        Recogniser(_damaged(tmp_path, **changes))


def test_a_folder_without_a_card_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="cannot be read"):
        Recogniser(tmp_path)


def test_frames_do_not_depend_on_the_gain() -> None:
    samples = _samples("said-7-2-0-5-1-6")
    loud, quiet = (levelled(FrontEnd(SPEC).features(samples * np.float32(gain))) for gain in (1.0, 0.1))
    assert np.abs(loud - quiet).mean() < 0.05
    assert len(levelled(np.zeros((0, SPEC.n_mels), np.float32))) == 0
