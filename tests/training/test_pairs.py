"""Enrolments and tests that a calibration is fitted on: who is in them, and in which variety."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edge.errors import UsageError
from training import moods, pairs
from training.corpus import Recording

RATE = 16000


def recordings(split: str = "train") -> list[Recording]:
    """Sentences of six people of known gender, words of nine of unknown, background, and somebody with two clips."""
    rows = []
    for i in range(6):
        rows += [
            Recording(
                f"{split}/read/{i}/{n}.ogg", split, "librispeech", f"r{i}", "fm"[i % 2], "", "en", 9.0 + n % 4, "", ""
            )
            for n in range(12)
        ]
    for i in range(9):
        rows += [
            Recording(f"{split}/words/{i}/{n}.ogg", split, "speechcommands", f"w{i}", "", "", "en", 1.0, "", "")
            for n in range(4 + i % 3)
        ]
    rows += [Recording(f"{split}/few/{n}.ogg", split, "vctk", "few", "f", "", "en", 5.0, "", "") for n in range(2)]
    rows += [
        Recording(f"noise/{fold}-hum-{n}.ogg", "noise", "esc10", "", "", "", "", 5.0, "", "")
        for fold in range(1, 6)
        for n in range(3)
    ]
    return rows


def files(take: pairs.Take) -> set[str]:
    return {clip.path for clips in take.side.utterances for clip in clips}


def test_enrolments_and_tests_of_a_speaker_share_no_file_and_no_other_speakers():
    takes = pairs.draw(recordings())
    people = {(t.set, t.speaker) for t in takes}
    assert len(people) == 6 + 9, "speakers with too few clips are left out"
    for who in people:
        mine = [t for t in takes if (t.set, t.speaker) == who]
        enrol = set().union(*(files(t) for t in mine if t.kind == "enrol"))
        test = set().union(*(files(t) for t in mine if t.kind == "test"))
        assert enrol and test and not enrol & test
        assert all(f"/{who[1][1:]}/" in path for path in enrol | test)


def test_takes_vary_as_households_do():
    takes = [t for t in pairs.draw(recordings(), pairs.Plan(enrolments=60, tests=60)) if t.set == "librispeech"]
    clips = [len(t.side.utterances) for t in takes if t.kind == "enrol"]
    assert min(clips) == 1 and max(clips) >= 6
    totals = [sum(c.seconds or 9.0 for cs in t.side.utterances for c in cs) for t in takes if t.kind == "enrol"]
    assert 1.5 <= min(totals) < 3 and 15 < max(totals) <= 22
    lengths = [t.side.utterances[0][0].seconds or 9.0 for t in takes if t.kind == "test"]
    assert 0.7 <= min(lengths) < 1 and 6 < max(lengths) <= 9
    assert {t.side.noise.snr_db for t in takes if t.kind == "test" and t.side.noise} == {20.0, 10.0, 5.0}
    assert 0.3 < np.mean([t.side.noise is None for t in takes if t.kind == "test"]) < 0.75
    folds = {Path(t.side.noise.path).name[0] for t in takes if t.side.noise}
    assert folds == set(pairs.NOISE_FOLDS), "two folds of noise are kept for others to measure with"
    assert min(t.gain_db for t in takes) < -12 < 0 < max(t.gain_db for t in takes)


def test_words_are_joined_never_twice_and_cut_never():
    takes = [t for t in pairs.draw(recordings()) if t.set == "speechcommands"]
    for take in takes:
        names = [clip.path for clips in take.side.utterances for clip in clips]
        assert len(names) == len(set(names))
        assert all(clip.seconds is None for clips in take.side.utterances for clip in clips)


def test_the_seed_decides_and_a_new_speaker_changes_nobody_else():
    rows = recordings()
    without = [r for r in rows if r.speaker != "r0"]
    takes = pairs.draw(rows)
    assert takes == pairs.draw(rows)
    assert [t for t in takes if t.speaker != "r0"] == pairs.draw(without)
    assert takes != pairs.draw(rows, pairs.Plan(seed=2))


def test_the_development_split_is_never_drawn_from():
    dev = [r for r in recordings("dev") if r.split == "dev"]
    assert pairs.draw(recordings() + dev) == pairs.draw(recordings())
    with pytest.raises(UsageError, match="training speakers"):
        pairs.draw(dev)


def test_moods_are_further_tests_of_the_same_clips_and_change_no_other_take():
    calm = pairs.draw(recordings())
    takes = pairs.draw(recordings(), pairs.Plan(moods=3))
    moody = [t for t in takes if t.mood is not None]
    assert [t for t in takes if t.mood is None] == calm, "what was embedded before serves again"
    assert {t.speaker for t in moody} == {f"r{i}" for i in range(6)}, "nobody with a handful of words"
    assert len(moody) == 3 * 6 and len({t.mood for t in moody}) == len(moody)
    assert all(t.kind == "test" and replace(t, mood=None) in calm for t in moody)
    found = pairs.pair(takes, most_impostors=100)
    in_mood = np.array([t.mood is not None for t in takes])[found.test]
    assert not in_mood.all() and in_mood[~found.target].sum() <= 25 + 1


def test_a_mood_moves_pitch_and_pace_and_leaves_samples_whole():
    rng = np.random.default_rng(2)
    drawn = [moods.draw(rng) for _ in range(300)]
    assert min(m.pitch for m in drawn) < 0.85 and max(m.pitch for m in drawn) > 1.3
    assert 0.95 < np.median([m.pitch for m in drawn]) < 1.15, "most are not far from calm"
    seconds = np.arange(2 * RATE) / RATE
    voice = sum(np.sin(2 * np.pi * 130 * k * seconds) / k for k in range(1, 30)).astype(np.float32) / 8
    mood = moods.Mood(pitch=1.5, formant=1.0, tempo=1.25, melody_semitones=0.01, loudness_db=0.0, tilt_db=0.0, seed=1)
    moved = mood.apply(voice)
    assert moved.dtype == np.float32 and np.array_equal(moved, mood.apply(voice))
    assert len(moved) == pytest.approx(len(voice) / 1.25, rel=0.15)
    spectrum = np.abs(np.fft.rfft(moved[4000:12000] * np.hanning(8000)))
    assert np.argmax(spectrum) * 2 == pytest.approx(195, abs=8)
    assert np.abs(moved).max() <= 1.0


def test_every_enrolment_meets_every_test_of_its_set_and_no_other():
    takes = pairs.draw(recordings())
    found = pairs.pair(takes)
    sets = np.array([t.set for t in takes])
    assert np.array_equal(sets[found.enrol], sets[found.test])
    count = {(s, k): sum(t.set == s and t.kind == k for t in takes) for s in set(sets) for k in ("enrol", "test")}
    assert len(found.target) == sum(count[s, "enrol"] * count[s, "test"] for s in set(sets))
    assert all(takes[i].kind == "enrol" for i in found.enrol) and all(takes[i].kind == "test" for i in found.test)
    for e, t, same, alike in zip(found.enrol, found.test, found.target, found.same_gender, strict=True):
        assert same == (takes[e].speaker == takes[t].speaker)
        assert alike == (takes[e].gender == takes[t].gender)


def test_too_many_impostors_are_thinned_and_no_genuine_trial_is_lost():
    takes = pairs.draw(recordings())
    everything, thinned = pairs.pair(takes), pairs.pair(takes, most_impostors=50)
    assert thinned.target.sum() == everything.target.sum()
    assert (~thinned.target).sum() == 100, "fifty in each of two sets"
