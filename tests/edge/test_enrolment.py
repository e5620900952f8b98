"""Enrolment: every refusal has its reason, and a second voice never enters a voiceprint."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edge.enrolment import MAX_CLIPS, ClipReport, Enrolment, band_ratio_db, digest_of, quality, sessions_of
from edge.errors import EnrolmentError
from edge.records import SAMPLE_RATE, Utterance
from edge.scoring import OperatingPoint
from edge.spoof import Repeats
from tests.edge.voices import Voice, mixed, scorer, utterance

ALICE, BOB = Voice(1), Voice(2)


def offer(enrolment: Enrolment, voice: Voice, seed: int, noise: float = 0.6, **circumstances: float) -> ClipReport:
    u = utterance(seconds=4.0, seed=seed, **circumstances)
    return enrolment.offer(
        u, voice.embedding(noise), source=f"clip{seed}", microphone="mic:test", created="2026-11-21T00:00:00Z"
    )


def test_five_good_clips_make_a_voiceprint() -> None:
    enrolment = Enrolment(scorer())
    reports = [offer(enrolment, ALICE, i) for i in range(5)]
    assert all(r.accepted for r in reports)
    progress = enrolment.progress()
    assert progress.done and progress.stable and progress.percent == 100
    assert len(enrolment.finish()) == 5


def test_progress_grows_with_every_clip() -> None:
    enrolment = Enrolment(scorer())
    seen = [0]
    for i in range(5):
        offer(enrolment, ALICE, i)
        seen.append(enrolment.progress().percent)
    assert seen == sorted(set(seen))


@pytest.mark.parametrize(
    ("circumstances", "reason"),
    [
        ({"speech_seconds": 0.9}, "too_short"),
        ({"speech_seconds": 8.5}, "too_long"),
        ({"snr_db": 8.0}, "too_noisy"),
        ({"level_dbfs": -52.0}, "too_quiet"),
        ({"level_dbfs": -4.0}, "too_loud"),
        ({"clipped_fraction": 0.02}, "clipped"),
    ],
)
def test_a_bad_clip_is_refused_with_its_reason_and_a_hint(circumstances: dict, reason: str) -> None:
    enrolment = Enrolment(scorer())
    report = offer(enrolment, ALICE, 0, **circumstances)
    assert (report.accepted, report.reason) == (False, reason)
    assert report.hint
    assert enrolment.progress().clips == 0


def test_an_allowed_reason_lets_the_clip_pass() -> None:
    assert offer(Enrolment(scorer(), allow={"too_noisy"}), ALICE, 0, snr_db=8.0).accepted


def test_allowing_one_reason_does_not_hide_another() -> None:
    u = utterance(seconds=4.0, snr_db=8.0)
    assert quality(u, ALICE.embedding(speech_probability=0.02), {"too_noisy"}) == "not_speech"


def test_what_the_pipeline_refused_is_never_accepted() -> None:
    enrolment = Enrolment(scorer(), allow={"clipped", "too_short"})
    u = utterance(seconds=4.0, clipped_fraction=0.3)
    report = enrolment.offer(u, None, source="a", microphone="mic:test", created="2026-11-21T00:00:00Z")
    assert (report.accepted, report.reason) == (False, "clipped")


def test_noise_is_not_enrolled() -> None:
    u = utterance(seconds=4.0)
    assert quality(u, ALICE.embedding(speech_probability=0.02)) == "not_speech"


def test_the_same_recording_counts_once() -> None:
    enrolment = Enrolment(scorer())
    assert offer(enrolment, ALICE, 7).accepted
    assert offer(enrolment, ALICE, 7).reason == "duplicate"


def test_a_second_voice_is_refused_and_named_by_its_clip() -> None:
    enrolment = Enrolment(scorer())
    for i in range(4):
        offer(enrolment, ALICE, i)
    report = offer(enrolment, BOB, 9)
    assert report.reason == "other_voice"
    with pytest.raises(EnrolmentError, match="clip9"):
        enrolment.finish()
    assert len(enrolment.finish(skip_other_voice=True)) == 4


def test_a_stray_first_clip_does_not_decide_who_is_enrolled() -> None:
    enrolment = Enrolment(scorer())
    offer(enrolment, BOB, 0)
    for i in range(1, 5):
        offer(enrolment, ALICE, i)
    kept = enrolment.finish(skip_other_voice=True)
    assert len(kept) == 4
    assert all(e.vector @ ALICE.centre > e.vector @ BOB.centre for e in kept)


def test_too_little_speech_is_refused_with_what_is_missing() -> None:
    enrolment = Enrolment(scorer())
    offer(enrolment, ALICE, 0)
    with pytest.raises(EnrolmentError, match="Too little good speech"):
        enrolment.finish()


def test_a_weak_bundle_enrols_people_whom_it_will_not_name() -> None:
    strong = scorer()
    points = (OperatingPoint(0.003, 25.0),)
    weak = replace(strong, calibration=replace(strong.calibration, points=points))
    enrolment = Enrolment(weak)
    for i in range(5):
        offer(enrolment, ALICE, i)
    progress = enrolment.progress()
    assert progress.recognised == 0 and not progress.stable
    assert len(enrolment.finish()) == 5


def test_somebody_already_enrolled_is_not_enrolled_twice_by_accident() -> None:
    enrolment = Enrolment(scorer(), others=[ALICE.voiceprint("Alice")])
    for i in range(5):
        offer(enrolment, ALICE, i)
    with pytest.raises(EnrolmentError, match="Alice"):
        enrolment.finish()
    assert len(enrolment.finish(same_as_other=True)) == 5


def test_clips_added_later_must_be_the_same_voice() -> None:
    existing = [ALICE.exemplar() for _ in range(3)]
    enrolment = Enrolment(scorer(), existing=existing)
    assert offer(enrolment, ALICE, 1).accepted
    assert offer(enrolment, BOB, 2).reason == "other_voice"
    assert len(enrolment.finish(skip_other_voice=True)) == 1


def test_telephone_speech_is_told_by_its_missing_band() -> None:
    rng = np.random.default_rng(0)
    wide = rng.standard_normal(3 * SAMPLE_RATE).astype(np.float32)
    spectrum = np.fft.rfft(wide)
    spectrum[np.fft.rfftfreq(len(wide), 1 / SAMPLE_RATE) > 3800] = 0
    narrow = np.fft.irfft(spectrum).astype(np.float32)
    assert band_ratio_db(wide) > -10
    assert band_ratio_db(narrow) < -60


def copied(u: Utterance, shift: int = 1000, gain: float = 0.5) -> Utterance:
    """The same recording, cut a little later and softer."""
    return replace(u, samples=u.samples[shift:] * np.float32(gain), start=u.start + shift)


def given(enrolment: Enrolment, u: Utterance) -> ClipReport:
    return enrolment.offer(u, ALICE.embedding(), source="clip", microphone="mic:test", created="2026-11-21T00:00:00Z")


def test_two_people_in_one_clip_are_refused() -> None:
    enrolment = Enrolment(scorer())
    report = enrolment.offer(
        utterance(seconds=6.0), mixed(ALICE, BOB), source="a", microphone="mic:test", created="2026-11-21T00:00:00Z"
    )
    assert (report.accepted, report.reason) == (False, "two_voices")
    assert report.hint


def test_a_copy_of_a_recording_counts_once() -> None:
    enrolment = Enrolment(scorer())
    u = utterance(seconds=4.0, seed=1)
    assert given(enrolment, u).accepted
    assert given(enrolment, copied(u)).reason == "duplicate"
    assert given(enrolment, utterance(seconds=4.0, seed=2)).accepted


def test_a_copy_of_an_earlier_session_is_refused_for_that_person_and_model_only(tmp_path) -> None:
    u = utterance(seconds=4.0, seed=1)
    before = replace(ALICE.exemplar(), digest=digest_of(u.samples))
    with Repeats(tmp_path) as repeats:
        repeats.remember(u.samples, kind="enrolment", person_id="p0001", note=before.digest)
        again = Enrolment(scorer(), existing=[before], repeats=repeats)
        assert given(again, copied(u)).reason == "duplicate"
        # With another model, or for somebody else, nothing of it is there yet.
        assert given(Enrolment(scorer(), repeats=repeats), copied(u)).accepted
        assert given(Enrolment(scorer(), existing=[ALICE.exemplar()], repeats=repeats), copied(u)).accepted


def test_every_recording_is_to_be_remembered_once_and_refused_ones_too() -> None:
    enrolment = Enrolment(scorer())
    for i in range(5):
        offer(enrolment, ALICE, i)
    offer(enrolment, ALICE, 4)
    assert not offer(enrolment, ALICE, 5, snr_db=8.0).accepted
    exemplars, heard = enrolment.finish(), enrolment.recordings()
    assert [digest for digest, _ in heard[:5]] == [e.digest for e in exemplars]
    assert len(heard) == 6
    assert all(digest == digest_of(samples) for digest, samples in heard)


def test_it_goes_on_until_the_voiceprint_hardly_changes() -> None:
    """A voice that varies much needs more than the five clips that a steady one needs."""
    loose, needed = Voice(5), []
    for voice, noise in ((ALICE, 0.4), (loose, 1.6)):
        enrolment, clips = Enrolment(scorer()), 0
        while not enrolment.progress().done:
            offer(enrolment, voice, clips, noise=noise)
            clips += 1
            assert clips <= 2 * MAX_CLIPS
        needed.append(enrolment.progress().clips)
    assert needed[0] == 5
    assert 5 < needed[1] <= MAX_CLIPS


def test_a_clip_that_moves_the_scores_much_is_no_time_to_stop() -> None:
    enrolment = Enrolment(scorer())
    for i in range(5):
        offer(enrolment, ALICE, i, noise=0.2)
    assert enrolment.progress().stable
    offer(enrolment, ALICE, 5, noise=2.0)
    assert not enrolment.progress().stable


@pytest.mark.parametrize(
    ("times", "sessions"),
    [
        ([], 0),
        (["2026-11-21T10:00:00Z"], 1),
        (["2026-11-21T10:00:00Z", "2026-11-21T10:09:00Z", "2026-11-21T10:18:00Z"], 1),
        (["2026-11-21T10:20:01Z", "2026-11-21T10:00:00Z"], 2),
        (["2026-11-20T10:00:00Z", "2026-11-21T10:00:00+00:00", "2026-11-21T12:00:00+02:00"], 2),
        (["yesterday", "2026-11-21T10:00:00Z"], 2),
    ],
)
def test_sessions_are_ten_minutes_apart(times: list[str], sessions: int) -> None:
    assert sessions_of(times) == sessions
