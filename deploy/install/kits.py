"""Make a kit: one file with the installer and every wheel, for a Pi with or without a network.

Takes a wheel or a checkout, and the releases it is for. Gives a file that Python runs. Must hold: what stands in it is
hashed, and is all that its installation needs besides Debian; it can be made on another kind of machine.
"""

from __future__ import annotations

import importlib
import json
import shutil
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from email.parser import Parser
from pathlib import Path
from typing import Any, Final

from deploy.install.faults import InstallFault
from deploy.install.programs import run
from deploy.install.sources import KIT, SCHEMA, Source, pip, quiet_pip, sha256

INSTALLER: Final = Path(__file__).parent
_MAIN: Final = "import runpy\n\nrunpy.run_module('deploy.install', run_name='__main__', alter_sys=True)\n"
_HEAD: Final = b"#!/usr/bin/env python3\n# coding: this-kit-was-cut-off-so-copy-it-again\n"
"""Python reads the second line of a kit that has lost its end, and shows it: `encoding problem: this-kit-was-...`."""
_EPOCH: Final = (2026, 1, 1, 0, 0, 0)
"""The time in the archive, so that the same content gives the same file."""


@dataclass(frozen=True, slots=True)
class Release:
    """A Debian or Raspberry Pi OS: its Python, and the newest glibc 2.x that wheels may ask for."""

    python: str
    glibc: int


RELEASES: Final = {"bookworm": Release("3.11", 36), "trixie": Release("3.13", 41)}
MACHINES: Final = {"arm64": "aarch64", "amd64": "x86_64"}


def make_kit(
    source: Source, out: Path, releases: Sequence[str], arch: str, workspace: Path, *, debs: Path | None = None
) -> int:
    """Write the kit to ``out``; gives its size in bytes. Raises ``InstallFault``.

    ``releases``: names in ``RELEASES``. ``arch``: ``arm64`` or ``amd64``. ``debs``: a folder of Debian packages to add.
    """
    wheels = workspace / "wheels"
    wheels.mkdir()
    shutil.copy(source.wheel, wheels)
    machine = MACHINES[arch]
    for name in releases:
        release = RELEASES[name]
        _fetch(wheels, requirements(source.wheel, release.python, machine), release, machine, workspace)
    _fetch(wheels, ["pip"], RELEASES[releases[0]], machine, workspace)
    members = {f"wheels/{path.name}": path for path in wheels.glob("*.whl")}
    members |= {f"debs/{path.name}": path for path in debs.glob("*.deb")} if debs else {}
    targets = [(RELEASES[name].python, machine) for name in releases]
    return pack(out, members, source.version, targets)


def pack(out: Path, members: dict[str, Path], version: str, targets: Sequence[tuple[str, str]]) -> int:
    """Write the file itself; gives its size. ``members``: name in the kit -> file."""
    card = {
        "schema": SCHEMA,
        "version": version,
        "targets": [list(one) for one in targets],
        "files": {name: sha256(path) for name, path in sorted(members.items())},
    }
    code = {f"deploy/install/{path.name}": path.read_text("utf-8") for path in sorted(INSTALLER.glob("*.py"))}
    code |= {"deploy/__init__.py": "", "__main__.py": _MAIN, KIT: json.dumps(card, indent=1) + "\n"}
    fresh = out.with_name(f".{out.name}.new")
    try:
        with fresh.open("wb") as file:
            file.write(_HEAD)
            with zipfile.ZipFile(file, "w") as archive:
                for name, text in sorted(code.items()):
                    archive.writestr(zipfile.ZipInfo(name, _EPOCH), text, zipfile.ZIP_DEFLATED)
                for name, path in sorted(members.items()):
                    with path.open("rb") as content, archive.open(zipfile.ZipInfo(name, _EPOCH), "w") as target:
                        shutil.copyfileobj(content, target)
        fresh.chmod(0o755)
        fresh.replace(out)
    except OSError as error:
        raise InstallFault(f"{out} cannot be written ({error.strerror})", "Name another file with --out.") from error
    finally:
        fresh.unlink(missing_ok=True)
    return out.stat().st_size


def requirements(wheel: Path, python: str, machine: str) -> list[str]:
    """What a wheel needs on a certain machine. pip itself would judge the markers by the machine that it runs on."""
    with zipfile.ZipFile(wheel) as archive:
        name = next(one for one in archive.namelist() if one.endswith(".dist-info/METADATA"))
        metadata = Parser().parsestr(archive.read(name).decode())
    environment = {
        "python_version": python,
        "python_full_version": f"{python}.0",
        "platform_machine": machine,
        "platform_system": "Linux",
        "sys_platform": "linux",
        "os_name": "posix",
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
        "extra": "",
    }
    parse: Any = importlib.import_module("pip._vendor.packaging.requirements").Requirement
    wanted = [parse(text) for text in metadata.get_all("Requires-Dist", [])]
    return [f"{one.name}{one.specifier}" for one in wanted if one.marker is None or one.marker.evaluate(environment)]


def _fetch(folder: Path, wanted: Sequence[str], release: Release, machine: str, workspace: Path) -> None:
    if not wanted:
        return
    # The newest first: pip takes the best match. manylinux2014 is 2_17 by its older name.
    platforms = [f"manylinux_2_{minor}_{machine}" for minor in range(release.glibc, 16, -1)]
    platforms += [f"manylinux2014_{machine}", f"linux_{machine}"]
    words: list[str | Path] = [*pip(workspace), "download", "--quiet", "--only-binary=:all:", "--dest", folder]
    words += ["--python-version", release.python, "--implementation", "cp"]
    words += [word for platform in platforms for word in ("--platform", platform)]
    run(
        [*words, *wanted],
        remedy="See what pip says, and whether the network is there.",
        environ=quiet_pip(),
    )
