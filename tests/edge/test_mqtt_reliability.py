"""Nothing is lost: brokers and processes are killed at the worst moment, and every event arrives, in order."""

import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest
from jsonschema import Draft202012Validator

from edge.clock import ManualClock
from edge.events import schema
from edge.mqtt import Publisher, Topics
from edge.outbox import Outbox
from edge.records import Message
from edge.settings import Mqtt
from tests.broker import HOST, WAIT_SECONDS, Listener, Mosquitto, free_port, wait_for
from tests.edge.test_events import decision, maker, result
from tests.edge.test_outbox import full_disk

pytestmark = pytest.mark.broker

KITCHEN = Topics("earmark", "kitchen")
ROOT = Path(__file__).parents[2]


def utterance(number: int) -> Message:
    return KITCHEN.message("utterance", json.dumps({"n": number}).encode())


class Subscriber(Listener):
    """Somebody with a lasting session, as Home Assistant's side of a test: de-duplicates by id, as readers are told to.

    QoS 0, because a reader that has nothing to write notices the broker's death only after it has read everything.
    """

    def __init__(self, port: int) -> None:
        super().__init__(port, "earmark/+/utterance", client_id="subscriber", qos=0, clean=False)

    @property
    def numbers(self) -> list[int]:
        """What arrived, each once, in the order of the first arrival."""
        return list(dict.fromkeys(json.loads(message.payload)["n"] for message in list(self.heard)))


def lasting(folder: Path) -> Mosquitto:
    """Remembers who subscribed (written on SIGUSR1) and keeps what they miss; hands on before it acknowledges."""
    extra = (
        f"persistence true\npersistence_location {folder}/\nautosave_interval 0\n"
        "queue_qos0_messages true\nmax_queued_messages 0\nmax_inflight_messages 0\n"
    )
    return Mosquitto(folder, extra=extra)


@contextmanager
def device(outbox_path: Path, port: int, **more) -> Iterator[tuple[Publisher, Outbox]]:
    """A publisher that runs; ``clock`` goes to it, anything else to its settings."""
    clock = {"clock": more.pop("clock")} if "clock" in more else {}
    with Outbox(outbox_path) as outbox:
        section = Mqtt(**{"port": port, "reconnect_max_seconds": 0.1} | more)
        publisher = Publisher(section, KITCHEN, outbox, **clock)
        publisher.start()
        try:
            yield publisher, outbox
        finally:
            assert publisher.stop(WAIT_SECONDS)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "outbox.sqlite"


@pytest.fixture
def listener(mosquitto: Mosquitto) -> Iterator[Listener]:
    opened = Listener(mosquitto.port, "earmark/+/utterance")
    yield opened
    opened.close()


def test_500_events_survive_a_broker_that_is_killed_again_and_again(tmp_path: Path, path: Path) -> None:
    """All arrive, in order, none missing, whenever SIGKILL strikes; the seed decides when."""
    rng = random.Random(7)
    broker = lasting(tmp_path).start()
    subscriber = Subscriber(broker.port)
    broker.signal(signal.SIGUSR1)
    wait_for((tmp_path / "mosquitto.db").exists, "the subscription is saved")
    kills = 0
    try:
        with device(path, broker.port) as (publisher, _):
            for batch in range(50):
                strike = batch % 7 == 3
                if strike:
                    assert subscriber.subscribed.wait(WAIT_SECONDS)
                    wait_for(lambda: publisher.connected, "connected")
                publisher.publish(*(utterance(10 * batch + number) for number in range(10)))
                if strike:
                    time.sleep(rng.uniform(0, 0.003))
                    broker.restart()
                    kills += 1
            assert publisher.wait_until_drained(WAIT_SECONDS), publisher.problem
            wait_for(lambda: len(subscriber.numbers) == 500, f"all 500, not {len(subscriber.numbers)}")
    finally:
        subscriber.close()
        broker.stop()
    assert kills == 7
    assert publisher.counters.reconnects >= kills
    assert subscriber.numbers == list(range(500))


KILLED_AFTER_APPEND = """
import os, signal, sys
from edge.mqtt import Topics
from edge.outbox import Outbox
topics = Topics("earmark", "kitchen")
Outbox(sys.argv[1]).append_all([topics.message("utterance", b'{"n": %d}' % n) for n in range(3)])
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_process_killed_between_storing_and_sending_delivers_after_its_restart(
    path: Path, mosquitto: Mosquitto, listener: Listener
) -> None:
    killed = subprocess.run([sys.executable, "-c", KILLED_AFTER_APPEND, str(path)], cwd=ROOT, check=False)
    assert killed.returncode == -signal.SIGKILL
    with device(path, mosquitto.port) as (publisher, _):
        assert publisher.wait_until_drained(WAIT_SECONDS)
    listener.wait("earmark/kitchen/utterance", b'{"n": 2}')
    assert [json.loads(one)["n"] for one in listener.payloads("earmark/kitchen/utterance")] == [0, 1, 2]


KILLED_WHILE_SENDING = """
import sys
from edge.mqtt import Publisher, Topics
from edge.outbox import Outbox
from edge.settings import Mqtt
topics, first = Topics("earmark", "kitchen"), int(sys.argv[3])
publisher = Publisher(Mqtt(port=int(sys.argv[1])), topics, Outbox(sys.argv[2]))
publisher.start()
for number in range(first, 10_000):
    publisher.publish(topics.message("utterance", b'{"n": %d}' % number))
    print(number, flush=True)
"""


def test_a_process_killed_while_sending_loses_nothing_that_it_had_stored(
    path: Path, mosquitto: Mosquitto, listener: Listener
) -> None:
    """Three lives, each ended by SIGKILL in full flight; the last one only delivers."""
    stored = -1
    for length in (20, 35, 50):
        with subprocess.Popen(
            [sys.executable, "-c", KILLED_WHILE_SENDING, str(mosquitto.port), str(path), str(stored + 1)],
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        ) as process:
            assert process.stdout is not None
            end = stored + length
            for line in process.stdout:
                stored = int(line)
                if stored >= end:
                    process.kill()
        with Outbox(path) as outbox:
            # One more may be stored than was reported.
            waiting = [json.loads(one.payload)["n"] for _, one in outbox.pending(10_000) if one.kind == "event"]
            stored = max([stored, *waiting])
    with device(path, mosquitto.port) as (publisher, _):
        assert publisher.wait_until_drained(WAIT_SECONDS)
    listener.say("earmark/kitchen/utterance", json.dumps({"n": -1}))
    listener.wait("earmark/kitchen/utterance", b'{"n": -1}')
    arrived = [json.loads(message.payload)["n"] for message in listener.heard]
    first_arrivals = list(dict.fromkeys(arrived[:-1]))
    assert first_arrivals[: stored + 1] == list(range(stored + 1))
    assert set(first_arrivals[stored + 1 :]) <= {stored + 1}, "at most one that was stored and acknowledged unreported"


def test_a_broker_that_stops_answering_without_hanging_up_is_noticed(path: Path, mosquitto: Mosquitto) -> None:
    """SIGSTOP: the connection stands and nothing comes back; after the keep-alive the publisher looks for a new one."""
    with device(path, mosquitto.port, keepalive_seconds=1) as (publisher, _):
        assert publisher.wait_until_drained(WAIT_SECONDS)
        mosquitto.signal(signal.SIGSTOP)
        try:
            publisher.publish(utterance(1))
            wait_for(lambda: publisher.problem, "noticed")
        finally:
            mosquitto.signal(signal.SIGCONT)
        assert publisher.wait_until_drained(WAIT_SECONDS)


class Absorber(threading.Thread):
    """A broker that accepts everybody, takes everything and acknowledges nothing. ``taken``: bytes by connection."""

    def __init__(self, connack: bytes) -> None:
        super().__init__(daemon=True)
        self.server = socket.create_server((HOST, 0))
        self.port: int = self.server.getsockname()[1]
        self.taken: list[bytes] = []
        self._connack = connack

    def run(self) -> None:
        while True:
            try:
                peer, _ = self.server.accept()
            except OSError:
                return
            peer.recv(4096)
            peer.sendall(self._connack)
            self.taken.append(b"")
            with peer, suppress(ConnectionError):
                while data := peer.recv(4096):
                    self.taken[-1] += data


@pytest.mark.parametrize(
    ("protocol", "connack", "window"),
    [("3.1.1", b"\x20\x02\x00\x00", 20), ("5", b"\x20\x06\x00\x00\x03\x21\x00\x02", 2)],
    ids=["3.1.1", "5 with a receive maximum of 2"],
)
def test_a_broker_that_never_acknowledges_does_not_block_the_queue_for_ever(
    path: Path, caplog, protocol: str, connack: bytes, window: int
) -> None:
    """It gets as many messages as may be on the way, and then a new connection; nothing is lost. The clock is ours."""
    absorber, clock = Absorber(connack), ManualClock()
    absorber.start()
    with Outbox(path) as before:
        before.append_all([utterance(number) for number in range(50)])
    with device(path, absorber.port, protocol=protocol, keepalive_seconds=2, clock=clock) as (publisher, outbox):
        wait_for(lambda: publisher.connected, "connected")
        wait_for(lambda: clock.advance(20) or len(absorber.taken) >= 2, "a second connection")
        assert "has acknowledged none for 60 s" in caplog.text
        assert absorber.taken[0].count(b"earmark/kitchen/") == window
        absorber.server.close()
        assert len(outbox.pending()) == 51, "and that the device is there"


def test_many_failed_attempts_leave_no_descriptor_and_no_thread_behind(path: Path) -> None:
    """Weeks without a broker must not eat the device."""
    process = psutil.Process(os.getpid())
    before = (process.num_fds(), process.num_threads())
    with device(path, free_port(), reconnect_max_seconds=0.005) as (publisher, _):
        wait_for(lambda: publisher.counters.attempts >= 10, "some attempts")
        middle = process.num_fds()
        wait_for(lambda: publisher.counters.attempts >= 40, "many attempts")
        wait_for(lambda: process.num_fds() <= middle + 2, "no descriptor is left behind")
    # The system may still count a thread that has been joined.
    wait_for(lambda: process.num_fds() <= before[0] + 1, "the last descriptors are closed")
    wait_for(lambda: process.num_threads() <= before[1], "the last thread has gone")


def test_a_full_disk_is_a_problem_that_is_told_while_delivery_goes_on(
    path: Path, mosquitto: Mosquitto, listener: Listener
) -> None:
    with device(path, mosquitto.port) as (publisher, _):
        assert publisher.wait_until_drained(WAIT_SECONDS)
        with full_disk(path):
            publisher.publish(utterance(1))
            assert "Free some space" in (publisher.problem or "")
            assert publisher.wait_until_drained(WAIT_SECONDS)
        publisher.publish(utterance(2))
        assert publisher.problem is None
        assert publisher.wait_until_drained(WAIT_SECONDS)
    listener.wait("earmark/kitchen/utterance", b'{"n": 2}')
    assert listener.payloads("earmark/kitchen/utterance") == [b'{"n": 1}', b'{"n": 2}']


def test_real_events_go_through_unchanged(path: Path, mosquitto: Mosquitto, listener: Listener) -> None:
    """From a result to a subscriber: the bytes on the wire are valid by the published schema."""
    here, outcomes = maker(), ("identified", "unknown", "uncertain", "rejected")
    sent = [here.utterance(result(decision(one))).to_json() for one in outcomes]
    with device(path, mosquitto.port) as (publisher, _):
        publisher.publish(*(KITCHEN.message("utterance", payload) for payload in sent))
        assert publisher.wait_until_drained(WAIT_SECONDS)
    listener.wait("earmark/kitchen/utterance", sent[-1])
    assert listener.payloads("earmark/kitchen/utterance") == sent
    for payload in sent:
        Draft202012Validator(schema("utterance")).validate(json.loads(payload))
