"""The outbox and the disk: what it takes, what it does when there is no more, and that this is bounded."""

import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.errors import StorageError
from edge.mqtt import Publisher, Topics
from edge.outbox import Outbox
from edge.outbox.reserve import RESERVE_BYTES, Reserve
from edge.settings import Mqtt
from tests.edge.test_outbox import event, full_disk, numbers, state
from tests.reliability.disk import fill, small_disk

ROOT = Path(__file__).parents[2]
MEGABYTE = 1024 * 1024


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """8 MB, and it can be filled."""
    with small_disk(tmp_path / "disk", 8) as mounted:
        if not mounted:
            pytest.skip("only root may mount a small disk, and not in every container")
        yield tmp_path / "disk"


def test_on_a_full_disk_events_go_to_the_reserve_and_survive_sigkill(disk: Path) -> None:
    """A process stores on the full disk until the reserve is used up, and is killed; nothing of that is lost."""
    path = disk / "outbox.sqlite"
    Outbox(path).close()
    program = """
import os, signal, sys
from edge.errors import StorageError
from edge.outbox import Outbox
from tests.edge.test_outbox import event
from tests.reliability.disk import fill
from pathlib import Path
outbox = Outbox(sys.argv[1])
fill(Path(sys.argv[1]).parent)
number = 0
try:
    while number < 5000:
        outbox.append(event(number, 500))
        number += 1
except StorageError:
    print(number, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
    killed = subprocess.run(
        [sys.executable, "-c", program, str(path)], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False
    )
    assert killed.returncode == -signal.SIGKILL
    stored = int(killed.stdout)
    assert stored >= 1000
    with Outbox(path) as outbox:
        assert numbers(outbox, limit=10_000) == list(range(stored))


@pytest.mark.parametrize("end", ["killed", "closed"])
def test_an_outbox_opens_on_a_full_disk(disk: Path, end: str) -> None:
    """After a clean end its log and the log's index are gone and have to be made again."""
    path = disk / "outbox.sqlite"
    if end == "closed":
        with Outbox(path) as outbox:
            outbox.append(event(1))
    else:
        program = "import os, sys; from tests.edge.test_outbox import Outbox, event; "
        program += "Outbox(sys.argv[1]).append(event(1)); os.kill(os.getpid(), 9)"
        subprocess.run([sys.executable, "-c", program, str(path)], cwd=ROOT, check=False)
    fill(disk)
    with Outbox(path) as outbox:
        outbox.append(event(2))
        assert numbers(outbox) == [1, 2]
        assert outbox.on_reserve


def test_the_reserve_is_taken_again_when_there_is_room(disk: Path) -> None:
    with Outbox(disk / "outbox.sqlite") as outbox:
        filler = fill(disk)
        for number in range(200):
            outbox.append(event(number, 2000))
        assert outbox.on_reserve
        filler.unlink()
        outbox.append(event(200))
        assert not outbox.on_reserve
        assert (disk / "outbox.reserve").stat().st_blocks * 512 >= RESERVE_BYTES


def test_a_reserve_that_an_earlier_process_used_up_is_taken_when_there_is_room(disk: Path) -> None:
    """Opened on a disk that is still full, and never in trouble itself: the next full disk must not find it missing."""
    path = disk / "outbox.sqlite"
    with Outbox(path) as outbox:
        outbox.append(event(1))
    (disk / "outbox.reserve").write_bytes(b"")
    filler = fill(disk)
    with filler.open("r+b") as file:
        file.truncate(filler.stat().st_size - MEGABYTE)
    with Outbox(path) as outbox:
        outbox.append(event(2))
        assert not outbox.on_reserve
        filler.unlink()
        outbox.append(event(3))
        assert (disk / "outbox.reserve").stat().st_blocks * 512 >= RESERVE_BYTES


def test_that_the_reserve_is_used_is_a_problem_to_tell(disk: Path) -> None:
    topics = Topics("earmark", "kitchen")
    with Outbox(disk / "outbox.sqlite") as outbox:
        publisher = Publisher(Mqtt(), topics, outbox)
        filler = fill(disk)
        for _ in range(100):
            publisher.publish(topics.message("utterance", b"x" * 2000))
        assert "is full" in (publisher.problem or "")
        assert outbox.counters.in_memory == 0
        filler.unlink()
        publisher.publish(topics.message("utterance", b"x"))
        assert publisher.problem is None
        publisher.stop()


def test_a_disk_that_is_nearly_full_is_left_its_room(disk: Path) -> None:
    (disk / "others").write_bytes(bytes(5 * MEGABYTE))
    with Outbox(disk / "outbox.sqlite") as outbox:
        outbox.append(event(1))
        reserve = disk / "outbox.reserve"
        assert not reserve.exists() or reserve.stat().st_size == 0


def test_a_reserve_that_cannot_be_made_is_none(tmp_path: Path) -> None:
    reserve = Reserve(tmp_path / "nowhere" / "reserve")
    reserve.keep()
    assert not reserve.give()


def test_the_reserve_does_not_hide_a_disk_that_gives_no_room(tmp_path: Path) -> None:
    """Where giving it back does not help, as with a quota on the size of a file, messages wait in memory as before."""
    path = tmp_path / "outbox.sqlite"
    with Outbox(path) as outbox:
        outbox.append(event(1))
        with full_disk(path), pytest.raises(StorageError):
            outbox.append(event(2))
        assert numbers(outbox) == [1, 2]


def test_nobody_else_can_read_the_reserve(tmp_path: Path) -> None:
    Outbox(tmp_path / "outbox.sqlite").close()
    assert (tmp_path / "outbox.reserve").stat().st_mode & 0o077 == 0


def test_a_week_of_events_takes_no_more_room_than_a_day(tmp_path: Path) -> None:
    """A queue for 200 events and 30 topics, first with a broker that takes everything, then without one."""
    path = tmp_path / "outbox.sqlite"

    def size() -> int:
        return sum(one.stat().st_size for one in tmp_path.glob("outbox.sqlite*"))

    with Outbox(path, max_events=200) as outbox:
        largest = []
        for _day in range(7):
            for number in range(300):
                ident, *others = outbox.append_all([event(number, 600), state(f"person/p{number % 30}/state", "ON")])
                outbox.acknowledge(ident, *others)
            largest.append(size())
        assert max(largest[1:]) <= max(largest[0], 1.3 * MEGABYTE)
        away = []
        for _day in range(7):
            for number in range(300):
                outbox.append_all([event(number, 600), state("last", str(number))])
            away.append(size())
        assert max(away[1:]) <= away[0] + 64 * 1024
        assert max(away) <= 1.3 * MEGABYTE + 200 * 2000
        assert outbox.counters.dropped == 7 * 300 - 200
    assert size() <= 200 * 2000


def test_of_damaged_files_only_the_latest_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "outbox.sqlite"
    for number in range(6):
        path.write_bytes(b"\xa5" * (5000 + number))
        Outbox(path, now=lambda number=number: 1_795_260_602.0 + 60 * number).close()
    kept = sorted(tmp_path.glob("outbox.corrupt-*.sqlite"))
    assert [one.stat().st_size for one in kept] == [5003, 5004, 5005]


def test_files_damaged_within_one_second_are_kept_too(tmp_path: Path) -> None:
    path = tmp_path / "outbox.sqlite"
    for number in range(3):
        path.write_bytes(b"\xa5" * (5000 + number))
        Outbox(path, now=lambda: 1_795_260_602.0).close()
    assert {one.stat().st_size for one in tmp_path.glob("outbox.corrupt-*.sqlite")} == {5000, 5001, 5002}


def test_the_log_shrinks_after_a_burst(tmp_path: Path) -> None:
    """A reader holds it open for a while, as a copy for a backup may; it does not stay long for ever."""
    path = tmp_path / "outbox.sqlite"
    with Outbox(path) as outbox:
        outbox.append(event(0))
        reader = sqlite3.connect(path, isolation_level=None)
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM messages").fetchall()
        for number in range(300):
            outbox.append(event(number, 8000))
        assert Path(f"{path}-wal").stat().st_size > 2 * MEGABYTE
        reader.execute("COMMIT")
        reader.close()
        for number in range(20):
            outbox.append(event(number))
        assert Path(f"{path}-wal").stat().st_size < 1.3 * MEGABYTE
