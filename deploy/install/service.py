"""systemd, and what a person types.

Takes texts. Gives a service that is there, runs, or does not. Must hold: where systemd does not run, files are written
and nothing is started; a start counts only when the service says itself that it is ready, and still runs a while later.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from deploy.install.faults import EXIT_UNHEALTHY, InstallFault
from deploy.install.layout import Layout, write
from deploy.install.programs import attempt, last_words, run

NAME: Final = "earmark.service"
RECOVERY_NAME: Final = "earmark-recover.service"
ACCOUNT: Final = "earmark"

RECOVERY: Final = """\
# Written by the installer of Earmark. An upgrade that was cut off, by the power say, has left a link to the version
# before it: go back to that one before Earmark starts.
[Unit]
Description=Return to the Earmark that ran before an upgrade was cut off
ConditionPathIsSymbolicLink=|/opt/earmark/fallback
ConditionPathExistsGlob=|/var/lib/earmark-before-upgrade*
Before=earmark.service

[Service]
Type=oneshot
ExecStart=/bin/sh -c 'for v in fallback current; do p=/opt/earmark/$$v/bin/python3; \\
    if [ -x $$p ]; then exec $$p -I -m deploy.install recover --at-start; fi; done'

[Install]
WantedBy=multi-user.target
"""

COMMAND: Final = """\
#!/bin/sh
# Written by the installer of Earmark: `earmark`, whichever version runs. For root it looks at the service's own people,
# as the service's account, so that nothing in the state folder becomes root's.
earmark=/opt/earmark/current/bin/earmark
case "${1:-}" in
    deploy | fleet | run) exec "$earmark" "$@" ;;
esac
if [ "$(id -u)" = 0 ] && [ -z "${EARMARK_STATE:-}" ]; then
    if [ "${1:-}" != bundle ]; then exec /opt/earmark/current/bin/python3 -I -m deploy.install.as_service "$@"; fi
    # It reads a file of yours and tells the service; it becomes the account by itself where it writes.
    HOME=/var/lib/earmark EARMARK_STATE=/var/lib/earmark
    export HOME EARMARK_STATE
fi
exec "$earmark" "$@"
"""


@dataclass(frozen=True, slots=True)
class Services:
    """``program``: systemctl. ``running``: whether systemd runs here. ``watch_seconds``: how long a service that said
    it was ready is looked at.
    """

    layout: Layout
    running: bool
    program: Path = Path("systemctl")
    watch_seconds: float = 10.0
    sleep: Callable[[float], None] = field(default=time.sleep)

    def write(self, unit: str) -> bool:
        """Write the units and the command; gives whether the service's unit changed."""
        changed = write(self.layout.unit, unit)
        changed |= write(self.layout.recovery_unit, RECOVERY)
        write(self.layout.command, COMMAND, 0o755)
        if changed:
            self._systemctl("daemon-reload")
        return changed

    def active(self) -> bool:
        """Whether the service runs, or is about to."""
        return self.running and self._said("ActiveState") in {"active", "activating", "reloading"}

    def enabled(self) -> bool:
        """Whether the service starts with the machine."""
        return self.running and attempt([self.program, "is-enabled", "--quiet", NAME]).returncode == 0

    def enable(self) -> None:
        """Start it with the machine, and the way back with it."""
        self._systemctl("enable", "--quiet", RECOVERY_NAME, NAME)

    def stop(self) -> None:
        """Stop it; it delivers what it can first."""
        self._systemctl("stop", NAME)

    def start(self) -> None:
        """Start it again, and see that it is ready and stays so. Raises ``InstallFault`` with its last words."""
        if not self.running:
            return
        attempt([self.program, "reset-failed", NAME])
        started = attempt([self.program, "restart", NAME], seconds=180)
        restarts = self._said("NRestarts")
        waited = 0.0
        while started.returncode == 0 and waited < self.watch_seconds:
            if self._said("ActiveState") != "active" or self._said("NRestarts") != restarts:
                break
            self.sleep(1.0)
            waited += 1.0
        else:
            if started.returncode == 0:
                return
        raise InstallFault(
            f"The service did not become ready, or did not stay so: {self._last_words()}",
            "`journalctl -u earmark` says more.",
            EXIT_UNHEALTHY,
        )

    def remove(self) -> None:
        """Stop it for good, and remove its units and the command."""
        if self.running:
            attempt([self.program, "disable", "--now", "--quiet", NAME, RECOVERY_NAME], seconds=180)
        for path in (self.layout.unit, self.layout.recovery_unit, self.layout.command):
            path.unlink(missing_ok=True)
        self._systemctl("daemon-reload")

    def _systemctl(self, *words: str) -> None:
        if self.running:
            run([self.program, *words], remedy="`systemctl status earmark` says more.", seconds=180)

    def _said(self, key: str) -> str:
        done = attempt([self.program, "show", NAME, f"--property={key}", "--value"], seconds=60)
        return done.stdout.strip()

    def _last_words(self) -> str:
        said = attempt(["journalctl", "-u", NAME, "-n", "20", "-o", "cat", "--no-pager"], seconds=60).stdout
        lines = [line for line in said.splitlines() if "systemd" not in line and not line.startswith(NAME)]
        return last_words("\n".join(lines)) or f"it is {self._said('ActiveState') or 'not known to systemd'}"
