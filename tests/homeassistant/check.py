"""``make test-ha``: Earmark in a house where Home Assistant runs.

A Home Assistant of its own is started, its MQTT integration set up, and the daemon run at a mosquitto: with recordings,
and at a microphone that hears what is played. What it announces, says and obeys is read and done through Home
Assistant's own API. Each line of the report is a step.
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from tests.broker import Listener, Mosquitto
from tests.homeassistant.house import House
from tests.homeassistant.scenes import Scenes
from tests.steps import Steps, verdict
from tests.virtual_microphone import VirtualMicrophone

_PROGRAMS = {
    "debootstrap": "debootstrap", "unshare": "util-linux", "mosquitto": "mosquitto", "pulseaudio": "pulseaudio",
    "paplay": "pulseaudio-utils",
}  # fmt: skip
EXIT_ENVIRONMENT = 5


class Report(Steps):
    """Those that are asked for, and those that every step needs."""

    def __init__(self, only: str, since: str) -> None:
        super().__init__()
        self._only = only
        self._since = since

    def step(self, what: str, check: Callable[[], str]) -> bool:
        self._since = "" if self._since in what else self._since
        if (self._since or self._only not in what) and what not in Scenes.NEEDED:
            return True
        return super().step(what, check)


def prepare() -> None:
    """See that it can be run here, and go on in a mount namespace of our own; else end with a sentence."""
    problem = ""
    os.environ["PATH"] += ":/usr/sbin"
    if os.geteuid() != 0:
        problem = "Only root can make a Debian in a folder. Put sudo before the command."
    elif missing := sorted({package for program, package in _PROGRAMS.items() if not shutil.which(program)}):
        problem = f"Something is missing: sudo apt install {' '.join(missing)}"
    elif subprocess.run(["unshare", "--mount", "true"], check=False, capture_output=True).returncode:
        problem = "This container may not make a mount namespace (unshare --mount)."
    if problem:
        print(problem, file=sys.stderr)
        raise SystemExit(EXIT_ENVIRONMENT)
    if "EARMARK_UNSHARED" not in os.environ:
        os.environ["EARMARK_UNSHARED"] = "1"
        os.execvp("unshare", ["unshare", "--mount", sys.executable, "-m", "tests.homeassistant.check", *sys.argv[1:]])


def main() -> int:
    parser = argparse.ArgumentParser(prog="make test-ha", description=__doc__)
    parser.add_argument(
        "--folder", type=Path, default=Path("/var/tmp/earmark-roots"), help="keeps the root (%(default)s)"
    )
    parser.add_argument(
        "--only", default="", metavar="WORD", help="steps with this in their name, after what every step needs"
    )
    parser.add_argument("--since", default="", metavar="WORD", help="begin with the step with this in its name")
    parser.add_argument("--keep", type=Path, metavar="FILE", help="write Home Assistant's log to FILE")
    options = parser.parse_args()
    prepare()
    os.environ.pop("EARMARK_UNSHARED", None)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that everything started here ends, too
    report = Report(options.only, options.since)
    with tempfile.TemporaryDirectory(prefix="earmark-ha-") as name, House(options.folder) as house:
        if not report.step(Scenes.NEEDED[0], house.make):
            print("Home Assistant could not be installed: it needs the network.", file=sys.stderr)
            return EXIT_ENVIRONMENT
        folder = Path(name)
        broker, microphone = Mosquitto(folder).start(), VirtualMicrophone()
        with ExitStack() as ends:
            ends.callback(broker.stop)
            ends.callback(microphone.remove)
            if options.keep:
                ends.callback(lambda: options.keep.write_text(house.log))
            microphone.start()
            os.environ.update(microphone.environment)
            listener = Listener(broker.port)
            ends.callback(listener.close)
            scenes = Scenes(house, broker, microphone, listener, folder)
            ends.callback(scenes.end)
            for what, check in scenes.steps():
                if not report.step(what, check) and what in Scenes.NEEDED:
                    break
    return verdict(report.failed)


if __name__ == "__main__":
    raise SystemExit(main())
