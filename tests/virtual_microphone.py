"""A microphone without hardware: a private PulseAudio whose null sink is recorded, and into which files are played.

Takes: PulseAudio's programs. Gives: the fixture ``virtual_microphone`` and the class behind it, for tests that start a
daemon of their own. Must hold: nothing outside the private folder is read or changed; works as root, without a session
and without sound hardware.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

_PROGRAMS = ("pulseaudio", "pactl", "paplay")

# The plug-in types are named in full because this file replaces the system's ALSA configuration: PortAudio then lists
# exactly the devices ``default`` and those that are described.
_ASOUND = """\
pcm_type.pulse { lib "libasound_module_pcm_pulse.so" }
ctl_type.pulse { lib "libasound_module_ctl_pulse.so" }
pcm.!default { type pulse hint { show on description "Default (pulse)" } }
ctl.!default { type pulse }
"""
_DEVICE = 'pcm.%s { type pulse hint { show on description "PulseAudio" } }\n'

# Without norewinds the monitor delivers in bursts of two seconds.
_DAEMON = """\
load-module module-native-protocol-unix auth-anonymous=1 socket={socket}
load-module module-null-sink sink_name=vmic rate={rate} channels={channels} format=s16le norewinds=1
set-default-sink vmic
set-default-source vmic.monitor
"""


class VirtualMicrophone:
    """A private sound server. ``start`` and ``stop`` may be repeated: that is how a microphone is lost and comes back.

    ``environment`` is what a program needs in order to record from it, and nothing else.
    """

    def __init__(self, rate: int = 16_000, channels: int = 1) -> None:
        missing = [program for program in _PROGRAMS if not shutil.which(program)]
        if missing:
            pytest.fail(
                f"the virtual microphone needs {', '.join(missing)}: "
                "apt-get install pulseaudio pulseaudio-utils libasound2-plugins"
            )
        self._folder = Path(tempfile.mkdtemp(prefix="earmark-mic-"))  # short: socket paths have at most 107 bytes
        socket = self._folder / "native"
        self.environment = {
            "XDG_RUNTIME_DIR": str(self._folder),
            "PULSE_RUNTIME_PATH": str(self._folder),
            "PULSE_SERVER": f"unix:{socket}",
            "PULSE_COOKIE": str(self._folder / "cookie"),
            "ALSA_CONFIG_PATH": str(self._folder / "asound.conf"),
        }
        self.describe("pulse")
        (self._folder / "daemon.pa").write_text(_DAEMON.format(socket=socket, rate=rate, channels=channels))
        self._server: subprocess.Popen[bytes] | None = None

    def describe(self, *names: str) -> None:
        """Let PortAudio list these devices, and ``default``, from when it starts the next time."""
        devices = "".join(_DEVICE % name for name in names)
        (self._folder / "asound.conf").write_text(_ASOUND + devices)

    def start(self) -> None:
        """Start the sound server and wait until it answers."""
        (self._folder / "native").unlink(missing_ok=True)
        log = self._folder / "pulse.log"
        with log.open("wb") as output:
            options = ["-n", "--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no", "--disallow-exit"]
            options += ["--realtime=no", "--high-priority=no", "-F", str(self._folder / "daemon.pa")]
            self._server = subprocess.Popen(
                ["pulseaudio", *options], env=self._full_environment(), stdout=output, stderr=output
            )
        deadline = time.monotonic() + 20
        while self._run("pactl", "info", check=False).returncode:
            if self._server.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"the virtual microphone's PulseAudio did not start:\n{log.read_text(errors='replace')}")
            time.sleep(0.05)

    def stop(self) -> None:
        """End the sound server, as a crash or an unplugged device would."""
        if self._server:
            self._server.kill()
            self._server.wait()
        self._server = None

    def signal(self, number: int) -> None:
        """Send a signal to the server: SIGSTOP makes it hang, SIGCONT lets it go on."""
        assert self._server
        self._server.send_signal(number)

    def recorders(self) -> int:
        """How many programs are recording from it."""
        return len(self._run("pactl", "list", "short", "source-outputs").stdout.splitlines())

    def remove(self) -> None:
        """End the server and delete its folder."""
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def play(self, samples: np.ndarray, rate: int = 16_000) -> None:
        """Let the microphone hear ``samples`` (float, ``(n,)`` or ``(n, channels)``); returns when they are over."""
        path = self._folder / "play.wav"
        soundfile.write(path, samples, rate, subtype="PCM_16")
        self.play_file(path)

    def begin(self, samples: np.ndarray, rate: int = 16_000) -> subprocess.Popen[bytes]:
        """Let the microphone begin to hear ``samples``; gives the player, to be waited for."""
        path = self._folder / "begin.wav"
        soundfile.write(path, samples, rate, subtype="PCM_16")
        return self.begin_file(path)

    def begin_file(self, path: Path) -> subprocess.Popen[bytes]:
        """Let the microphone begin to hear a WAV file; gives the player."""
        command = ["paplay", "--device=vmic", str(path)]
        return subprocess.Popen(command, env=self._full_environment(), stderr=subprocess.DEVNULL)

    def play_file(self, path: Path) -> None:
        """Let the microphone hear a WAV file; returns when it is over."""
        self._run("paplay", "--device=vmic", str(path))

    def _run(self, *command: str, check: bool = True) -> subprocess.CompletedProcess[bytes]:
        done = subprocess.run(command, check=False, env=self._full_environment(), capture_output=True, timeout=60)
        if check and done.returncode:
            pytest.fail(f"{command[0]} failed: {done.stderr.decode(errors='replace')}")
        return done

    def _full_environment(self) -> dict[str, str]:
        return os.environ | self.environment | {"HOME": str(self._folder)}


@pytest.fixture
def virtual_microphone(monkeypatch: pytest.MonkeyPatch) -> Iterator[VirtualMicrophone]:
    """A running virtual microphone, the default one of this process and of those it starts."""
    microphone = VirtualMicrophone()
    for name, value in microphone.environment.items():
        monkeypatch.setenv(name, value)
    try:
        microphone.start()
        yield microphone
    finally:
        microphone.remove()
