"""Enrolment in the studio is that of the command: the same judgement, the same database."""

from __future__ import annotations

import pytest

from edge.errors import EnrolmentError, UsageError
from edge.studio.hearing import hear
from edge.studio.learner import Learner, sentence
from tests.edge.cli.voice_bundle import ASSETS


def give(learner: Learner, *names: str) -> list:
    return [line for name in names for line in learner.take(name, (ASSETS / name).read_bytes(), name)]


def clips(name: str) -> list[str]:
    return sorted(path.name for path in ASSETS.glob(f"{name}-enrol-*.ogg"))


def test_somebody_removed_is_unknown_and_enrolled_again_is_named(session):
    ada = (ASSETS / "clip-1-ada.ogg").read_bytes()
    session.store.remove("Ada")
    assert hear(session, ada, "clip").results[0].decision.outcome != "identified"
    learner = Learner(session, "Ada")
    assert give(learner, *clips("ada"))
    assert learner.progress.enough and learner.progress.clips == sum(line.good for line in learner.lines)
    assert session.store.people()[0].name == "Ben", "nothing is stored before it is asked for"
    person = learner.store("agreed")
    assert session.store.consent(person.id) == "agreed"
    decision = hear(session, ada, "clip").results[0].decision
    assert decision.outcome == "identified" and decision.person_id == person.id


def test_clips_are_added_to_somebody_enrolled_and_copies_are_not(session):
    ada = session.store.find("Ada")
    learner = Learner(session, "", ada)
    lines = give(learner, *clips("ada")[:2])
    assert not any(line.good for line in lines) and "duplicate" in lines[0].words
    assert any(line.good for line in give(learner, "clip-1-ada.ogg", "clip-2-ada.ogg"))
    learner.store()
    assert len(session.store.find("Ada").exemplars) > len(ada.exemplars)


def test_the_same_clip_is_judged_once(session):
    learner = Learner(session, "Cleo")
    assert give(learner, "ada-enrol-1.ogg") and not give(learner, "ada-enrol-1.ogg")


def test_what_is_no_recording_is_a_line_and_stops_nothing(session):
    learner = Learner(session, "Cleo")
    broken, silent = learner.take("1", b"nonsense", "notes.wav"), learner.take("2", b"", "empty.wav")
    assert [line.good for line in broken + silent] == [False, False]
    assert "notes.wav" in broken[0].words and "empty" in silent[0].words
    assert sentence(learner.progress).startswith("0 good clips")


def test_a_voice_that_is_enrolled_under_another_name_is_refused(session):
    learner = Learner(session, "Cleo")
    give(learner, *clips("ada"))
    with pytest.raises(EnrolmentError, match="sounds like Ada"):
        learner.store()
    assert {person.name for person in session.store.people()} == {"Ada", "Ben"}


@pytest.mark.parametrize("name", ["", "  ", "ada", "Ben", "a\nb"])
def test_a_name_that_will_not_do_is_refused_before_anybody_speaks(session, name):
    with pytest.raises(UsageError):
        Learner(session, name)


def test_the_sentence_says_what_is_still_needed(session):
    learner = Learner(session, "Ada", session.store.find("Ada"))
    fresh = Learner(session, "Cleo")
    assert "At least two clips" in sentence(fresh.progress)
    assert "At least" not in sentence(learner.progress)
