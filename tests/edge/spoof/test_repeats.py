"""Repeats: the same recording is known again, a copy too, and nobody's live speech is."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.audio import read_samples, resample
from edge.clock import ManualClock
from edge.demo.stage import ASSETS
from edge.errors import StorageError
from edge.spoof import Copies, Repeats, simulate
from edge.spoof.fingerprint import kept, packed, trace, unpacked
from edge.spoof.matching import find
from edge.spoof.repeats import MOST_DAYS

NAMES = sorted(path.name for path in ASSETS.glob("*.ogg") if path.name != "stream.ogg")
SECRET = bytes(32)


def clip(name: str) -> np.ndarray:
    return read_samples(ASSETS / name)


ADA = clip("ada-enrol-1.ogg")


@pytest.fixture
def repeats(tmp_path: Path):
    with Repeats(tmp_path) as opened:
        yield opened


def test_the_very_same_recording_twice(repeats: Repeats) -> None:
    assert repeats.meet(ADA, person_id="p0001").repeat is None
    again, number = repeats.meet(ADA)
    assert number is None
    assert again is not None and again.exact and again.likeness > 0.99
    assert (again.kind, again.person_id) == ("attempt", "p0001")
    assert len(repeats) == 1


def codec(name: str):
    from edge.audio.files import read_samples as read

    def round_trip(samples: np.ndarray, folder: Path) -> np.ndarray:
        import soundfile

        path = folder / f"copy.{name}"
        soundfile.write(path, samples, 16_000, format=name.upper())
        return read(path)

    return round_trip


@pytest.mark.parametrize(
    "change",
    [
        lambda x, _: x[1:],
        lambda x, _: 0.05 * x[777:],
        lambda x, _: np.concatenate([np.zeros(12_345, np.float32), x, np.zeros(4_000, np.float32)]),
        lambda x, _: x[8_000:48_000],
        lambda x, _: resample(resample(x[101:], 16_000, 44_100), 44_100, 16_000),
        lambda x, _: resample(resample(x[101:], 16_000, 8_000), 8_000, 16_000),
        lambda x, _: simulate.telephone(x[55:]),
        codec("ogg"),
        codec("mp3"),
        codec("flac"),
    ],
    ids=["sample", "softer", "padded", "cut", "44k", "8k", "telephone", "ogg", "mp3", "flac"],
)
def test_a_copy_is_known_again(change, repeats: Repeats, tmp_path: Path) -> None:
    repeats.remember(ADA)
    found = repeats.seen(change(ADA, tmp_path))
    assert found is not None and found.seconds >= 0.7


def test_recordings_put_together_are_known_again(repeats: Repeats) -> None:
    other = clip("ada-enrol-2.ogg")
    repeats.remember(ADA)
    repeats.remember(other)
    pause = np.zeros(3_200, np.float32)
    assert repeats.seen(np.concatenate([ADA[6_000:26_000], pause, other[10_000:28_000]])) is not None


def test_nobody_is_a_repeat_of_what_somebody_said_before() -> None:
    """Every clip of the demonstration against all the others, of the same person among them."""
    clips = [clip(name) for name in NAMES]
    prints = [kept(trace(samples, SECRET)) for samples in clips]
    for number, samples in enumerate(clips):
        assert find(samples, SECRET, prints[:number] + prints[number + 1 :]) is None, NAMES[number]
        assert find(samples, SECRET, prints) is not None, NAMES[number]


def test_another_pitch_and_tempo_is_another_take(repeats: Repeats) -> None:
    repeats.remember(ADA)
    assert repeats.seen(simulate.pitch(simulate.faster(ADA, 1.05), 1.0)) is None


@given(begin=st.integers(0, 1_600), gain=st.floats(0.01, 3.0))
@settings(max_examples=15, deadline=None)
def test_no_shift_and_no_gain_hides_a_recording(begin: int, gain: float) -> None:
    prints = [kept(trace(ADA, SECRET))]
    match = find(ADA[begin:] * np.float32(gain), SECRET, prints)
    assert match is not None and match.likeness > 0.8


@pytest.mark.parametrize(
    "samples",
    [
        np.zeros(0, np.float32),
        np.zeros(32_000, np.float32),
        np.ones(500, np.float32),
        np.full(16_000, np.nan, np.float32),
        np.full(16_000, 0.5, np.float32),
    ],
    ids=["nothing", "silence", "short", "nan", "constant"],
)
def test_what_is_no_sound_is_no_repeat(samples: np.ndarray, repeats: Repeats) -> None:
    repeats.remember(ADA)
    assert repeats.meet(samples) == (None, None)


def test_the_file_is_the_owners_and_small_and_holds_no_sound(repeats: Repeats) -> None:
    assert repeats.path.stat().st_mode & 0o777 == 0o600
    bits = kept(trace(ADA, SECRET))
    assert len(packed(bits)) * 8 <= 165 * len(ADA) / 16_000
    assert np.array_equal(unpacked(packed(bits)), bits)


def test_a_print_says_nothing_without_its_secret() -> None:
    prints = [kept(trace(ADA, b"one"))]
    assert find(ADA, b"one", prints) is not None
    assert find(ADA, b"two", prints) is None


def test_two_processes_see_each_other(tmp_path: Path) -> None:
    """Of many who bring the same recording at once, one is the first."""
    found: list[bool] = []

    def ask() -> None:
        with Repeats(tmp_path) as mine:
            found.append(mine.meet(ADA).repeat is not None)

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == [False] + 5 * [True]


def test_a_file_that_another_is_just_making_is_not_taken_for_a_strangers(tmp_path: Path) -> None:
    """Whose file it is takes three questions, and the tables may come between two of them."""
    refused: list[Exception] = []

    def first(folder: Path) -> None:
        together.wait()
        try:
            Repeats(folder).close()
        except Exception as error:
            refused.append(error)

    for number in range(30):
        together = threading.Barrier(8)
        threads = [threading.Thread(target=first, args=(tmp_path / str(number),)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert refused == []


WRITE = """
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], timeout=0, isolation_level=None)
try:
    db.execute("BEGIN IMMEDIATE")
except sqlite3.OperationalError as error:
    print(error)
"""


def test_opening_it_once_more_leaves_the_lock_of_a_thread_that_writes(repeats: Repeats) -> None:
    """The system drops all locks of a process on a file when the process closes any descriptor of that file."""

    def write_elsewhere() -> str:
        asked = [sys.executable, "-c", WRITE, str(repeats.path)]
        return subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()

    with repeats._file.writing():
        assert write_elsewhere() == "database is locked"
        thread = threading.Thread(target=lambda: Repeats(repeats.path).close())
        thread.start()
        thread.join()
        assert write_elsewhere() == "database is locked"
    assert write_elsewhere() == ""


def test_it_forgets_after_half_a_year(tmp_path: Path) -> None:
    clock = ManualClock(now=1_000_000.0)
    with Repeats(tmp_path, clock) as repeats:
        repeats.remember(ADA)
        clock.advance((MOST_DAYS - 1) * 86_400)
        found = repeats.seen(ADA)
        assert found is not None and found.created == "1970-01-12T13:46:40Z"
        clock.advance(2 * 86_400)
        assert repeats.seen(ADA) is None
        repeats.remember(clip("ben-enrol-1.ogg"))
        assert len(repeats) == 1


def test_only_the_latest_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge.spoof.repeats.MOST_UTTERANCES", 2)
    with Repeats(tmp_path) as repeats:
        for name in NAMES[:3]:
            repeats.remember(clip(name))
        assert len(repeats) == 2
        assert [repeats.seen(clip(name)) is not None for name in NAMES[:3]] == [False, True, True]


def test_a_person_who_is_removed_takes_their_fingerprints_along(repeats: Repeats) -> None:
    repeats.remember(ADA, kind="enrolment", person_id="p0001", note="digest")
    repeats.remember(clip("ben-enrol-1.ogg"), kind="enrolment", person_id="p0002")
    assert repeats.seen(ADA, kind="attempt") is None
    found = repeats.seen(ADA, kind="enrolment")
    assert found is not None and found.note == "digest"
    assert repeats.forget("p0001") == 1
    assert repeats.seen(ADA) is None
    assert len(repeats) == 1


def test_one_fingerprint_can_be_taken_back(repeats: Repeats) -> None:
    repeats.remember(clip("ben-enrol-1.ogg"), person_id="p0001")
    number = repeats.meet(ADA, person_id="p0001").number
    assert number is not None
    repeats.drop(number)
    assert repeats.seen(ADA) is None and len(repeats) == 1


@pytest.mark.parametrize(
    "content",
    [b"this is no database at all, and longer than a header" * 20, b"x", b"SQLite format 3\0", bytes(511), bytes(512)],
    ids=["words", "letter", "header", "zeros", "page of zeros"],
)
def test_a_damaged_file_is_an_error_and_stays(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "repeats.sqlite"
    path.write_bytes(content)
    with pytest.raises(StorageError, match=r"repeats\.sqlite"):
        Repeats(tmp_path)
    assert path.read_bytes() == content


def test_another_programs_database_is_left_alone(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "repeats.sqlite") as other:
        other.execute("CREATE TABLE things (x)")
    with pytest.raises(StorageError, match="another program"):
        Repeats(tmp_path)


def test_a_torn_fingerprint_is_damage_and_no_answer(tmp_path: Path) -> None:
    with Repeats(tmp_path) as repeats:
        repeats.remember(ADA)
    with sqlite3.connect(tmp_path / "repeats.sqlite") as file:
        file.execute("UPDATE heard SET print = x'00'")
    with Repeats(tmp_path) as repeats, pytest.raises(StorageError, match="damaged"):
        repeats.seen(ADA)


def test_copies_are_known_within_one_session() -> None:
    copies = Copies()
    assert not copies.seen(ADA)
    copies.add(ADA)
    assert copies.seen(ADA[333:] * np.float32(0.5))
    assert not copies.seen(clip("ada-enrol-2.ogg"))


def test_even_a_word_that_is_played_again_is_known(repeats: Repeats) -> None:
    """An attempt may match from 0.4 s of speech on, so that must not be played back either."""
    word = ADA[8_000:17_000]
    assert repeats.meet(word).repeat is None
    assert repeats.meet(word).repeat is not None
