"""Who counts as present: from an utterance until the hold time after the last one, by a clock that never jumps."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edge.daemon.presence import Heard, Presence

HOLD = 120.0


def heard(at: float = 0.0) -> Heard:
    return Heard(at, 0.7, 0.97)


def test_a_person_is_here_until_the_hold_time_after_the_last_utterance() -> None:
    presence = Presence(HOLD)
    assert not presence.is_heard("ada", 0.0)
    assert presence.last("ada") is None
    presence.heard("ada", heard(), 10.0)
    assert presence.is_heard("ada", 129.9)
    presence.heard("ada", heard(), 100.0)
    assert presence.is_heard("ada", 219.9) and not presence.is_heard("ada", 220.0)


def test_absence_is_reported_once_and_presence_may_begin_again() -> None:
    presence = Presence(HOLD)
    presence.heard("ada", heard(), 0.0)
    presence.heard("ben", heard(), 60.0)
    assert presence.expired(119.9) == []
    assert presence.expired(120.0) == ["ada"]
    assert presence.expired(120.0) == []
    assert presence.expired(500.0) == ["ben"]
    presence.heard("ada", heard(), 600.0)
    assert presence.is_heard("ada", 600.0)
    assert presence.expired(720.0) == ["ada"]


def test_the_latest_utterance_is_remembered_beyond_the_hold_time() -> None:
    presence = Presence(HOLD)
    presence.heard("ada", Heard(1.0, 0.5, 0.9), 0.0)
    presence.heard("ada", Heard(2.0, 0.6, 0.95), 1.0)
    presence.expired(1000.0)
    assert presence.last("ada") == Heard(2.0, 0.6, 0.95)


def test_somebody_forgotten_was_never_here() -> None:
    presence = Presence(HOLD)
    presence.heard("ada", heard(), 0.0)
    presence.forget("ada")
    presence.forget("nobody")
    assert presence.last("ada") is None
    assert not presence.is_heard("ada", 1.0)
    assert presence.expired(1000.0) == []


@given(st.lists(st.tuples(st.sampled_from("abc"), st.floats(0, 200)), max_size=30), st.floats(1, 300))
def test_everybody_who_was_here_is_reported_gone_exactly_once_for_each_stay(steps, hold) -> None:
    presence, now, here, reported = Presence(hold), 0.0, {}, []
    for person, passed in steps:
        now += passed
        gone = sorted(p for p, until in here.items() if now >= until)
        assert sorted(presence.expired(now)) == gone
        for p in gone:
            del here[p]
        reported += gone
        presence.heard(person, heard(), now)
        here[person] = now + hold
        assert {p for p in "abc" if presence.is_heard(p, now)} == set(here)
    assert sorted(presence.expired(now + hold)) == sorted(here)
