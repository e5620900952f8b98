"""Which machines Earmark is installed on.

Takes what a Python says about itself and its machine. Gives nothing, or a refusal with its reason. Must hold: what is
refused is what cannot be made to work or has never been tried, and the sentence says what to use instead.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from deploy.install.faults import InstallFault

OLDEST: Final = (3, 11)
MACHINES: Final = ("aarch64", "x86_64")
_ASK: Final = (
    "import json, platform, sys; "
    "print(json.dumps([list(sys.version_info[:2]), sys.maxsize > 2**32, platform.machine()]))"
)


@dataclass(frozen=True, slots=True)
class Platform:
    """``python``: major and minor version. ``wide``: whether it is a 64-bit program, whatever the kernel is."""

    python: tuple[int, int]
    wide: bool
    machine: str

    @property
    def version(self) -> str:
        """Such as ``3.11``."""
        return f"{self.python[0]}.{self.python[1]}"


def base_python() -> Path:
    """The system's own Python, also when this runs in a virtual environment."""
    return Path(sys.base_prefix) / "bin" / f"python{sys.version_info[0]}.{sys.version_info[1]}"


def ask(python: Path) -> Platform:
    """What ``python`` is. Raises ``InstallFault`` where it does not run."""
    try:
        done = subprocess.run([python, "-I", "-c", _ASK], capture_output=True, text=True, check=True, timeout=120)
        version, wide, machine = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        raise InstallFault(f"{python} is no Python that runs here", "Name another one with --python.") from error
    return Platform((version[0], version[1]), wide, machine)


def judge(found: Platform) -> None:
    """Raise ``InstallFault`` unless Earmark works with ``found``."""
    if not found.wide:
        # A 64-bit kernel below 32-bit programs is common on a Pi, so the kernel's word says nothing.
        small = found.machine.startswith("armv6")
        raise InstallFault(
            f"This is a 32-bit system ({found.machine}), for which neither numpy nor a TFLite runtime for current "
            "Pythons is published, so that Earmark has never run on one",
            "A first Pi or Pi Zero cannot run a 64-bit system; use a Pi Zero 2 W, 3 or newer."
            if small
            else "Write the 64-bit Raspberry Pi OS onto the card: a Pi Zero 2 W, 3 and newer run it.",
        )
    if found.machine not in MACHINES:
        raise InstallFault(
            f"No TFLite runtime is published for {found.machine}", f"Use one of {' and '.join(MACHINES)}."
        )
    if found.python < OLDEST:
        raise InstallFault(
            f"Python {found.version} is too old: Earmark needs 3.11", "Use Raspberry Pi OS 12 (bookworm) or newer."
        )
