"""What was chosen over MQTT is kept until the settings say something new."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.daemon.choices import Choices

PROFILES = ("relaxed", "balanced", "strict")


def test_a_choice_is_kept_for_the_next_start(tmp_path: Path) -> None:
    Choices(tmp_path).remember("profile", "strict", "balanced")
    Choices(tmp_path).remember("listening", "OFF", "ON")
    assert Choices(tmp_path).restore("profile", "balanced", PROFILES) == "strict"
    assert Choices(tmp_path).restore("listening", "ON", ("ON", "OFF")) == "OFF"
    assert (tmp_path / "choices.json").stat().st_mode & 0o777 == 0o600


def test_settings_that_were_changed_since_then_win(tmp_path: Path) -> None:
    Choices(tmp_path).remember("profile", "strict", "balanced")
    assert Choices(tmp_path).restore("profile", "relaxed", PROFILES) is None


def test_a_value_that_is_no_longer_known_is_none(tmp_path: Path) -> None:
    Choices(tmp_path).remember("profile", "lax", "balanced")
    assert Choices(tmp_path).restore("profile", "balanced", PROFILES) is None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"profile": "strict"}', '{"profile": [1, 2]}', "\udcff"])
def test_a_file_that_cannot_be_used_is_as_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "choices.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    choices = Choices(tmp_path)
    assert choices.restore("profile", "balanced", PROFILES) is None
    choices.remember("profile", "strict", "balanced")
    assert choices.restore("profile", "balanced", PROFILES) == "strict"


def test_a_folder_that_cannot_be_written_is_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    choices = Choices(tmp_path / "missing")
    choices.remember("profile", "strict", "balanced")
    assert "cannot be kept" in caplog.text
    assert choices.restore("profile", "balanced", PROFILES) is None


def test_what_cannot_be_chosen_any_more_is_forgotten(tmp_path: Path) -> None:
    """Else an analysis would be on again once its acknowledgement, withdrawn meanwhile, is given again."""
    choices = Choices(tmp_path)
    choices.remember("profile", "strict", "balanced")
    choices.remember("analyse_emotion", "ON", "OFF")
    choices.keep(["profile", "listening"])
    assert choices.restore("profile", "balanced", PROFILES) == "strict"
    assert choices.restore("analyse_emotion", "OFF", ("ON", "OFF")) is None
