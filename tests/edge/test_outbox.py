"""What is in the outbox stays in it, in order, until the broker has it."""

import errno
import os
import re
import resource
import signal
import sqlite3
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from edge.errors import StorageError
from edge.outbox import Outbox
from edge.records import Message


def event(number: int, size: int = 8) -> Message:
    return Message("earmark/kitchen/utterance", str(number).encode().ljust(size), 1, False, "event")


def state(topic: str, value: str) -> Message:
    return Message(f"earmark/kitchen/{topic}", value.encode(), 1, True, "state")


def numbers(outbox: Outbox, **more) -> list[int]:
    return [int(message.payload) for _, message in outbox.pending(**more) if message.kind == "event"]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "outbox.sqlite"


def test_messages_come_back_as_they_were_in_order_also_after_a_restart(path: Path) -> None:
    sent = [event(1), state("last", "ä"), Message("t", bytes(range(256)), 0, False, "event"), event(2)]
    with Outbox(path) as outbox:
        ids = [outbox.append(message) for message in sent]
        assert ids == sorted(set(ids))
    with Outbox(path) as outbox:
        assert outbox.pending() == list(zip(ids, sent, strict=True))
        assert outbox.pending(limit=2) == list(zip(ids, sent, strict=True))[:2]
        assert outbox.pending(after=ids[1]) == list(zip(ids, sent, strict=True))[2:]


def test_acknowledged_events_are_gone_for_good_and_ids_are_never_used_again(path: Path) -> None:
    with Outbox(path) as outbox:
        ids = outbox.append_all([event(1), event(2), event(3)])
        outbox.acknowledge(ids[0], ids[2], 12345)
        assert numbers(outbox) == [2]
        outbox.acknowledge(ids[1])
    with Outbox(path) as outbox:
        assert outbox.pending() == []
        assert outbox.append(event(4)) > max(ids)


def test_only_the_latest_state_of_a_topic_counts_and_it_moves_to_the_end(path: Path) -> None:
    with Outbox(path) as outbox:
        outbox.append_all([state("last", "Alice"), event(1), state("info", "x"), state("last", "Bob")])
        assert [message.payload.strip() for _, message in outbox.pending()] == [b"1", b"x", b"Bob"]


def test_delivered_states_are_remembered_and_cleared_topics_forgotten(path: Path) -> None:
    with Outbox(path) as outbox:
        ids = outbox.append_all([state("last", "Alice"), state("person/p1/state", "ON"), event(1)])
        outbox.acknowledge(*ids)
        assert outbox.pending() == []
        outbox.append(state("last", "Bob"))
        cleared = outbox.append(state("person/p1/state", ""))
        assert [message.payload for _, message in outbox.pending()] == [b"Bob", b""]
        assert [message.payload for _, message in outbox.states()] == [b"Bob"]
        outbox.acknowledge(cleared)
    with Outbox(path) as outbox:
        assert [message.payload for _, message in outbox.states()] == [b"Bob"]
        assert [message.payload for _, message in outbox.pending()] == [b"Bob"]


def test_an_acknowledgement_of_an_old_state_does_not_settle_the_new_one(path: Path) -> None:
    with Outbox(path) as outbox:
        old = outbox.append(state("last", "Alice"))
        outbox.append(state("last", "Bob"))
        outbox.acknowledge(old)
        assert [message.payload for _, message in outbox.pending()] == [b"Bob"]


def test_a_full_outbox_drops_the_oldest_events_counts_them_for_good_and_keeps_states(path: Path) -> None:
    with Outbox(path, max_events=3) as outbox:
        outbox.append(state("last", "Alice"))
        for number in range(5):
            outbox.append(event(number))
        assert numbers(outbox) == [2, 3, 4]
        assert outbox.states()[0][1].payload == b"Alice"
        assert outbox.counters.dropped == 2
    with Outbox(path, max_events=3) as outbox:
        outbox.append(event(5))
        assert numbers(outbox) == [3, 4, 5]
        assert outbox.counters.dropped == 3


def test_refused_messages_stand_aside_until_they_are_taken_back(path: Path) -> None:
    with Outbox(path) as outbox:
        ids = outbox.append_all([event(1), event(2)])
        outbox.set_aside(ids[0])
        assert numbers(outbox) == [2]
        assert (outbox.counters.pending, outbox.counters.refused) == (1, 1)
    with Outbox(path) as outbox:
        assert numbers(outbox) == [2]
        assert outbox.take_back() == 1
        assert numbers(outbox) == [1, 2]


def test_nobody_else_can_read_the_files(path: Path) -> None:
    """Also where somebody had opened them up, and whatever the umask."""
    path.touch(0o644)
    before = os.umask(0)
    try:
        with Outbox(path) as outbox:
            outbox.append(event(1))
            files = list(path.parent.glob("outbox.sqlite*"))
            assert len(files) >= 2, "the log lies beside the file while it is open"
            assert {stat.S_IMODE(one.stat().st_mode) for one in files} == {0o600}
    finally:
        os.umask(before)


@pytest.mark.parametrize("damage", ["no database", "pages", "newer"])
def test_a_damaged_file_is_moved_aside_with_a_date_and_a_new_one_begun(path: Path, damage: str, caplog) -> None:
    with Outbox(path) as outbox:
        outbox.append_all([event(number, 400) for number in range(200)])
    if damage == "newer":
        with sqlite3.connect(path) as db:
            db.execute("PRAGMA user_version = 99")
        db.close()
    else:
        content = bytearray(path.read_bytes())
        start, end = (0, 100) if damage == "no database" else (4096, len(content))
        content[start:end] = b"\xa5" * (end - start)
        path.write_bytes(content)
    kept = path.read_bytes()
    with Outbox(path, now=lambda: 1_795_260_602.0) as outbox:
        assert outbox.pending() == []
        outbox.append(event(1))
        assert numbers(outbox) == [1]
    aside = path.with_name("outbox.corrupt-20261121T113002Z.sqlite")
    assert aside.read_bytes() == kept
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert aside.name in caplog.text


def test_damage_while_it_runs_costs_what_was_stored_but_not_what_comes(path: Path, caplog) -> None:
    """And ids go on ascending, for whoever remembers the last one."""
    with Outbox(path) as outbox:
        last = max(outbox.append_all([event(number, 4000) for number in range(300)]))
        outbox.acknowledge(1)
        with sqlite3.connect(path) as db:
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        db.close()
        with path.open("r+b") as file:
            file.write(b"\xa5" * path.stat().st_size)
        assert outbox.append(event(7)) > last
        assert numbers(outbox, after=last) == [7]
    assert "damaged" in caplog.text
    assert len(list(path.parent.glob("outbox.corrupt-*.sqlite"))) == 1


def test_a_damaged_file_that_cannot_be_put_aside_costs_nothing_that_comes(path: Path, monkeypatch) -> None:
    """As on a disk that became read-only: what is decided waits in memory, and is stored when that works again."""

    def read_only(*_: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    with Outbox(path) as outbox:
        last = outbox.append(event(1))
        with sqlite3.connect(path) as db:
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        db.close()
        with path.open("r+b") as file:
            file.write(b"\xa5" * path.stat().st_size)
        with monkeypatch.context() as broken:
            broken.setattr("edge.outbox.queue.move_aside", read_only)
            for number in (2, 3):
                with pytest.raises(StorageError, match="Read-only file system"):
                    outbox.append(event(number))
            with pytest.raises(StorageError, match="cannot be put aside"):
                outbox.pending()
        assert numbers(outbox) == [2, 3]
        assert outbox.append(event(4)) > last
        assert numbers(outbox) == [2, 3, 4]


@contextmanager
def full_disk(path: Path) -> Iterator[None]:
    """No file of this process can grow beyond what the outbox has now, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    smallest = min(one.stat().st_size for one in path.parent.glob(f"{path.name}*"))
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (smallest, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)


def test_a_full_disk_is_an_error_in_one_sentence_and_loses_nothing(path: Path) -> None:
    """What can't be written waits in memory, is delivered in its turn, and is written when there is room again."""
    with Outbox(path) as outbox:
        first = outbox.append(event(1))
        outbox.append(state("last", "Alice"))
        with full_disk(path):
            for number in (2, 3):
                with pytest.raises(StorageError) as caught:
                    outbox.append(event(number))
            assert re.fullmatch(
                r"The outbox \S+ cannot be written \([^.]+\); 2 messages wait in memory", str(caught.value)
            )
            with pytest.raises(StorageError):
                outbox.append(state("last", "Bob"))
            assert numbers(outbox) == [1, 2, 3]
            assert [message.payload for _, message in outbox.states()] == [b"Bob"]
            assert outbox.counters.in_memory == 3
            ids = [ident for ident, _ in outbox.pending()]
            assert ids == sorted(set(ids))
            outbox.acknowledge(first, ids[1])
            assert numbers(outbox) == [3]
        outbox.append(event(4))
        assert outbox.counters.in_memory == 0
        assert numbers(outbox) == [3, 4]
        assert set(ids[2:]) <= {ident for ident, _ in outbox.pending()}, "what waited keeps its id"
    with Outbox(path) as outbox:
        assert [message.payload.strip() for _, message in outbox.pending()] == [b"3", b"Bob", b"4"]


def test_an_id_that_was_only_ever_in_memory_is_not_used_again(path: Path) -> None:
    """Whoever reads on after the last id would miss the next message."""
    with Outbox(path) as outbox:
        outbox.append(event(1))
        with full_disk(path):
            with pytest.raises(StorageError):
                outbox.append(event(2))
            last = outbox.pending()[-1][0]
            outbox.acknowledge(last)
        assert outbox.append(event(3)) > last


def test_what_memory_cannot_hold_is_counted(path: Path) -> None:
    with Outbox(path, max_events=3) as outbox:
        outbox.append(event(0))
        with full_disk(path):
            for number in range(1, 6):
                with pytest.raises(StorageError):
                    outbox.append(event(number))
            assert outbox.counters.dropped == 2
        outbox.append(event(6))
        assert numbers(outbox) == [4, 5, 6]
    with Outbox(path, max_events=3) as outbox:
        assert outbox.counters.dropped == 4, "two in memory, 0 and 3 when all came together"


def test_a_folder_that_cannot_be_written_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match=r"file/outbox\.sqlite cannot be opened"):
        Outbox(tmp_path / "file" / "outbox.sqlite")


def test_threads_can_append_while_another_drains(path: Path) -> None:
    """Nothing is lost or doubled, and each thread's messages keep their order."""
    with Outbox(path) as outbox:

        def produce(offset: int) -> None:
            for number in range(25):
                outbox.append(event(offset + number))

        threads = [threading.Thread(target=produce, args=(1000 * one,)) for one in range(3)]
        for thread in threads:
            thread.start()
        taken: list[int] = []
        while any(thread.is_alive() for thread in threads) or outbox.pending(1):
            batch = outbox.pending(20)
            taken += [int(message.payload) for _, message in batch]
            outbox.acknowledge(*(ident for ident, _ in batch))
        assert sorted(taken) == [1000 * one + number for one in range(3) for number in range(25)]
        for one in range(3):
            mine = [number for number in taken if number // 1000 == one]
            assert mine == sorted(mine)


APPEND_UNTIL_KILLED = """
import sys
from edge.outbox import Outbox
from edge.records import Message
outbox = Outbox(sys.argv[1])
for number in range(100_000):
    outbox.append(Message("t", str(number).encode(), 1, False, "event"))
    print(number, flush=True)
"""


def test_what_append_returned_for_survives_sigkill(path: Path) -> None:
    """A process is killed in the middle of appending; everything it had reported is there, and at most one more."""
    root = Path(__file__).parents[2]
    with subprocess.Popen(
        [sys.executable, "-c", APPEND_UNTIL_KILLED, str(path)], stdout=subprocess.PIPE, text=True, cwd=root
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if int(line) >= 60:
                process.kill()
                break
        reported = [int(line), *map(int, process.stdout.read().split())][-1]
    with Outbox(path) as outbox:
        found = [int(message.payload) for _, message in outbox.pending(100_000)]
    assert found in (list(range(reported + 1)), list(range(reported + 2)))


def test_appending_waits_for_the_disk_and_acknowledging_does_not(path: Path) -> None:
    """A power cut can't be had in a test; so look at what SQLite was told: 2 is FULL (fsync), 1 is NORMAL."""
    with Outbox(path) as outbox:
        ident = outbox.append(event(1))
        assert outbox._db.execute("PRAGMA synchronous").fetchone() == (2,)
        assert outbox._db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        outbox.acknowledge(ident)
        assert outbox._db.execute("PRAGMA synchronous").fetchone() == (1,)


class OutboxAgainstAList(RuleBasedStateMachine):
    """Any sequence of calls gives what a plain list would, also across reopening."""

    def __init__(self) -> None:
        super().__init__()
        memory = Path("/dev/shm")
        self.folder = tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None)
        self.path = Path(self.folder.name, "outbox.sqlite")
        self.outbox = Outbox(self.path, max_events=4)
        self.model: dict[int, Message] = {}
        self.latest: dict[str, Message] = {}
        self.dropped = 0

    @rule(number=st.integers(0, 99))
    def append_event(self, number: int) -> None:
        self.model[self.outbox.append(event(number))] = event(number)
        events = [ident for ident, message in self.model.items() if message.kind == "event"]
        for ident in events[:-4]:
            del self.model[ident]
            self.dropped += 1

    @rule(topic=st.sampled_from("ab"), value=st.sampled_from(["", "x", "y"]))
    def append_state(self, topic: str, value: str) -> None:
        message = state(topic, value)
        self.model = {ident: one for ident, one in self.model.items() if one.topic != message.topic}
        self.model[self.outbox.append(message)] = message
        self.latest[message.topic] = message

    @precondition(lambda self: self.model)
    @rule(data=st.data())
    def acknowledge(self, data) -> None:
        ident = data.draw(st.sampled_from(list(self.model)))
        self.outbox.acknowledge(ident)
        del self.model[ident]

    @rule()
    def reopen(self) -> None:
        self.outbox.close()
        self.outbox = Outbox(self.path, max_events=4)

    @invariant()
    def same_as_the_model(self) -> None:
        assert self.outbox.pending() == sorted(self.model.items())
        assert {m.topic: m for _, m in self.outbox.states()} == {t: m for t, m in self.latest.items() if m.payload}
        assert self.outbox.counters.dropped == self.dropped
        assert self.outbox.counters.pending == len(self.model)

    def teardown(self) -> None:
        self.outbox.close()
        self.folder.cleanup()


TestOutboxAgainstAList = OutboxAgainstAList.TestCase
TestOutboxAgainstAList.settings = settings(max_examples=15, stateful_step_count=20, deadline=None)
