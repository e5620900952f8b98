"""What is installed: a kit, a wheel, or a checkout.

Takes a path, or nothing where this very program is a kit. Gives a ``Source``: Earmark's wheel and, from a kit, every
other wheel. Must hold: a kit that is damaged, or made for another machine, is refused before anything is changed; a
checkout is only read.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import re
import shutil
import sys
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from deploy.install.faults import EXIT_USAGE, InstallFault
from deploy.install.platforms import Platform
from deploy.install.programs import run

KIT: Final = "kit.json"
SCHEMA: Final = 1
ROOMS: Final = ("edge", "training", "convert", "deploy")
_BESIDE: Final = ("setup.cfg", "pyproject.toml", "README.md", "LICENSE", "NOTICE")
_MEMBER: Final = re.compile(r"(wheels/[A-Za-z0-9._+-]+\.whl|debs/[A-Za-z0-9.%~_+-]+\.deb)")
_WHEEL: Final = re.compile(r"earmark-([0-9][A-Za-z0-9.+_]*)-[^/]+\.whl")
_AGAIN: Final = "Get the kit again, or make it again (earmark deploy kit)."


@dataclass(frozen=True, slots=True)
class Source:
    """``wheel``: Earmark's. ``build``: its SHA-256. ``wheels``: folder with every other wheel, None where pip fetches
    them. ``pip``: a wheel that can be run. ``debs``: Debian packages for what the system lacks.
    """

    wheel: Path
    version: str
    build: str
    said: str
    wheels: Path | None = None
    pip: Path | None = None
    debs: tuple[Path, ...] = ()


def own_kit() -> Path | None:
    """The kit that this code runs from, if it does: a file that Python runs, or a folder."""
    place = Path(__file__).parents[2]
    if place.is_file():
        return place
    return place if (place / KIT).is_file() else None


def open_source(given: str, workspace: Path, platform: Platform) -> Source:
    """Find what ``given`` names; files are made in ``workspace`` only. Raises ``InstallFault``.

    ``given``: a kit (file or folder), a wheel, a checkout, or empty for the kit or the checkout that this runs from.
    """
    path = Path(given) if given else own_kit() or Path(__file__).parents[2]
    if path.is_dir() and (path / KIT).is_file():
        return _kit(path, platform, str(path))
    if path.is_dir() and all((path / name).exists() for name in ("setup.cfg", *ROOMS)):
        return from_wheel(build_wheel(path, workspace), f"the checkout {path}")
    if path.suffix == ".whl" and path.is_file():
        return from_wheel(path, str(path))
    if path.is_file() and zipfile.is_zipfile(path):
        return _kit(_unpacked(path, workspace / "kit"), platform, str(path))
    if not given:
        raise InstallFault(
            "There is nothing here to install from",
            "Name a kit or a wheel: sudo earmark deploy install FILE.",
            EXIT_USAGE,
        )
    raise InstallFault(f"{path} is no kit, no wheel of Earmark and no checkout", "Name one of these.", EXIT_USAGE)


def from_wheel(wheel: Path, said: str) -> Source:
    """A source of Earmark's wheel alone; pip fetches the rest."""
    named = _WHEEL.fullmatch(wheel.name)
    if named is None:
        raise InstallFault(f"{wheel} is no wheel of Earmark", "Its name starts with earmark-VERSION-.", EXIT_USAGE)
    return Source(wheel.resolve(), named[1], sha256(wheel), said)


def build_wheel(checkout: Path, workspace: Path) -> Path:
    """The wheel of a checkout, built from a copy of its rooms."""
    copy = workspace / "checkout"
    for name in ROOMS:
        shutil.copytree(checkout / name, copy / name, ignore=shutil.ignore_patterns("__pycache__", "packs"))
    for name in _BESIDE:
        shutil.copy(checkout / name, copy / name)
    words = [*pip(workspace), "wheel", "--quiet", "--no-deps", "--wheel-dir", workspace, copy]
    run(words, remedy="See what pip says; building needs the network, a kit does not.", environ=quiet_pip())
    return next(workspace.glob("earmark-*.whl"))


def pip(workspace: Path, target: Path | None = None) -> list[str | Path]:
    """The words that run a pip, for the Python ``target`` where one is given. Makes one if there is none."""
    python = Path(sys.executable)
    if importlib.util.find_spec("pip") is None:
        python = workspace / "pip" / "bin" / "python3"
        if not python.exists():
            run(
                [sys.executable, "-I", "-m", "venv", workspace / "pip"],
                remedy="Install what Debian leaves out: sudo apt install python3-venv",
            )
    words: list[str | Path] = [python, "-m", "pip"]
    return words if target is None else [*words, "--python", target]


def quiet_pip(*, offline: bool = False) -> dict[str, str]:
    """The environment for pip: nothing is asked, and without the network nothing of the person's settings counts."""
    kept = {k: v for k, v in os.environ.items() if not (offline and k.startswith("PIP_")) and k != "PYTHONPATH"}
    if offline:
        kept["PIP_CONFIG_FILE"] = os.devnull
    return kept | {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1", "PIP_ROOT_USER_ACTION": "ignore"}


def sha256(path: Path) -> str:
    """The hash of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _unpacked(path: Path, folder: Path) -> Path:
    try:
        with zipfile.ZipFile(path) as archive:
            if KIT not in archive.namelist():
                raise InstallFault(f"{path} is no kit of Earmark", "It holds no kit.json.", EXIT_USAGE)
            for name in archive.namelist():
                if name == KIT or _MEMBER.fullmatch(name):
                    archive.extract(name, folder)
    except (zipfile.BadZipFile, OSError, EOFError) as error:
        raise InstallFault(f"{path} is damaged ({error})", _AGAIN) from error
    return folder


def _kit(folder: Path, platform: Platform, said: str) -> Source:
    try:
        raw: Any = json.loads((folder / KIT).read_text("utf-8"))
        schema, files, targets = raw["schema"], dict(raw["files"]), [tuple(one) for one in raw["targets"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InstallFault(f"{said} is damaged: its {KIT} cannot be read", _AGAIN) from error
    if schema != SCHEMA:
        raise InstallFault(f"{said} is a kit of another form (schema {schema})", "Use the installer it came with.")
    _check(folder, files, said)
    if (platform.version, platform.machine) not in targets:
        made = " and ".join(f"Python {python} on {machine}" for python, machine in targets)
        raise InstallFault(
            f"{said} is made for {made}, and this is Python {platform.version} on {platform.machine}",
            "Get or make a kit for this system (earmark deploy kit --release).",
        )
    wheels = folder / "wheels"
    source = from_wheel(next(wheels.glob("earmark-*.whl")), said)
    return Source(
        source.wheel,
        source.version,
        source.build,
        said,
        wheels.resolve(),
        next(iter(sorted(wheels.resolve().glob("pip-*.whl"))), None),
        tuple(sorted((folder / "debs").resolve().glob("*.deb"))),
    )


def _check(folder: Path, files: Mapping[str, str], said: str) -> None:
    for name, expected in files.items():
        path = folder / name
        if not _MEMBER.fullmatch(name) or not path.is_file() or sha256(path) != expected:
            raise InstallFault(f"{said} is damaged: {name} is not the file that was put into it", _AGAIN)
    present = {f"{path.parent.name}/{path.name}" for kind in ("wheels", "debs") for path in (folder / kind).glob("*")}
    if extra := sorted(present - set(files)):
        raise InstallFault(f"{said} holds a file that nobody put into it: {extra[0]}", _AGAIN)
    if sum(Path(name).name.startswith("earmark-") for name in files) != 1:
        raise InstallFault(f"{said} does not hold one wheel of Earmark", _AGAIN)
