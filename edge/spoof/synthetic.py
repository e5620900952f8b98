"""Synthetic voices from the speech programs that are installed: espeak-ng, flite and festival.

Takes a number of recordings to make; gives them with the voice's name. Must hold: a program that is missing is named
and not needed; a program that hangs is ended.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from edge.audio import read_samples
from edge.errors import EarmarkError
from edge.records import Float32

PROGRAMS: Final = {"espeak-ng": "espeak-ng", "flite": "flite", "festival": "text2wave"}
"""Debian package -> the program that it brings."""
SENTENCES: Final = (
    "Please switch the light in the kitchen off before you go to bed.",
    "The blue bicycle has been standing in front of the bakery since Tuesday.",
    "My voice is my password, and it should open the door for me now.",
    "Three eight one five zero seven, nine two six four eight three.",
)
_ESPEAK: Final = ("en-us", "en-us+f2", "en-gb", "en-gb+f4", "en-gb-scotland+m3", "en-us+f5", "en-gb-x-rp+m7")
_FESTIVAL: Final = Path("/usr/share/festival/voices")
_SECONDS: Final = 30.0


@dataclass(frozen=True, slots=True)
class Voice:
    """``program``: which of ``PROGRAMS``. ``name``: as the program calls it."""

    program: str
    name: str


def voices() -> tuple[Voice, ...]:
    """The voices that are installed."""
    found = []
    if shutil.which("espeak-ng"):
        found += [Voice("espeak-ng", name) for name in _ESPEAK]
    if shutil.which("flite"):
        listed = _run(["flite", "-lv"]).partition(":")[2].split()
        found += [Voice("flite", name) for name in listed if name not in {"kal16", "awb_time"}]
    if shutil.which("text2wave"):
        found += [Voice("festival", path.name) for path in sorted(_FESTIVAL.glob("*/*")) if path.is_dir()]
    return tuple(found)


def missing() -> tuple[str, ...]:
    """Debian packages that would bring more voices."""
    return tuple(package for package, program in PROGRAMS.items() if not shutil.which(program))


def speak(most: int) -> Iterator[tuple[str, Float32]]:
    """At most ``most`` recordings: the voice's name, and float32 ``(n,)`` at 16 kHz. Voices take turns."""
    offered = voices()
    with tempfile.TemporaryDirectory(prefix="earmark-voices-") as folder:
        for number in range(most if offered else 0):
            voice = offered[number % len(offered)]
            text = SENTENCES[(number // len(offered) + number) % len(SENTENCES)]
            path = Path(folder) / f"{number}.wav"
            try:
                _say(voice, text, path)
                yield f"{voice.program} {voice.name}", read_samples(path)
            except (OSError, subprocess.SubprocessError, EarmarkError):
                continue  # a voice that is listed but broken


def _say(voice: Voice, text: str, path: Path) -> None:
    if voice.program == "espeak-ng":
        _run(["espeak-ng", "-v", voice.name, "-w", str(path), text])
    elif voice.program == "flite":
        _run(["flite", "-voice", voice.name, "-t", text, "-o", str(path)])
    else:
        _run(["text2wave", "-eval", f"(voice_{voice.name})", "-o", str(path)], text)


def _run(command: list[str], text: str = "") -> str:
    done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=_SECONDS, check=True)
    return done.stdout
