"""What is kept of a rollout: one at a time, and nothing that cannot be understood."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy.fleet import journal as journals
from deploy.fleet.faults import RolloutError


def test_two_rollouts_of_one_inventory_are_never_under_way(tmp_path: Path) -> None:
    with (
        journals.alone(tmp_path / "j.json"),
        pytest.raises(RolloutError, match="under way"),
        journals.alone(tmp_path / "j.json"),
    ):
        raise AssertionError("both hold it")
    with journals.alone(tmp_path / "j.json"):
        assert journals.load(tmp_path / "j.json") is None


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"schema": 1}', '{"schema": 2}', '{"schema": 1, "hosts": 3}'])
def test_a_journal_that_cannot_be_understood_is_said_so(tmp_path: Path, text: str) -> None:
    (tmp_path / "j.json").write_text(text)
    with pytest.raises(RolloutError, match="cannot be understood"):
        journals.load(tmp_path / "j.json")
