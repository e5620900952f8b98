"""What Earmark needs of Debian: PyAudio and, without a kit, what makes virtual environments.

Takes a source. Gives a system that has them, or a fault that names the command. Must hold: apt is asked only for what
is missing, and nothing is asked of a person.
"""

from __future__ import annotations

import os
from typing import Final

from deploy.install.programs import attempt, exists, run
from deploy.install.sources import Source

MICROPHONE: Final = "python3-pyaudio"
ENVIRONMENTS: Final = "python3-venv"


def missing(source: Source) -> list[str]:
    """The packages that are not installed; none where this is no Debian."""
    if not exists("dpkg-query"):
        return []
    wanted = [MICROPHONE, *([] if source.wheels is not None and source.pip else [ENVIRONMENTS])]
    return [name for name in wanted if not _installed(name)]


def install(source: Source, names: list[str]) -> None:
    """Install them, from the kit where it has packages, else from Debian. Raises ``InstallFault``."""
    environ = dict(os.environ) | {"DEBIAN_FRONTEND": "noninteractive"}
    quiet = ["apt-get", "install", "--yes", "--quiet", "--no-install-recommends"]
    remedy = f"Install it by hand (sudo apt install {' '.join(names)}), or go without: --no-apt."
    if source.debs:
        run([*quiet, "--no-download", *source.debs], remedy=remedy, environ=environ)
        return
    if attempt([*quiet, *names], environ=environ).returncode != 0:
        # The lists of a fresh card are old, or not there at all.
        run(["apt-get", "update", "--quiet"], remedy=remedy, environ=environ)
        run([*quiet, *names], remedy=remedy, environ=environ)


def _installed(name: str) -> bool:
    done = attempt(["dpkg-query", "-W", "-f", "${db:Status-Status}", name])
    return done.returncode == 0 and done.stdout == "installed"
