"""The audit log: nothing can be changed, removed, moved or cut off without being found."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.auth import audit, chain, files, journal
from edge.auth.audit import Witness
from edge.auth.clock import ManualBootClock
from edge.auth.gate import Counter
from edge.errors import StorageError, UsageError
from tests.edge.auth.conftest import attempt, fail


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> tuple[Path, bytes]:
    """A folder with eight entries, and the text of its log, which is to be put back."""
    folder = tmp_path_factory.mktemp("log")
    counter = Counter(folder, ManualBootClock(now=1.79e9))
    for number in range(7):
        attempt(counter, verdict="match" if number % 3 else "failed")
    counter.close()
    return folder, (folder / "audit.jsonl").read_bytes()


def checked(folder: Path, text: bytes) -> tuple[audit.Report, bytes]:
    """The report on another text, and the text after the check."""
    (folder / "audit.jsonl").write_bytes(text)
    report = audit.check(folder, ManualBootClock())
    return report, (folder / "audit.jsonl").read_bytes()


def test_what_was_written_is_sound(written) -> None:
    folder, text = written
    report, after = checked(folder, text)
    assert (report.faults, report.entries, report.last, report.mended) == ((), 8, 8, False)
    assert after == text
    for line in text.splitlines():
        entry = json.loads(line)
        assert set(entry) <= {"n", "time", "boot", "up", "event", "uid", "attempt", "person", "outcome", "prev", "hash"}


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_every_edit_of_a_byte_is_found(written, data) -> None:
    folder, text = written
    place = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.integers(0, 255).filter(lambda byte: byte != text[place]))
    report, _ = checked(folder, text[:place] + bytes([other]) + text[place + 1 :])
    assert report.faults


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_every_line_that_is_removed_added_or_moved_is_found(written, data) -> None:
    folder, text = written
    lines = text.splitlines(keepends=True)
    order = data.draw(st.lists(st.integers(0, len(lines) - 1), max_size=10).filter(lambda o: o != list(range(8))))
    report, after = checked(folder, b"".join(lines[number] for number in order))
    # All but the very last line, which the record can write again: nothing is lost then.
    assert report.faults or (report.mended and after == text)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_wherever_it_is_cut_off_that_is_found_or_put_back(written, data) -> None:
    folder, text = written
    report, after = checked(folder, text[: data.draw(st.integers(0, len(text) - 1))])
    assert report.faults or (report.mended and after == text)
    last = len(text.splitlines(keepends=True)[-1])
    report, after = checked(folder, text[: len(text) - data.draw(st.integers(1, last))])
    assert report.mended and after == text


@pytest.mark.parametrize("more", [b"\n", b" ", b"{}\n", b'{"n":9}\n'])
def test_what_is_added_is_found(written, more) -> None:
    folder, text = written
    assert checked(folder, text + more)[0].faults
    assert checked(folder, more + text)[0].faults


def test_a_file_that_is_gone_is_found(written) -> None:
    folder, text = written
    (folder / "audit.jsonl").unlink()
    report = audit.check(folder, ManualBootClock())
    assert [fault.what for fault in report.faults] == ["entries 1 to 8 are missing at the end"]
    (folder / "audit.jsonl").write_bytes(text)


def rewritten(text: bytes, change: int, **values: object) -> bytes:
    """A chain that is sound in itself, with one entry changed: what somebody writes who knows how."""
    digest, lines = chain.START, b""
    for line in text.splitlines():
        entry = dict(json.loads(line))
        number = entry.pop("n")
        del entry["hash"], entry["prev"]
        made, digest = chain.link(number, digest, entry | (values if number == change else {}))
        lines += made
    return lines


def test_another_history_that_is_sound_in_itself_is_found_by_the_record(written) -> None:
    folder, text = written
    assert rewritten(text, 0) == text
    report, _ = checked(folder, rewritten(text, 3, outcome="no_match"))
    assert [fault.what for fault in report.faults] == ["the log does not end with entry 8 as it was written"]


def test_a_fault_names_file_line_and_what(written) -> None:
    folder, text = written
    lines = text.splitlines(keepends=True)
    report, _ = checked(folder, b"".join([*lines[:2], lines[2].replace(b'"failed"', b'"match"'), *lines[4:]]))
    told = [fault.sentence() for fault in report.faults]
    assert "audit.jsonl, line 4: entry 4 is missing before entry 5" in told


def test_the_head_that_was_noted_shows_a_log_and_record_written_anew(folder, clock) -> None:
    counter = Counter(folder, clock)
    fail(counter, 2)
    noted = Witness.parse(audit.check(folder, clock).head)
    assert noted.entries == 3
    fail(counter, 1)
    counter.close()
    assert not audit.check(folder, clock, noted).faults
    for path in folder.iterdir():
        path.unlink()
    clock.advance(1)
    counter = Counter(folder, clock)
    fail(counter, 1)
    assert [fault.what for fault in audit.check(folder, clock, noted).faults] == [
        "entry 3, which was noted, is not there"
    ]
    fail(counter, 2)
    counter.close()
    assert "written anew" in audit.check(folder, clock, noted).faults[0].what


@pytest.mark.parametrize("text", ["", "3", "3:abc", "0:" + "a" * 64, "x:" + "a" * 64])
def test_a_head_that_is_none_is_refused(text) -> None:
    with pytest.raises(UsageError):
        Witness.parse(text)


def test_rotation_carries_the_chain_over_and_drops_the_oldest(folder, clock, monkeypatch) -> None:
    monkeypatch.setattr(journal, "LONGEST_BYTES", 1000)
    monkeypatch.setattr(journal, "KEPT_FILES", 3)
    counter = Counter(folder, clock)
    for _ in range(30):
        attempt(counter, verdict="match")
        assert not audit.check(folder, clock).faults
    counter.close()
    report = audit.check(folder, clock)
    names = sorted(path.name for path in folder.glob("audit*.jsonl"))
    assert len(names) == 4 and names[-1] == "audit.jsonl"
    assert report.first == int(names[0][6:14]) > 1
    assert (report.last, report.entries) == (31, 31 - report.first + 1)
    gone = folder / names[1]
    text = gone.read_bytes()
    gone.unlink()
    assert any("missing before" in fault.what for fault in audit.check(folder, clock).faults)
    gone.write_bytes(text)
    (folder / names[0]).unlink()
    assert any("missing before" in fault.what for fault in audit.check(folder, clock).faults)


def test_a_log_that_is_rotated_while_it_is_read_is_read_whole(folder, clock, monkeypatch) -> None:
    """Somebody wants to rename and delete its files when they have just been listed, and when one entry was read."""
    monkeypatch.setattr(journal, "LONGEST_BYTES", 1)
    counter = Counter(folder, clock)
    fail(counter, 3)
    listed, was_locked = files.logs, []

    def rotate(patience: float) -> None:
        with monkeypatch.context() as now:
            now.setattr(files, "_LOCK_SECONDS", patience)
            now.setattr(journal, "KEPT_FILES", 1)
            counter.begin("p0002", {}, called="Ben")

    def logs(place: Path) -> list[Path]:
        monkeypatch.setattr(files, "logs", listed)
        found = listed(place)
        try:
            rotate(patience=-1.0)
        except StorageError:
            was_locked.append(True)
        return found

    monkeypatch.setattr(files, "logs", logs)
    read = audit.entries(folder)
    first = next(read)
    rotate(patience=30.0)
    assert [entry.number for entry in (first, *read)] == [1, 2, 3, 4]
    assert was_locked and len(listed(folder)) == 1
    counter.close()


def test_a_log_that_somebody_changed_goes_on_and_stays_evidence(folder, clock) -> None:
    counter = Counter(folder, clock)
    fail(counter, 2)
    path = folder / "audit.jsonl"
    path.write_bytes(path.read_bytes()[:-30])
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:-1])[:-20])
    fail(counter, 2)
    counter.close()
    report = audit.check(folder, clock)
    assert report.faults and report.last == 5
    assert [entry.number for entry in audit.entries(folder)] == [1, 4, 5]


def test_repeated_refusals_are_one_line_and_then_a_number(folder, clock) -> None:
    counter = Counter(folder, clock)
    fail(counter, 5)
    for _ in range(40):
        with pytest.raises(Exception, match="locked out"):
            counter.begin("p0001", {}, called="Ada")
    clock.advance(30)
    assert counter.begin("p0001", {}, called="Ada").refused == 40
    counter.close()
    assert [entry.values["event"] for entry in audit.entries(folder)].count("refused") == 1
