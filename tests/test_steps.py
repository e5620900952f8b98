"""A long check's report."""

import pytest

from tests.steps import NotTriedError, Steps, verdict


def _fails() -> str:
    raise AssertionError("no such thing")


def _cannot() -> str:
    raise NotTriedError("no means")


def test_each_step_has_its_line_and_only_a_failure_counts(capsys: pytest.CaptureFixture[str]) -> None:
    steps = Steps()
    assert [steps.step("a", lambda: "fine"), steps.step("b", _fails), steps.step("c", _cannot)] == [True, False, True]
    lines = capsys.readouterr().out.splitlines()
    assert [line[:4] for line in lines] == ["ok  ", "FAIL", "left"]
    assert "no such thing" in lines[1]
    assert (verdict(steps.failed), verdict([])) == (1, 0)
    assert capsys.readouterr().out.split() == ["1", "failed:", "b", "All", "is", "well."]
