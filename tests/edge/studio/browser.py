"""A browser on ``earmark studio``, and what a person does with it.

Gives the fixtures ``studio`` and ``page``, one of each per test module, and the clicks that several tests make. With
the environment variable ``STUDIO_PICTURES`` the pictures of docs/studio.md are taken again into that folder.
"""

from __future__ import annotations

import io
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("playwright", reason="needs Playwright and Chromium: make test-studio")

from playwright.sync_api import Page, expect, sync_playwright

from edge.audio import read_samples
from edge.cli.opening import PeopleStore
from edge.records import SAMPLE_RATE
from tests.broker import free_port, wait_for
from tests.edge.cli.voice_bundle import ASSETS

ROOT = Path(__file__).parents[3]
PATIENCE_MS = 120_000
LARGEST_PICTURE = 150_000
ADA = sorted(ASSETS.glob("ada-enrol-*.ogg"))
BEN = sorted(ASSETS.glob("ben-enrol-*.ogg"))


class Studio:
    """``earmark studio`` in a process of its own, with a home folder and a state folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.home, self.port = folder / "home", free_port()
        self.state = self.home / ".local" / "state" / "earmark"
        self.home.mkdir()
        config = folder / "settings.yaml"
        config.write_text("models: {bundle: accurate, packs: [gender]}\nmqtt: {enabled: false}\n")
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("EARMARK_", "XDG_"))}
        words = ["--port", str(self.port), "--config", str(config)]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "edge.cli", "studio", *words],
            cwd=ROOT,
            env=environment | {"HOME": str(self.home), "PYTHONUNBUFFERED": "1"},
            stdout=(folder / "out").open("w"),
            stderr=subprocess.STDOUT,
        )
        self._out = folder / "out"
        wait_for(lambda: self.process.poll() is not None or "http" in self.told, "the studio", seconds=180)
        assert self.process.poll() is None, self.told
        found = re.search(r"http\S+", self.told)
        assert found
        self.url = found[0]

    @property
    def told(self) -> str:
        return self._out.read_text()

    def people(self) -> list[str]:
        with PeopleStore(self.state) as store:
            return [person.name for person in store.people()]

    def end(self) -> int:
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(60)


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    if shutil.which("chromium") is None:
        pytest.skip("needs Chromium: sudo apt-get install chromium")
    found = Studio(tmp_path_factory.mktemp("studio"))
    yield found
    if found.process.poll() is None:
        found.process.kill()
        found.process.wait()


@pytest.fixture(scope="module")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the browser's microphone hears: Ada, as 48 kHz WAV, over and over; enough speech for a clear answer."""
    import numpy as np
    import soundfile

    path = tmp_path_factory.mktemp("spoken") / "ada.wav"
    speech = np.concatenate([read_samples(ASSETS / f"clip-{number}-ada.ogg") for number in (1, 2)])
    soundfile.write(path, np.repeat(speech, 48_000 // SAMPLE_RATE), 48_000)
    return path


@pytest.fixture(scope="module")
def page(studio: Studio, spoken: Path) -> Iterator[Page]:
    """A browser on the studio. In the end it must have talked to nobody else."""
    arguments = ["--no-sandbox", "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"]
    asked: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"),
            args=[*arguments, f"--use-file-for-fake-audio-capture={spoken}"],
        )
        context = browser.new_context(viewport={"width": 1280, "height": 900}, permissions=["microphone"])
        context.set_default_timeout(PATIENCE_MS)
        found = context.new_page()
        expect.set_options(timeout=PATIENCE_MS)
        found.on("request", lambda request: asked.append(request.url))
        found.goto(studio.url, wait_until="commit")
        yield found
        browser.close()
    own = f"http://127.0.0.1:{studio.port}/"
    assert not [url for url in asked if not url.startswith((own, "data:", "blob:"))]


def settled(page: Page) -> None:
    page.wait_for_timeout(400)
    page.wait_for_function("document.querySelector('[data-testid=stApp]').dataset.testScriptState === 'notRunning'")
    page.wait_for_timeout(1200)  # charts are drawn after the script has ended


def turn_to(page: Page, title: str) -> None:
    page.get_by_test_id("stSidebarNav").get_by_text(title, exact=True).click()
    page.get_by_role("heading", name=title, exact=True).wait_for()
    settled(page)


def upload(page: Page, *paths: Path) -> None:
    page.get_by_text("Upload", exact=True).click()
    page.get_by_test_id("stFileUploader").wait_for()
    page.locator("input[type=file]").set_input_files(list(paths))


def enrol(page: Page, name: str, clips: list[Path], picture: str = "") -> None:
    turn_to(page, "People")
    page.get_by_label("Name, of somebody new").fill(name)
    page.get_by_text("This person knows and agrees").click()
    page.get_by_role("button", name="Begin").click()
    page.get_by_text("At least two clips").wait_for()
    upload(page, *clips)
    button = page.get_by_role("button", name=f"Enrol {name}")
    expect(button).to_be_enabled()
    settled(page)
    if picture:
        take(page, picture, 1010)
    button.click()
    page.get_by_text(f"{name} is enrolled").wait_for()


def press(page: Page, name: str, button: str) -> None:
    """A button of the person with this name, whose place on the page changes while it is drawn again."""
    page.locator("[class*=st-key-person-]").filter(has_text=name).get_by_role("button", name=button).first.click()


def take(page: Page, name: str, height: int = 900) -> None:
    """A picture for the documents, where they are asked for: of 256 colours, so that it is small."""
    folder = os.environ.get("STUDIO_PICTURES")
    if not folder:
        return
    from PIL import Image

    page.set_viewport_size({"width": 1280, "height": height})
    settled(page)
    page.mouse.move(0, 0)
    image = (
        Image.open(io.BytesIO(page.screenshot()))
        .convert("RGB")
        .quantize(256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    )
    path = Path(folder) / f"studio-{name}.png"
    image.save(path, optimize=True)
    assert path.stat().st_size < LARGEST_PICTURE
    page.set_viewport_size({"width": 1280, "height": 900})
