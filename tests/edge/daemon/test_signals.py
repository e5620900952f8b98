"""Signals: they come at any moment, in the thread that waits for them."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from edge.daemon import service as module
from edge.daemon.service import Service
from edge.settings import Settings
from tests.broker import wait_for


def in_every_line(act: Callable[[], None], interrupt: Callable[[], None]) -> int:
    """Do ``act`` and, before each line of Python in it, ``interrupt`` as a signal would, once; gives their number."""
    been: set[tuple[object, int]] = set()

    def trace(frame: FrameType, event: str, _argument: Any) -> Any:
        place = (frame.f_code, frame.f_lineno)
        if event == "line" and place not in been:
            been.add(place)
            interrupt()
        return trace

    sys.settrace(trace)
    try:
        act()
    finally:
        sys.settrace(None)
    return len(been)


@pytest.mark.parametrize("request_one", [Service.request_stop, Service.request_reload])
def test_a_signal_may_come_in_any_line_of_the_wait(tmp_path: Path, request_one: Callable[[Service], None]) -> None:
    service = Service(Settings, tmp_path)
    lines: list[int] = []
    waiting = threading.Thread(
        target=lambda: lines.append(in_every_line(service._rest, lambda: request_one(service))), daemon=True
    )
    waiting.start()
    wait_for(lambda: not waiting.is_alive(), "the wait has ended", 20)
    assert lines[0] > 1


def test_many_requests_end_one_wait_and_leave_nothing_to_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_TICK_SECONDS", 3600.0)
    service = Service(Settings, tmp_path)
    for request_one in (service.request_reload, service.request_stop, service.request_reload):
        request_one()
    service._rest()
    assert service._wake.empty()
