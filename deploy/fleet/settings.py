"""Other settings for a host: the file that the inventory describes.

Takes a shell and what was found out before. Gives nothing, or raises ``ChangeFailed``. Must hold: the host's own
version checks the file before it is used; a daemon that still runs with the file before is told to reload, whoever
switched the file and whenever.
"""

from __future__ import annotations

import hashlib
import shlex
import tempfile
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Final

from deploy.fleet.actions import Foresight, begun
from deploy.fleet.asking import Report
from deploy.fleet.faults import ChangeFailed
from deploy.fleet.inventory import Host
from deploy.fleet.ssh import Shell, sha256_of
from edge.errors import EXIT_OK

_SYSTEM_CONFIG: Final = "/etc/earmark/earmark.yaml"


class SettingsAction:
    """The settings file that the inventory describes; checked there by the host's own version before it is used."""

    def __init__(self) -> None:
        self.title, self.digest = "settings", ""
        self._reloading: set[str] = set()

    def foresee(self, host: Host, report: Report) -> Foresight:
        """Whether the inventory has any is known; whether they differ only the host knows."""
        if not host.settings:
            return Foresight("", "", already=True)
        if not report.installed:
            return Foresight("", "", refused=report.problem)
        return Foresight("as there", "as in the inventory")

    def apply(self, shell: Shell, report: Report) -> bool:
        """Written beside, checked by ``earmark doctor``, switched, and the daemon told to reload. Where the file is
        there already, a daemon that has not read it is told: what came before may have been cut off in between.
        """
        config = _config(shell)
        if settings_differ(shell) is False:
            older = _is_older(shell, report)
            if older:
                self._reloading.add(shell.host.name)
                _script(shell, _hang_up(report))
            return older
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "earmark.yaml"
            file.write_text(shell.host.settings, encoding="utf-8")
            there = shell.put(file, sha256_of(file))
        beside = f"{config}.new"
        new, fresh, quoted = shlex.quote(there), shlex.quote(beside), shlex.quote(config)
        # Owner and mode stay: the file may be for the service's account only.
        as_it_is = f"rm -f {fresh} && cp -p {quoted} {fresh} && cat {new} > {fresh}"
        _script(shell, f"if [ -e {quoted} ]; then {as_it_is}; else install -m 644 {new} {fresh}; fi")
        shell.forget(there)
        done = shell.run([shell.host.earmark, "doctor", "--only", "settings", "--json", "--config", beside])
        if done.code != EXIT_OK:
            shell.run(["rm", "-f", beside])
            checks = done.json.get("checks")
            said = checks[0].get("sentence") if isinstance(checks, list) and checks else done.last_words
            raise ChangeFailed(f"its version of Earmark refuses the settings: {said}", as_before=True)
        before, none = _former(config)
        keep = f"rm -f {before} {none} && if [ -e {quoted} ]; then cp -p {quoted} {before}; else : > {none}; fi"
        self._reloading.add(shell.host.name)
        # One command: a connection that breaks leaves both undone or both done.
        with begun(self.title):
            _script(shell, f"{keep} && mv -f {fresh} {quoted} && {_hang_up(report)}")
        return True

    def amiss(self, before: Report, after: Report) -> str:
        """A reload that was refused, or has not come yet."""
        refused = after.status.get("reload_refused")
        if isinstance(refused, Mapping) and refused != before.status.get("reload_refused"):
            return f"it refused to reload: {str(refused.get('why', '')).rstrip('.')}"
        if before.name in self._reloading and before.get("started") == after.get("started"):
            return "it has not reloaded"
        return ""

    def undo(self, shell: Shell) -> None:
        """The file before, or none where there was none."""
        config = _config(shell)
        (before, none), quoted = _former(config), shlex.quote(config)
        told = Report(shell.host.name, True, True, "", shell.earmark("status", "--json").json)
        back = f"if [ -e {none} ]; then rm -f {quoted} {none}; else mv -f {before} {quoted}; fi"
        _script(shell, f"{back} && {_hang_up(told)}")


def settings_differ(shell: Shell) -> bool | None:
    """Whether the settings file there is another than the inventory's; None where the inventory has none."""
    if not shell.host.settings:
        return None
    done = shell.run(["sha256sum", "--", _config(shell)])
    wanted = hashlib.sha256(shell.host.settings.encode("utf-8")).hexdigest()
    return done.code != 0 or done.out.split(" ", 1)[0] != wanted


def _is_older(shell: Shell, report: Report) -> bool:
    """Whether the daemon there may have read its settings before the file was switched (which changes its ctime)."""
    done = shell.run(["stat", "-c", "%.3Z", "--", _config(shell)])
    try:
        return datetime.fromisoformat(report.get("started")).timestamp() <= float(done.out)
    except ValueError:
        return True


def _config(shell: Shell) -> str:
    return shell.host.config or _SYSTEM_CONFIG


def _former(config: str) -> tuple[str, str]:
    """Where the file before is kept, and what is there instead where there was none; both quoted."""
    return shlex.quote(f"{config}.before"), shlex.quote(f"{config}.none-before")


def _hang_up(report: Report) -> str:
    """What tells the daemon of that report to reload; one that is gone reads the new file when it starts."""
    pid = report.get("pid")
    return f"{{ kill -HUP {pid} || :; }}" if pid.isdecimal() and pid.isascii() else ":"


def _script(shell: Shell, script: str) -> None:
    done = shell.run(["sh", "-c", script])
    if done.code:
        raise ChangeFailed(f"the settings cannot be written: {done.last_words}", as_before=True)
