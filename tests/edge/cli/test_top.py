"""``earmark top``: what the daemon hears, on one screen."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.cli.top_frame import frame, meter
from edge.control import Access, Client
from edge.control.peer import peer_of
from edge.errors import ControlError
from tests.edge.control.service import Service, serving

ROOT = Path(__file__).parents[3]
EVENT = {
    "event_type": "identified", "ts": "2026-11-22T07:23:11.000Z", "speaker": "Ada", "probability": 0.97,
    "speech_s": 2.1, "snr_db": 18.2, "flags": ["short"],
}  # fmt: skip
STATUS = {
    "node": "kitchen", "model": "accurate-1.0.0", "profile": "balanced", "uptime_s": 3725, "source": "mic:USB",
    "listening": True, "broker": True, "outbox_pending": 3, "enrolled": 2, "utterances": 41, "latency_p95_ms": 96,
}  # fmt: skip
RECENT = {"level_dbfs": -20.0, "noise_dbfs": -60.0, "speaking": True, "events": [EVENT, EVENT | {"speaker": "Ben"}]}


class Told(Service):
    def status(self) -> dict[str, Any]:
        return STATUS

    def recent(self) -> dict[str, Any]:
        return RECENT


def _plain(text: str, _style: str) -> str:
    return text


def test_a_person_sees_who_spoke_the_latest_first_and_how_the_device_is() -> None:
    lines = frame(STATUS, RECENT, 100, 24, _plain)
    text = "\n".join(lines)
    for words in ("kitchen", "all is well", "3 messages waiting", "2 people", "p95 96 ms", "1 h 2 min", "speaking"):
        assert words in text
    assert [line.split()[1] for line in lines[-2:]] == ["Ben", "Ada"]
    here = datetime(2026, 11, 22, 7, 23, 11, tzinfo=UTC).astimezone()
    assert lines[-1].startswith(f"{here:%H:%M:%S}") and "short" in lines[-1]


def test_a_threshold_in_force_stands_beside_the_profile() -> None:
    assert "balanced, but named from 0.9 on" in frame(STATUS | {"threshold": 0.9}, {}, 100, 24, _plain)[0]
    assert "balanced · up" in frame(STATUS | {"threshold": None}, {}, 100, 24, _plain)[0]


def test_a_fault_stands_where_all_is_well_stood() -> None:
    told = frame(STATUS | {"broker": False, "broker_problem": "refused"}, {}, 100, 24, _plain)
    assert "broker: refused" in told[1] and "nobody has spoken yet" in told[-1]


values = st.none() | st.booleans() | st.floats(-1e4, 1e4) | st.text(max_size=200)


@given(
    st.fixed_dictionaries({}, optional={key: st.text(max_size=300) for key in ("node", "model", "source", "profile")}),
    st.lists(st.text(max_size=50), max_size=5),
    st.integers(20, 200),
    st.integers(1, 60),
)
def test_no_line_is_wider_than_the_terminal_nor_obeyed_by_it(
    status: dict[str, Any], names: list[str], width: int, height: int
) -> None:
    events = [EVENT | {"speaker": name, "reason": name} for name in names]
    lines = frame(STATUS | status, RECENT | {"events": events}, width, height, _plain)
    assert len(lines) <= height
    assert all(len(line) <= width and "\x1b" not in line and "\n" not in line for line in lines)


@given(st.floats(-200, 20), st.floats(-200, 20))
def test_the_meter_is_always_as_long(level: float, noise: float) -> None:
    bar = meter(level, noise)
    assert len(bar) == len(meter(0, 0)) and bar.count("|") == 1


def test_full_scale_is_not_silence() -> None:
    shown = "\n".join(frame(STATUS, RECENT | {"level_dbfs": 0.0}, 200, 50, lambda text, style: text))
    assert "level    0 dBFS" in shown and f"{'#' * 9}|" in shown


def test_one_look_and_json(earmark, monkeypatch) -> None:
    with serving(Told()) as path:
        monkeypatch.setenv("EARMARK_CONTROL__PATH", str(path))
        assert "Ada" in earmark("top", "--once").out
        assert earmark("top", "--once", "--json").json == {"status": STATUS, "recent": RECENT}


def test_without_a_daemon_it_says_so(earmark, state) -> None:
    done = earmark("top")
    assert done.code == 5 and "No daemon answers" in done.err


@pytest.mark.parametrize("key", [b"q", b"\x03"])
def test_on_a_terminal_it_goes_on_until_q_or_ctrl_c_and_leaves_it_as_it_was(
    environment, monkeypatch, key: bytes
) -> None:
    with serving(Told()) as path:
        monkeypatch.setenv("EARMARK_CONTROL__PATH", str(path))
        mine, theirs = pty.openpty()
        # A session of its own with this terminal, so that Ctrl-C is a signal there.
        words = ["setsid", "--ctty", "--wait", sys.executable, "-m", "edge.cli", "top", "--interval", "0.05"]
        process = subprocess.Popen(words, cwd=ROOT, stdin=theirs, stdout=theirs, stderr=theirs)
        os.close(theirs)
        shown = _read_until(mine, b"Ada")
        os.write(mine, key)
        shown += _read_until(mine, b"\x1b[?1049l")
        assert process.wait(60) == 0
        os.close(mine)
    assert shown.count(b"\x1b[?1049h") == 1 and b"Traceback" not in shown


def _read_until(terminal: int, wanted: bytes) -> bytes:
    shown, deadline = b"", time.monotonic() + 60
    while wanted not in shown:
        assert time.monotonic() < deadline, shown
        if select.select([terminal], [], [], 1)[0]:
            shown += os.read(terminal, 65536)
    return shown


def test_who_spoke_is_for_the_daemons_own_account(monkeypatch) -> None:
    other = os.geteuid() + 1
    with serving(Told(), Access(frozenset({other}))) as path:
        monkeypatch.setattr("edge.control.server.peer_of", lambda sock: replace(peer_of(sock), uid=other))
        with Client(path) as client:
            assert client.status() == STATUS
            with pytest.raises(ControlError, match="own account"):
                client.recent()
