"""The virtual microphone with a card that can be made to misbehave (``faulty_alsa.c``), and sound that never stops.

Takes a folder; gives what a daemon needs in its environment. Must hold: what misbehaves is below PortAudio, where real
cards do, so that all of Earmark and PortAudio is the real thing.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.edge.audio.kernel import sound_cards
from tests.virtual_microphone import VirtualMicrophone

_SOURCE = Path(__file__).with_name("faulty_alsa.c")
HOLDER = 4711
"""Number of the process that holds a busy card."""


class Card:
    """``microphone`` runs from the start, and hears a faint noise for five minutes, or until ``hush``."""

    def __init__(self, folder: Path) -> None:
        compiler = shutil.which("gcc")
        if compiler is None or not Path("/usr/include/alsa/asoundlib.h").exists():
            pytest.skip("the faulty card is compiled: apt-get install gcc libasound2-dev")
        library = folder / "faulty_alsa.so"
        options = ["-O1", "-shared", "-fPIC", "-Wl,--no-as-needed"]
        subprocess.run([compiler, *options, "-o", str(library), str(_SOURCE), "-lasound"], check=True)
        self._word = folder / "fault"
        self._proc = folder / "asound"
        self._proc.mkdir()
        self._noise: subprocess.Popen[bytes] | None = None
        self._rustling = folder / "rustling.wav"
        soundfile.write(self._rustling, np.random.default_rng(5).normal(0, 3e-4, 16_000 * 300), 16_000, "PCM_16")
        self.say("")
        self.hold(None)
        self.microphone = VirtualMicrophone()
        self.environment = self.microphone.environment | {
            "LD_PRELOAD": str(library),
            "FAULTY_ALSA": str(self._word),
            "FAULTY_PROC": str(self._proc),
        }
        os.environ.update(self.microphone.environment)  # for pactl and paplay
        self.plug_in()

    def say(self, fault: str) -> None:
        """What the card does from now on: see ``faulty_alsa.c``; empty: what it should."""
        fresh = self._word.with_suffix(".new")
        fresh.write_text(fault)
        fresh.replace(self._word)

    def hold(self, process: int | None) -> None:
        """Let the kernel say that ``process`` records from it; None: nobody."""
        sound_cards(self._proc, process)

    def plug_in(self) -> None:
        """The card is there, and hears noise."""
        self.microphone.start()
        self.rustle()

    def pull_out(self) -> None:
        """The card is gone."""
        self.microphone.stop()
        self.hush()

    def rustle(self) -> None:
        """Let it hear noise of -70 dBFS for five minutes: what is silent now is not the room."""
        self.hush()
        self._noise = self.microphone.begin_file(self._rustling)

    def hush(self) -> None:
        """Let it hear nothing but zeros."""
        if self._noise is not None:
            self._noise.kill()
            self._noise.wait()
        self._noise = None

    def remove(self) -> None:
        """End all of it."""
        self.hush()
        self.microphone.remove()
