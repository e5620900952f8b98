"""The service: composes the rooms, keeps them running, obeys signals and commands, and ends cleanly.

Takes a way to load settings; gives an exit code. Must hold: SIGTERM and Ctrl-C finish the open utterance, deliver what
can be delivered and keep the rest in the outbox; SIGHUP reloads, and a broken file changes nothing; a microphone or
a broker that is away is a problem to report, not a reason to end.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Final

from edge.clock import SystemClock
from edge.daemon.installing import Installer
from edge.daemon.notify import Notifier
from edge.daemon.station import Station
from edge.errors import EXIT_OK, EarmarkError, StorageError
from edge.instance import SingleInstance
from edge.records import Clock
from edge.settings import Settings

_LOG = logging.getLogger(__name__)

_TICK_SECONDS: Final = 0.5
_HEALTH_SECONDS: Final = 60.0
_PEOPLE_SECONDS: Final = 1.0
_HANG_SECONDS: Final = 30.0
"""A listener without progress for this long, with no problem reported, hangs: the watchdog is then left to bite."""
_GOODBYE_SECONDS: Final = 5.0


class Service:
    """One running Earmark.

    Args:
        load: gives the settings; called again on SIGHUP.
        folder: the state folder, existing.
        realtime: play recordings at their own pace.
    """

    def __init__(
        self,
        load: Callable[[], Settings],
        folder: Path,
        *,
        realtime: bool = True,
        clock: Clock | None = None,
        notifier: Notifier | None = None,
    ) -> None:
        self._load = load
        self._folder = folder
        self._realtime = realtime
        self._clock = clock or SystemClock()
        self._notifier = notifier or Notifier()
        self._installer = Installer(folder, self.request_reload)
        # No event: a signal handler would wait for ever for the lock of one that the thread it interrupts has.
        self._wake: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._stop = False
        self._reload = False
        self._station: Station | None = None

    def run(self) -> int:
        """Run until the source ends or a signal says stop. Raises ``EarmarkError`` for what prevents a start."""
        with SingleInstance(self._folder):
            self._installer.recover()
            restore = self._take_signals()
            try:
                return self._run()
            finally:
                restore()

    def request_stop(self) -> None:
        """End soon; safe from any thread and from a signal handler."""
        self._stop = True
        self._wake.put(None)

    def request_reload(self) -> None:
        """Reload soon."""
        self._reload = True
        self._wake.put(None)

    def _run(self) -> int:
        station = self._station = self._open(self._load())
        error: Exception | None = None
        try:
            station.start()
            self._notifier.ready(station.status())
            _LOG.info("listening", extra={"fields": station.describe()})
            error = self._supervise()
        finally:
            self._notifier.stopping()
            self._installer.stop()
            if self._station is not None:
                left = self._station.stop(_GOODBYE_SECONDS)
                _LOG.info("stopped", extra={"fields": {"waiting_in_outbox": left}})
        if error is not None:
            raise error
        return EXIT_OK

    def _open(self, settings: Settings) -> Station:
        return Station(settings, self._folder, self._clock, realtime=self._realtime, installer=self._installer)

    def _supervise(self) -> Exception | None:
        """Tick until the end; gives what ended the listening, None for a proper end."""
        health_due = people_due = self._clock.monotonic()
        while True:
            self._rest()
            if self._stop:
                return None
            if self._reload:
                self._reload = False
                self._do_reload()
            station = self._station
            if station is None:
                return None
            if station.ended:
                return station.error
            now = self._clock.monotonic()
            station.tick()
            if now >= people_due:
                _refresh_people(station)
                people_due = now + _PEOPLE_SECONDS
            if now >= health_due or station.health_wanted:
                _publish_health(station)
                self._notifier.status(station.status())
                health_due = now + _HEALTH_SECONDS
            if station.stalled_seconds() < _HANG_SECONDS:
                self._notifier.alive()

    def _rest(self) -> None:
        """Until the next tick, or sooner where something is requested."""
        with contextlib.suppress(queue.Empty):
            self._wake.get(timeout=_TICK_SECONDS)
            while True:
                self._wake.get_nowait()

    def _do_reload(self) -> None:
        """Swap the station for one with the new settings; with settings that can't be used the old one goes on."""
        self._notifier.reloading()
        old = self._station
        try:
            settings = self._load()
            fresh = self._open(settings)
        except EarmarkError as error:
            _LOG.error("reload refused, the old settings stay in force: %s", error.sentence())
            if old is not None:
                old.reload_refused(error.sentence())
            self._notifier.ready(old.status() if old else "")
            return
        deaf_since = self._clock.monotonic()
        if old is not None:
            old.stop(_GOODBYE_SECONDS)
        self._station = fresh
        fresh.start()
        deaf = {"deaf_ms": round(1000 * (self._clock.monotonic() - deaf_since))}
        self._notifier.ready(fresh.status())
        _LOG.info("reloaded", extra={"fields": fresh.describe() | deaf})

    def _take_signals(self) -> Callable[[], None]:
        """SIGTERM and SIGINT stop, SIGHUP reloads. Gives what restores the handlers; only in the main thread."""
        if threading.current_thread() is not threading.main_thread():
            return lambda: None

        def on_stop(_number: int, _frame: FrameType | None) -> None:
            self.request_stop()

        def on_hup(_number: int, _frame: FrameType | None) -> None:
            self.request_reload()

        before = {
            number: signal.signal(number, handler)
            for number, handler in ((signal.SIGTERM, on_stop), (signal.SIGINT, on_stop), (signal.SIGHUP, on_hup))
        }

        def restore() -> None:
            for number, handler in before.items():
                signal.signal(number, handler)

        return restore


def _refresh_people(station: Station) -> None:
    """Those known before stay where the database cannot be read: a key that is gone must not silence the device."""
    try:
        station.refresh_people()
    except EarmarkError as error:
        _LOG.error("the people enrolled cannot be read again, and stay as they were: %s", error.sentence())


def _publish_health(station: Station) -> None:
    """An outbox that cannot be read for now is a problem to report, not a reason to end."""
    try:
        station.publish_health()
    except StorageError as error:
        _LOG.error("the device's health cannot be told: %s", error.sentence())
