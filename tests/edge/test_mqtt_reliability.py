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
from tests.broker import HOST, Listener, Mosquitto, free_port, wait_for
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


def test_500_events_survive_a_broker_that_is_killed_again_and_again(tmp_path: Path) -> None:
    """All arrive, in order, none missing, whenever SIGKILL strikes; the seed decides when."""
    rng = random.Random(7)
    broker = lasting(tmp_path).start()
    subscriber = Subscriber(broker.port)
    broker.signal(signal.SIGUSR1)
    wait_for((tmp_path / "mosquitto.db").exists, "the subscription is saved")
    kills = 0
    with Outbox(tmp_path / "outbox.sqlite") as outbox:
        publisher = Publisher(Mqtt(port=broker.port, reconnect_max_seconds=0.1), KITCHEN, outbox)
        publisher.start()
        try:
            for batch in range(50):
                strike = batch % 7 == 3
                if strike:
                    assert subscriber.subscribed.wait(20)
                    wait_for(lambda: publisher.connected, "connected")
                publisher.publish(*(utterance(10 * batch + number) for number in range(10)))
                if strike:
                    time.sleep(rng.uniform(0, 0.003))
                    broker.restart()
                    kills += 1
            assert publisher.wait_until_drained(30), publisher.problem
            wait_for(lambda: len(subscriber.numbers) == 500, f"all 500, not {len(subscriber.numbers)}")
        finally:
            publisher.stop(10)
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


def test_a_process_killed_between_storing_and_sending_delivers_after_its_restart(tmp_path: Path) -> None:
    path = tmp_path / "outbox.sqlite"
    killed = subprocess.run([sys.executable, "-c", KILLED_AFTER_APPEND, str(path)], cwd=ROOT, check=False)
    assert killed.returncode == -signal.SIGKILL
    broker = Mosquitto(tmp_path).start()
    listener = Listener(broker.port)
    with Outbox(path) as outbox:
        publisher = Publisher(Mqtt(port=broker.port), KITCHEN, outbox)
        publisher.start()
        assert publisher.wait_until_drained(20)
        publisher.stop(10)
    listener.wait("earmark/kitchen/utterance", b'{"n": 2}')
    assert [json.loads(one)["n"] for one in listener.payloads("earmark/kitchen/utterance")] == [0, 1, 2]
    listener.close()
    broker.stop()


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


def test_a_process_killed_while_sending_loses_nothing_that_it_had_stored(tmp_path: Path) -> None:
    """Four lives, each ended by SIGKILL in full flight; the last one only delivers."""
    broker = Mosquitto(tmp_path).start()
    listener = Listener(broker.port, "earmark/+/utterance")
    path, stored = tmp_path / "outbox.sqlite", -1
    for length in (20, 35, 50, 65):
        with subprocess.Popen(
            [sys.executable, "-c", KILLED_WHILE_SENDING, str(broker.port), str(path), str(stored + 1)],
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
            # One more may be stored than was reported.
        with Outbox(path) as outbox:
            stored = max(
                [stored, *(json.loads(m.payload)["n"] for _, m in outbox.pending(10_000) if m.kind == "event")]
            )
    with Outbox(path) as outbox:
        publisher = Publisher(Mqtt(port=broker.port), KITCHEN, outbox)
        publisher.start()
        assert publisher.wait_until_drained(20)
        publisher.stop(10)
    listener.say("earmark/kitchen/utterance", json.dumps({"n": -1}))
    listener.wait("earmark/kitchen/utterance", b'{"n": -1}')
    arrived = [json.loads(message.payload)["n"] for message in listener.heard]
    first_arrivals = list(dict.fromkeys(arrived[:-1]))
    assert first_arrivals[: stored + 1] == list(range(stored + 1))
    assert set(first_arrivals[stored + 1 :]) <= {stored + 1}, "at most one that was stored and acknowledged unreported"
    listener.close()
    broker.stop()


def test_a_broker_that_stops_answering_without_hanging_up_is_noticed(tmp_path: Path) -> None:
    """SIGSTOP: the connection stands and nothing comes back; after the keep-alive the publisher looks for a new one."""
    broker = Mosquitto(tmp_path).start()
    with Outbox(tmp_path / "outbox.sqlite") as outbox:
        publisher = Publisher(Mqtt(port=broker.port, keepalive_seconds=1, reconnect_max_seconds=0.2), KITCHEN, outbox)
        publisher.start()
        assert publisher.wait_until_drained(20)
        broker.signal(signal.SIGSTOP)
        publisher.publish(utterance(1))
        wait_for(lambda: publisher.problem, "noticed")
        broker.signal(signal.SIGCONT)
        assert publisher.wait_until_drained(20)
        publisher.stop(10)
    broker.stop()


class Absorber(threading.Thread):
    """A broker that accepts everybody, takes everything and acknowledges nothing."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.server = socket.create_server((HOST, 0))
        self.connections = 0

    def run(self) -> None:
        while True:
            try:
                peer, _ = self.server.accept()
            except OSError:
                return
            self.connections += 1
            peer.recv(4096)
            # CONNACK, accepted.
            peer.sendall(b"\x20\x02\x00\x00")
            while peer.recv(4096):
                pass
            peer.close()


def test_a_broker_that_never_acknowledges_does_not_block_the_queue_for_ever(tmp_path: Path, caplog) -> None:
    """The clock is ours; nothing is lost."""
    absorber, clock = Absorber(), ManualClock()
    absorber.start()
    section = Mqtt(port=absorber.server.getsockname()[1], keepalive_seconds=2, reconnect_max_seconds=0.1)
    with Outbox(tmp_path / "outbox.sqlite") as outbox:
        publisher = Publisher(section, KITCHEN, outbox, clock=clock)
        publisher.start()
        publisher.publish(utterance(1))
        wait_for(lambda: publisher.connected, "connected")
        while absorber.connections < 2:
            clock.advance(20)
            time.sleep(0.05)
        assert "has acknowledged none for 60 s" in caplog.text
        absorber.server.close()
        publisher.stop(10)
        assert utterance(1) in [message for _, message in outbox.pending()]


def test_many_failed_attempts_leave_no_descriptor_and_no_thread_behind(tmp_path: Path) -> None:
    """Weeks without a broker must not eat the device."""
    process = psutil.Process(os.getpid())
    before = (process.num_fds(), process.num_threads())
    with Outbox(tmp_path / "outbox.sqlite") as outbox:
        publisher = Publisher(Mqtt(port=free_port(), reconnect_max_seconds=0.005), KITCHEN, outbox)
        publisher.start()
        wait_for(lambda: publisher.counters.attempts >= 10, "some attempts")
        middle = process.num_fds()
        wait_for(lambda: publisher.counters.attempts >= 60, "many attempts")
        assert process.num_fds() <= middle + 2
        publisher.stop(10)
    assert (process.num_fds(), process.num_threads()) <= (before[0] + 1, before[1])


def test_a_full_disk_is_a_problem_that_is_told_while_delivery_goes_on(tmp_path: Path) -> None:
    broker = Mosquitto(tmp_path).start()
    listener = Listener(broker.port, "earmark/+/utterance")
    path = tmp_path / "outbox.sqlite"
    with Outbox(path) as outbox:
        publisher = Publisher(Mqtt(port=broker.port), KITCHEN, outbox)
        publisher.start()
        assert publisher.wait_until_drained(20)
        listener.client.loop_stop()
        with full_disk(path):
            publisher.publish(utterance(1))
            assert "Free some space" in (publisher.problem or "")
            assert publisher.wait_until_drained(20)
        publisher.publish(utterance(2))
        assert publisher.problem is None
        assert publisher.wait_until_drained(20)
        publisher.stop(10)
    listener.client.loop_start()
    listener.wait("earmark/kitchen/utterance", b'{"n": 2}')
    assert listener.payloads("earmark/kitchen/utterance") == [b'{"n": 1}', b'{"n": 2}']
    listener.close()
    broker.stop()


def test_real_events_go_through_unchanged(tmp_path: Path) -> None:
    """From a result to a subscriber: the bytes on the wire are valid by the published schema."""
    broker = Mosquitto(tmp_path).start()
    listener = Listener(broker.port, "earmark/+/utterance")
    here = maker()
    sent = [
        here.utterance(result(decision(one))).to_json() for one in ("identified", "unknown", "uncertain", "rejected")
    ]
    with Outbox(tmp_path / "outbox.sqlite") as outbox:
        publisher = Publisher(Mqtt(port=broker.port), KITCHEN, outbox)
        publisher.start()
        publisher.publish(*(KITCHEN.message("utterance", payload) for payload in sent))
        assert publisher.wait_until_drained(20)
        publisher.stop(10)
    listener.wait("earmark/kitchen/utterance", sent[-1])
    assert listener.payloads("earmark/kitchen/utterance") == sent
    for payload in sent:
        Draft202012Validator(schema("utterance")).validate(json.loads(payload))
    listener.close()
    broker.stop()
