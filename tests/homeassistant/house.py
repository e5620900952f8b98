"""A Home Assistant of its own in a Debian in a folder.

Takes a folder that keeps the root. Gives ``House``: started, restarted, ended, and its log. Must hold: the root is made
once; each run begins with an empty Home Assistant, which listens on 127.0.0.1 only.
"""

import json
import re
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from tests.arm64.roots import Root
from tests.broker import free_port
from tests.homeassistant.rest import Rest

RELEASE, VERSION = "trixie", "2026.2.3"
"""The newest Home Assistant that runs on the release's Python."""
_PACKAGES = (
    "python3-venv gcc g++ python3-dev libffi-dev libssl-dev zlib1g-dev libjpeg-dev libturbojpeg0"  # for its wheels
)
_BROUGHT = f"homeassistant=={VERSION} paho-mqtt==2.1.0"
_CONFIGURATION = """\
homeassistant: {{name: Home, time_zone: UTC, unit_system: metric, latitude: 0, longitude: 0, elevation: 0,
  country: GB, currency: GBP}}
http: {{server_host: 127.0.0.1, server_port: {port}}}
api:
config:
zeroconf:
history:
logger: {{default: info}}
automation: !include automations.yaml
script: !include scripts.yaml
input_boolean: {{guests: {{name: Guests}}}}
lovelace:
  dashboards:
    earmark-voices: {{mode: yaml, title: Voices, icon: mdi:account-voice, show_in_sidebar: true,
      filename: dashboard.yaml}}
"""
_WEBSOCKET = """
import aiohttp, asyncio, json, sys

async def main(url, token, command):
    async with aiohttp.ClientSession() as session, session.ws_connect(url + "/api/websocket") as socket:
        await socket.receive_json()
        await socket.send_json({"type": "auth", "access_token": token})
        await socket.receive_json()
        await socket.send_json(json.loads(command))
        print(json.dumps(await socket.receive_json()))

asyncio.run(main(*sys.argv[1:]))
"""


class House:
    """A context manager: ended when left."""

    def __init__(self, folder: Path) -> None:
        arch = subprocess.run(["dpkg", "--print-architecture"], check=True, capture_output=True, text=True)
        name = arch.stdout.strip()
        self.root = Root(folder / f"{RELEASE}-{name}-homeassistant", RELEASE, name)
        self._process: subprocess.Popen[bytes] | None = None
        self._earlier = ""
        self.rest = Rest(f"http://127.0.0.1:{free_port()}")

    def make(self) -> str:
        """Make the root, unless it is there; gives what runs."""
        self.root.make()
        done = self.root.folder / "ha" / VERSION
        if not done.exists():
            for line in (
                f"apt-get update -qq && apt-get install -y -qq --no-install-recommends {_PACKAGES}",
                f"rm -rf /ha && python3 -m venv /ha && /ha/bin/pip install -q {_BROUGHT}",
            ):
                ended = self.root.run("sh", "-c", line)
                assert ended.returncode == 0, f"{line}: {ended.stderr[-800:]}"
            done.touch()
        self.config = Path(tempfile.mkdtemp(prefix="config-", dir=self.root.folder))
        port = self.rest.url.rpartition(":")[2]
        (self.config / "configuration.yaml").write_text(_CONFIGURATION.format(port=port))
        (self.config / "automations.yaml").write_text("[]\n")
        (self.config / "scripts.yaml").write_text("{}\n")
        return f"Home Assistant {VERSION} on Debian {RELEASE}"

    def __enter__(self) -> "House":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        if hasattr(self, "config"):
            shutil.rmtree(self.config, ignore_errors=True)

    def start(self) -> None:
        """Start it and wait until it answers; the first time it installs its frontend."""
        inside = f"/{self.config.name}"
        environ = {"PATH": "/ha/bin:/usr/bin:/bin:/usr/sbin:/sbin", "HOME": inside, "LANG": "C.UTF-8"}
        environ |= {"SSL_CERT_FILE": "/etc/ssl/certs/ca-certificates.crt"}
        environ |= {"PIP_CERT": environ["SSL_CERT_FILE"]}
        words = ["chroot", str(self.root.folder), "/ha/bin/hass", "-c", inside, "--log-file", f"{inside}/ha.log"]
        with (self.config / "out.log").open("ab") as out:
            self._process = subprocess.Popen(words, env=environ, stdout=out, stderr=out, stdin=subprocess.DEVNULL)
        self.rest.until(lambda: f"Home Assistant answers: {self.log[-600:]}", self._up, 600)

    def _up(self) -> bool:
        assert self._process is not None and self._process.poll() is None, f"Home Assistant ended: {self.log[-800:]}"
        return self.rest.answers

    def stop(self) -> None:
        """As a person who switches it off."""
        process, self._process = self._process, None
        if process is not None and process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(10)
            self._earlier = self.log  # which the next start makes anew
            (self.config / "ha.log").unlink(missing_ok=True)

    def restart(self) -> None:
        """Off and on again."""
        self.stop()
        self.start()
        self.rest.log_in_again()

    @property
    def log(self) -> str:
        """All that it has logged, over restarts."""
        path = self.config / "ha.log"
        return self._earlier + (path.read_text(errors="replace") if path.exists() else "")

    def websocket(self, kind: str, **fields: object) -> Any:
        """What only its websocket gives: the result of one command."""
        words = [self.rest.url, self.rest.token, json.dumps({"type": kind, "id": 1, **fields})]
        done = self.root.run("/ha/bin/python", "-c", _WEBSOCKET, *words, seconds=60)
        assert done.returncode == 0, done.stderr[-800:]
        answer = json.loads(done.stdout)
        assert answer["success"], answer
        return answer["result"]

    def complaints(self, *about: str) -> list[str]:
        """Warnings and errors of the log in which one of ``about`` appears."""
        found = re.findall(r"^\S+ \S+ (?:WARNING|ERROR|CRITICAL) .*$", self.log, re.MULTILINE)
        return [line for line in dict.fromkeys(found) if any(word in line for word in about)]
