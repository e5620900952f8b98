"""A loudspeaker and a microphone for ``earmark spooftest``: real ones, or a sound server that joins the two.

Takes a program that plays WAV files, and the microphone; gives a ``Player``. Must hold: the virtual sound server is a
private one: nothing of the user's sound is heard, changed or left behind.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import tempfile
import time
import wave
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import numpy as np

from edge.audio import MicrophoneSource
from edge.errors import MicrophoneError, UsageError
from edge.records import SAMPLE_RATE, AudioBlock, Float32

_PROGRAMS: Final = ("pulseaudio", "pactl", "paplay")
_LEAD_SECONDS: Final = 0.8
"""The microphone listens for so long before the sound begins: the background has to be known."""
_AFTER_SECONDS: Final = 2.0
_START_SECONDS: Final = 20.0

_ALSA: Final = """\
pcm_type.pulse { lib "libasound_module_pcm_pulse.so" }
ctl_type.pulse { lib "libasound_module_ctl_pulse.so" }
pcm.!default { type pulse hint { show on description "Default (pulse)" } }
pcm.pulse { type pulse hint { show on description "PulseAudio" } }
ctl.!default { type pulse }
"""
_SERVER: Final = """\
load-module module-native-protocol-unix auth-anonymous=1 socket={socket}
load-module module-null-sink sink_name=earmark rate=16000 channels=1 format=s16le norewinds=1
set-default-sink earmark
set-default-source earmark.monitor
"""


class LoudspeakerPlayer:
    """Plays by a program, listens by a microphone. ``command``: the path of a WAV file is added to it."""

    def __init__(self, command: Sequence[str], device: str, folder: Path) -> None:
        self._command = list(command)
        self._device = device
        self._file = folder / "attack.wav"

    def blocks(self, samples: Float32) -> Iterator[AudioBlock]:
        """The microphone's sound from a little before ``samples`` until a little after. Raises ``MicrophoneError``."""
        _write(self._file, samples)
        source = MicrophoneSource(self._device or None)
        player: subprocess.Popen[bytes] | None = None
        heard = ended = 0.0
        try:
            for block in source.blocks():
                yield block
                heard += len(block.samples) / SAMPLE_RATE
                if player is None and heard >= _LEAD_SECONDS:
                    player = self._start()
                elif player is not None and player.poll() is None:
                    ended = heard
                elif player is not None and heard - ended >= _AFTER_SECONDS:
                    break
            if player is not None and player.poll():
                raise MicrophoneError(
                    f"{self._command[0]} could not play a recording", "Try it with a WAV file by hand."
                )
        finally:
            source.close()
            if player is not None:
                player.kill()
                player.wait()

    def _start(self) -> subprocess.Popen[bytes]:
        try:
            return subprocess.Popen(
                [*self._command, str(self._file)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
        except OSError as error:
            raise UsageError(
                f"{self._command[0]} cannot be run: {error.strerror}", "Name a program that plays WAV files."
            ) from error


@contextmanager
def open_player(command: str | None, device: str) -> Iterator[LoudspeakerPlayer]:
    """``command`` None: a private sound server whose loudspeaker is its microphone. Raises ``MicrophoneError``."""
    with tempfile.TemporaryDirectory(prefix="earmark-mic-") as made:
        folder = Path(made)
        if command:
            yield LoudspeakerPlayer(shlex.split(command), device, folder)
            return
        with _private_server(folder):
            yield LoudspeakerPlayer(["paplay", "--device=earmark"], "", folder)


@contextmanager
def _private_server(folder: Path) -> Iterator[None]:
    """Run it, and make it the one that this process hears."""
    lacking = [program for program in _PROGRAMS if not shutil.which(program)]
    if lacking:
        raise MicrophoneError(
            f"The virtual microphone needs {', '.join(lacking)}",
            "Install them with `apt install pulseaudio pulseaudio-utils libasound2-plugins`.",
        )
    socket = folder / "native"
    (folder / "asound.conf").write_text(_ALSA)
    (folder / "server.pa").write_text(_SERVER.format(socket=socket))
    before = dict(os.environ)
    os.environ |= {
        "HOME": str(folder),
        "XDG_RUNTIME_DIR": str(folder),
        "PULSE_RUNTIME_PATH": str(folder),
        "PULSE_SERVER": f"unix:{socket}",
        "PULSE_COOKIE": str(folder / "cookie"),
        "ALSA_CONFIG_PATH": str(folder / "asound.conf"),
    }
    options = ["-n", "--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no", "--realtime=no"]
    server = subprocess.Popen(
        ["pulseaudio", *options, "--high-priority=no", "-F", str(folder / "server.pa")],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_for(server)
        yield
    finally:
        server.kill()
        server.wait()
        for name in set(os.environ) - set(before):
            del os.environ[name]
        os.environ |= before


def _wait_for(server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while subprocess.run(["pactl", "info"], capture_output=True, check=False).returncode:
        if server.poll() is not None or time.monotonic() > deadline:
            raise MicrophoneError("The private sound server did not start", "Run `pulseaudio -n -v` to see why.")
        time.sleep(0.1)


def _write(path: Path, samples: Float32) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes(np.round(np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
