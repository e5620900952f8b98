"""Enrolment: every refusal has its reason, and a second voice never enters a voiceprint."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edge.enrolment import ClipReport, Enrolment, band_ratio_db, quality
from edge.errors import EnrolmentError
from edge.records import SAMPLE_RATE
from edge.scoring import OperatingPoint
from tests.edge.voices import Voice, scorer, utterance

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
