"""Which faults of a microphone make the daemon deaf, and when a sound system that hangs is a reason to start anew."""

import logging

import pytest

from edge.clock import ManualClock
from edge.daemon.ear import Ear
from edge.errors import MicrophoneError, MicrophoneFault


@pytest.mark.parametrize(("fault", "deaf"), [("lost", True), ("busy", True), ("silent", False), ("wrong_rate", False)])
def test_a_microphone_with_the_wrong_sound_is_a_problem_but_not_deaf(fault: MicrophoneFault, deaf: bool) -> None:
    ear = Ear(ManualClock())
    ear.told(MicrophoneError("something is wrong", "Do something.", fault))
    assert ear.fault is not None
    assert (ear.fault.fault, ear.reason, ear.deaf) == (fault, "something is wrong. Do something.", deaf)
    assert ear.why_deaf == (ear.reason if deaf else None)
    ear.told(None)
    assert (ear.fault, ear.reason, ear.deaf, ear.why_deaf) == (None, None, False, None)


def test_only_a_sound_system_that_hangs_for_minutes_is_worth_a_new_process() -> None:
    clock = ManualClock()
    ear = Ear(clock)
    ear.told(MicrophoneError("gone", fault="missing"))
    clock.advance(3600)
    assert ear.hung_seconds() == 0
    ear.told(MicrophoneError("no answer", fault="no_answer"))
    clock.advance(299)
    assert ear.hung_seconds() == 0
    ear.told(MicrophoneError("still no answer", fault="no_answer"))
    clock.advance(41)
    assert ear.hung_seconds() == 40
    ear.told(None)
    assert ear.hung_seconds() == 0


def test_each_report_is_one_line_with_its_fault(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    ear = Ear(ManualClock())
    ear.told(MicrophoneError("it is busy", fault="busy"))
    ear.told(None)
    assert caplog.messages == ["microphone: it is busy.", "the microphone is well again"]
    assert caplog.records[0].fields == {"fault": "busy"}  # type: ignore[attr-defined]
