"""The short form of ``make microphone`` and ``make overload``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.reliability import overload
from tests.reliability.microphone import Trial, judge, odd_lines
from tests.virtual_microphone import VirtualMicrophone

pytestmark = [pytest.mark.broker, pytest.mark.microphone]


@pytest.fixture
def trial(tmp_path: Path) -> Iterator[Trial]:
    made = Trial(tmp_path, seed=3, bundle="compact")
    try:
        yield made
    finally:
        made.close()


def test_whatever_happens_to_a_microphone_is_told_and_survived(trial: Trial) -> None:
    """Each is named rightly, the microphone is found again, nothing spins. `make microphone` has the times."""
    found = judge([mishap(trial) for mishap in Trial.BRIEFLY], timed=False)
    assert [check for check in found if not check.holds] == []
    assert trial.hears()
    assert trial.close() == 0
    assert odd_lines(trial) == []


def test_too_much_sound_loses_the_oldest_is_told_and_ends(virtual_microphone: VirtualMicrophone, home: Path) -> None:
    run = overload.play(home.parent, virtual_microphone, "compact", seconds=0, slowness=8, wait=False)
    assert [check for check in overload.judge(run, waited=False) if check.holds is False] == []
