"""Install, upgrade, go back, recover, remove: the order of the steps.

Takes a layout and the services. Gives an ``Outcome``. Must hold: until ``fallback`` is removed, which ends the trial,
every way out of here, an error, Ctrl-C, a signal or the next start of the machine, leads to the version before.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from deploy.install import building, microphones, packages, places, programs, snapshot
from deploy.install.faults import EXIT_UNHEALTHY, EXIT_USAGE, InstallFault, SelfTestFault
from deploy.install.health import selftest
from deploy.install.layout import CURRENT, FALLBACK, PREVIOUS, UNIT_COPY, Layout, write
from deploy.install.platforms import ask, judge
from deploy.install.service import ACCOUNT, Services
from deploy.install.signals import undisturbed
from deploy.install.sources import Source, open_source

Action = Literal["installed", "upgraded", "unchanged", "rolled back", "recovered", "nothing to recover", "removed"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """``version``: the one that runs now; ``before``: the one that ran, empty where there was none."""

    action: Action
    version: str = ""
    before: str = ""


@dataclass(frozen=True, slots=True)
class Flows:
    """``say``: told what is being done. ``apt``: whether Debian's packages may be installed."""

    layout: Layout
    services: Services
    say: Callable[[str], None]
    apt: bool = True

    def install(self, given: str, python: Path, *, upgrade: bool = False) -> Outcome:
        """Install what ``given`` names, or bring an installation up to it. Raises ``InstallFault``."""
        layout = self.layout
        if upgrade and not layout.linked(CURRENT):
            raise InstallFault("Earmark is not installed yet", "Use `install` for the first time.", EXIT_USAGE)
        platform = ask(python)
        judge(platform)
        with layout.lock(), tempfile.TemporaryDirectory(prefix="earmark-") as work:
            self._recover()
            layout.sweep(keep=set(layout.versions()))
            source = open_source(given, Path(work), platform)
            self._packages(packages.missing(source) if layout.live else [], source)
            places.make_account(layout)
            places.make_folders(layout)
            name, running = building.same(layout, source, platform), layout.linked(CURRENT)
            made = not name
            try:
                if made:
                    self.say(f"Installing Earmark {source.version} beside what runs; this takes a minute or more.")
                    name = building.build(layout, source, python, platform, Path(work))
                changed = self._prepare(name)
            except BaseException:
                if made:
                    layout.sweep(keep={one for one in layout.versions() if one != name or one == running})
                raise
            if name == running:
                return self._refresh(name, changed=changed)
            self._switch(name)
        return Outcome("upgraded" if running else "installed", name, running)

    def name_microphone(self, given: str) -> None:
        """Give a USB microphone the name ``earmark``, whatever else is plugged in. Raises ``InstallFault``."""
        card, known = microphones.choose(given, self.layout.root)
        version = self.layout.prefix / CURRENT
        write(self.layout.rule, places.said_by(version, "udev", *card.choice(known)))
        write(self.layout.alsa, places.said_by(version, "asound"))
        if self.layout.live:
            programs.attempt(["udevadm", "control", "--reload"])
            programs.attempt(["udevadm", "trigger", "--action=add", f"/sys/class/sound/card{card.number}"])
        self.say(f'{card.name} is called earmark from now on. In {self.layout.settings}: audio.source: "mic:earmark"')

    def rollback(self) -> Outcome:
        """Go back to the version before. Raises ``InstallFault`` where there is none, or it does no good either."""
        with self.layout.lock():
            self._recover()
            running, before = self.layout.linked(CURRENT), self.layout.linked(PREVIOUS)
            if not before or before == running:
                raise InstallFault("There is no earlier version to go back to", "Install the one you want.", EXIT_USAGE)
            try:
                self._prepare(before)
            except SelfTestFault as fault:
                raise self._explained(fault, before, running) from fault
            self._switch(before, keep=True)
        return Outcome("rolled back", before, running)

    def _explained(self, fault: SelfTestFault, before: str, running: str) -> InstallFault:
        """Where an earlier version cannot read the people that the running one can: what to do about it."""
        if fault.check != "people":
            return fault
        try:
            selftest(self.layout, self.layout.prefix / running, user=self._account, checks=("people",))
        except InstallFault:
            return fault  # it is not about the version
        return InstallFault(
            f"{before} cannot read the people as {running} keeps them ({fault.said}); {running} runs on",
            "`sudo earmark people protect --off` stores them as earlier versions did, unencrypted; then go back.",
            EXIT_UNHEALTHY,
        )

    def recover(self, *, at_start: bool = False) -> Outcome:
        """Undo an upgrade that was cut off. ``at_start``: of the machine, when systemd starts the service itself."""
        with self.layout.lock():
            before = self.layout.linked(CURRENT)
            if not self._recover(start=not at_start):
                return Outcome("nothing to recover", before)
        return Outcome("recovered", self.layout.linked(CURRENT), before)

    def uninstall(self, *, purge: bool) -> Outcome:
        """Remove Earmark; ``purge`` removes settings and voiceprints, too."""
        layout, before = self.layout, self.layout.linked(CURRENT)
        places.refuse_where_logins_need_it(layout)
        with layout.lock():
            self.services.remove()
            for path in (layout.rule, layout.alsa):
                path.unlink(missing_ok=True)
            snapshot.drop(layout)
            for link in (CURRENT, PREVIOUS, FALLBACK):
                layout.unlink(link)
            layout.sweep(keep=set())
            if purge:
                places.purge(layout)
        shutil.rmtree(layout.prefix, ignore_errors=True)
        return Outcome("removed", "", before)

    def _packages(self, missing: list[str], source: Source) -> None:
        if not missing:
            return
        if not self.apt:
            self.say(f"Not installed, and left out: {' '.join(missing)}. The microphone needs python3-pyaudio.")
            return
        self.say(f"Installing {' '.join(missing)} from {'the kit' if source.debs else 'Debian'}.")
        packages.install(source, missing)

    def _prepare(self, name: str) -> bool:
        """Settings, unit and self-test of a complete version; gives whether its unit is another one than before."""
        folder = self.layout.prefix / name
        if places.first_settings(self.layout, folder):
            self.say(f"Wrote {self.layout.settings} with every key and its default.")
        changed = write(folder / UNIT_COPY, places.unit_of(self.layout, folder))
        self.say(f"Self-test of {name} with the bundled recordings.")
        selftest(self.layout, folder, user=self._account)
        return changed

    def _refresh(self, name: str, *, changed: bool) -> Outcome:
        """The version is there already: units and command as they should be, and the service with them."""
        active = self.services.active()
        changed |= self.services.write(self._unit(name))
        if active and changed:
            self.services.start()
        return Outcome("unchanged", name, name)

    def _switch(self, name: str, *, keep: bool = False) -> None:
        """Put ``name`` on trial, and keep it if it does well. ``keep``: one that does not is kept on the disk, too."""
        layout, services = self.layout, self.services
        before, active = layout.linked(CURRENT), services.active()
        first = not before
        try:
            if before:
                self.say(f"Switching from {before} to {name}.")
                layout.point(FALLBACK, before)
                if active:
                    services.stop()
                snapshot.take(layout)
            services.write(self._unit(name))
            if first:
                services.enable()
            layout.point(CURRENT, name)
            if active or first:
                services.start()
        except BaseException as fault:
            with undisturbed():
                self._back(name, before, active=active, keep=keep)
            if before and isinstance(fault, InstallFault):
                raise InstallFault(
                    f"{fault.cause}. {before} runs again, as before", fault.remedy, EXIT_UNHEALTHY
                ) from fault
            raise
        with undisturbed():
            if before:
                layout.point(PREVIOUS, before)
            layout.unlink(FALLBACK)  # the trial has ended well; only now may the copy of the people go
            snapshot.drop(layout)
            layout.sweep(keep={name, layout.linked(PREVIOUS)})

    def _back(self, name: str, before: str, *, active: bool, keep: bool) -> None:
        """The trial has failed."""
        layout, services = self.layout, self.services
        self.say(f"{name} does no good; " + (f"going back to {before}." if before else "removing it."))
        if before:
            self._return_to(before, start=active)
        else:
            services.remove()
            layout.unlink(CURRENT)
        if not keep:
            layout.sweep(keep={one for one in layout.versions() if one != name})

    def _return_to(self, before: str, *, start: bool) -> None:
        if self.services.active():
            self.services.stop()
        snapshot.put_back(self.layout)
        self.services.write(self._unit(before))
        if (self.layout.prefix / FALLBACK).is_symlink():
            self.layout.turn_back()
        if start:
            self.services.start()

    def _recover(self, *, start: bool = True) -> bool:
        """Undo what was cut off; gives whether there was something."""
        layout = self.layout
        before = layout.linked(FALLBACK)
        if not before:
            layout.prefix.mkdir(parents=True, exist_ok=True)
            layout.unlink(FALLBACK)
            snapshot.drop(layout)
            return False
        self.say(f"An upgrade was cut off; going back to {before}.")
        with undisturbed():
            self._return_to(before, start=start and self.services.enabled())
        return True

    @property
    def _account(self) -> str:
        return ACCOUNT if self.layout.live else ""

    def _unit(self, name: str) -> str:
        return (self.layout.prefix / name / UNIT_COPY).read_text("utf-8")
