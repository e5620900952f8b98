"""Make a version: a virtual environment of its own, complete or not there.

Takes a source and a Python. Gives the name of a version in ``/opt/earmark``. Must hold: nothing that runs is touched;
without its record, which is written last, the version does not count.
"""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from deploy.install.faults import InstallFault
from deploy.install.layout import Layout, Record
from deploy.install.platforms import Platform
from deploy.install.programs import attempt, run
from deploy.install.sources import Source, pip, quiet_pip

NEEDED_BYTES: Final = 300_000_000
"""A version is about 100 to 150 MB; pip needs room to unpack."""
_WHERE_PYAUDIO: Final = "import pyaudio; print(pyaudio.__file__)"


def same(layout: Layout, source: Source, platform: Platform) -> str:
    """The name of a complete version that is made of the same, empty where there is none."""
    wanted = (source.build, platform.version)
    for name in reversed(layout.versions()):
        record = layout.record(name)
        if record is not None and (record.build, record.python) == wanted:
            return name
    return ""


def build(layout: Layout, source: Source, python: Path, platform: Platform, workspace: Path) -> str:
    """Make the version; gives its name. Raises ``InstallFault``; what is left then is swept away later."""
    free = shutil.disk_usage(layout.prefix).free
    if free < NEEDED_BYTES:
        raise InstallFault(
            f"{layout.prefix} has {free // 1_000_000} MB left, and a version needs {NEEDED_BYTES // 1_000_000}",
            "Free some space and try again.",
        )
    name = _unused(layout, source.version)
    folder = layout.prefix / name
    run([python, "-I", "-m", "venv", "--without-pip", folder], remedy="Install Python's own: sudo apt install python3")
    target = folder / "bin" / "python3"
    if source.wheels is not None:
        words: list[str | Path] = [target, source.pip / "pip"] if source.pip else pip(workspace, target)
        words += ["install", "--no-index", "--find-links", source.wheels]
    else:
        words = [*pip(workspace, target), "install"]
    run(
        [*words, "--quiet", "--no-cache-dir", "--no-warn-script-location", source.wheel],
        remedy="See what pip says."
        if source.wheels is not None
        else "See what pip says, and whether the network is there.",
        environ=quiet_pip(offline=source.wheels is not None),
    )
    _adopt_pyaudio(python, target)
    layout.complete(
        name,
        Record(
            version=source.version,
            build=source.build,
            python=platform.version,
            machine=platform.machine,
            installed=datetime.now(UTC).isoformat(),
            source=source.said,
        ),
    )
    return name


def _unused(layout: Layout, version: str) -> str:
    name, number = version, 1
    while (layout.prefix / name).exists():
        number += 1
        name = f"{version}-{number}"
    return name


def _adopt_pyaudio(python: Path, target: Path) -> None:
    """Let the version see Debian's PyAudio, and nothing else of Debian's: PyPI has no wheel of it, and a compiler on a
    Pi takes 200 MB.
    """
    if attempt([target, "-I", "-c", _WHERE_PYAUDIO]).returncode == 0:
        return
    found = attempt([python, "-I", "-c", _WHERE_PYAUDIO])
    if found.returncode != 0:
        return
    module = Path(found.stdout.strip())
    said = run([target, "-I", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], remedy="")
    site = Path(said.strip())
    parts = [module.parent] if module.name == "__init__.py" else [module]
    parts += sorted(parts[0].parent.glob("_portaudio*.so"))
    for part in parts:
        (site / part.name).symlink_to(part)
