"""Node-RED with the sample flow, in the Debian in which Home Assistant lives.

Takes the root and a flow. Gives ``NodeRed``: what its debug node shows, and its buttons. Must hold: it listens on
127.0.0.1 only; what it shows is what a person sees in the debug side bar, in order.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.arm64.roots import Root
from tests.broker import free_port, wait_for

VERSION = "4.1.8"
"""Of those for the release's Node.js."""
_SETTINGS = """\
module.exports = {{uiHost: "127.0.0.1", uiPort: {port}, flowFile: "flows.json", telemetry: {{enabled: false}},
  logging: {{console: {{level: "info"}}}}}};
"""
_SIDE_BAR = """
import aiohttp, asyncio, json, sys

async def main(url):
    async with aiohttp.ClientSession() as session, session.ws_connect(url + "/comms") as socket:
        await socket.send_json({"subscribe": "debug"})
        print("{}", flush=True)
        async for message in socket:
            for one in json.loads(message.data):
                if one.get("topic") == "debug":
                    print(json.dumps(one["data"]), flush=True)

asyncio.run(main(*sys.argv[1:]))
"""
PATIENCE_SECONDS = 120.0


class NodeRed:
    """A context manager: runs inside, with its side bar open."""

    def __init__(self, root: Root) -> None:
        self._root = root
        self._url = f"http://127.0.0.1:{free_port()}"
        self._of_itself = 0
        self._running: list[subprocess.Popen[bytes]] = []

    def make(self) -> None:
        """Install it, unless that was done before."""
        done = self._root.folder / "node-red" / VERSION
        if done.exists():
            return
        install = "npm install --prefix /node-red --no-audit --no-fund --omit=optional"
        for line in (
            "apt-get update -qq && apt-get install -y -qq --no-install-recommends nodejs npm",
            f"rm -rf /node-red && {install} node-red@{VERSION}",
        ):
            ended = self._root.run("sh", "-c", line)
            assert ended.returncode == 0, f"{line}: {ended.stderr[-800:]}"
        done.touch()

    def __enter__(self) -> NodeRed:
        self._folder = Path(tempfile.mkdtemp(prefix="node-red-", dir=self._root.folder))
        settings = self._folder / "settings.js"
        settings.write_text(_SETTINGS.format(port=self._url.rpartition(":")[2]))
        inside = f"/{self._folder.name}"
        try:
            self._begin("log", "/node-red/node_modules/.bin/node-red", "-s", f"{inside}/settings.js", "-u", inside)
            self._until("it starts", lambda: "Started flows" in self.log)
            self._begin("shown", "/ha/bin/python", "-c", _SIDE_BAR, self._url)
            self._until("its side bar", lambda: bool(self._read("shown")))
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for process in reversed(self._running):
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(10)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _begin(self, name: str, *words: str) -> None:
        environ = {"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "HOME": f"/{self._folder.name}", "LANG": "C.UTF-8"}
        inside = ["chroot", str(self._root.folder), *words]
        with (self._folder / name).open("ab") as out:
            self._running.append(
                subprocess.Popen(inside, env=environ, stdout=out, stderr=out, stdin=subprocess.DEVNULL)
            )

    def _read(self, name: str) -> str:
        path = self._folder / name
        return path.read_text(errors="replace") if path.exists() else ""

    @property
    def log(self) -> str:
        """All that it has logged."""
        return self._read("log")

    def complaints(self) -> list[str]:
        """Warnings and errors since the flow is there; before, it complains of its own settings."""
        return [line for line in self.log.splitlines()[self._of_itself :] if "[warn]" in line or "[error]" in line]

    def deploy(self, flow: list[dict[str, Any]]) -> None:
        """As a person who imports it and presses Deploy."""
        self._of_itself = len(self.log.splitlines())
        self._ask("/flows", flow)

    def press(self, button: str) -> None:
        """Of an inject node."""
        self._ask(f"/inject/{button}", {})

    def _ask(self, path: str, body: object) -> None:
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(self._url + path, json.dumps(body).encode(), headers)
        urllib.request.urlopen(request, timeout=60).close()

    def shown(self) -> list[Any]:
        """What the debug node showed, in order: texts, and objects as dictionaries."""
        found: list[Any] = []
        for line in self._read("shown").splitlines()[1:]:
            told = json.loads(line)
            found.append(json.loads(told["msg"]) if told["format"] == "Object" else told["msg"])
        return found

    def shows(self, what: str) -> None:
        """Until it was shown."""
        self._until(f"it shows {what!r}: {self.shown()}", lambda: what in self.shown())

    def _until(self, what: str, condition: Callable[[], bool]) -> None:
        def seen() -> bool:
            ended = [process.args for process in self._running if process.poll() is not None]
            assert not ended, f"{ended} ended: {self.log[-800:]} {self._read('shown')[-800:]}"
            return condition()

        wait_for(seen, f"Node-RED: {what}", PATIENCE_SECONDS)
