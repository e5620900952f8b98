"""How long an event is decided and not yet safe: from the decision to the end of the commit, on the disk of a folder.

python -m tests.reliability.window [FOLDER]
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path

from edge.clock import SystemClock
from edge.daemon.announcer import Announcer
from edge.events import EventMaker
from edge.mqtt import Topics
from edge.outbox import Outbox
from edge.records import Message
from edge.settings import Node, Privacy
from tests.edge.daemon.test_announcer import PEOPLE
from tests.edge.test_events import decision, result

EVENTS = 300


def main() -> int:
    parent = Path(sys.argv[1]) if len(sys.argv) > 1 else Path.cwd()
    clock, before = SystemClock(), []
    with tempfile.TemporaryDirectory(dir=parent) as folder, Outbox(Path(folder) / "outbox.sqlite") as outbox:

        def publish(*messages: Message) -> None:
            outbox.append_all([one for one in messages if one.qos])

        maker = EventMaker(Node(name="kitchen"), Privacy(), model="m-1", clock=clock)
        announcer = Announcer(Topics("earmark", "kitchen"), maker, clock, publish, hold_seconds=60)
        announcer.set_people(PEOPLE)
        decided = result(decision())
        for _ in range(EVENTS):
            begun = time.perf_counter()
            announcer.result(decided, 50.0)
            before.append(1000 * (time.perf_counter() - begun))
    print(f"{EVENTS} events with two states each: median {statistics.median(before):.1f} ms, ", end="")
    print(f"95 % within {sorted(before)[round(0.95 * EVENTS)]:.1f} ms, longest {max(before):.1f} ms")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
