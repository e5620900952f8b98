"""The studio in a real browser: Ada is enrolled, heard, renamed and removed (`make test-studio`).

With the environment variable ``STUDIO_PICTURES`` the pictures of docs/studio.md are taken again into that folder.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("playwright", reason="needs Playwright and Chromium: make test-studio")

from playwright.sync_api import Page, expect, sync_playwright

from edge.audio import read_samples
from edge.cli.opening import PeopleStore
from edge.errors import UnknownPersonError
from edge.records import SAMPLE_RATE
from tests.broker import free_port, wait_for
from tests.edge.cli.voice_bundle import ASSETS
from tests.edge.studio.test_evaluation import report

ROOT = Path(__file__).parents[3]
PATIENCE_MS = 120_000
LARGEST_PICTURE = 150_000
pytestmark = pytest.mark.timeout(900)
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
    """What the browser's microphone hears: Ada, as 48 kHz WAV, over and over."""
    import numpy as np
    import soundfile

    path = tmp_path_factory.mktemp("spoken") / "ada.wav"
    soundfile.write(path, np.repeat(read_samples(ASSETS / "clip-2-ada.ogg"), 48_000 // SAMPLE_RATE), 48_000)
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


def test_the_door_needs_the_key(studio: Studio, page: Page) -> None:
    page.get_by_role("heading", name="Try a voice").wait_for()
    other = page.context.new_page()
    other.goto(studio.url.partition("?")[0], wait_until="commit")
    other.get_by_role("heading", name="This studio has a key").wait_for()
    assert other.get_by_test_id("stSidebarNav").count() == 0
    other.close()
    page.reload(wait_until="commit")
    page.get_by_role("heading", name="Try a voice").wait_for()


def test_somebody_is_enrolled_from_clips_and_named(studio: Studio, page: Page) -> None:
    page.get_by_text("Nobody is enrolled yet").wait_for()
    enrol(page, "Ada", ADA, "enrol")
    enrol(page, "Ben", BEN)
    assert studio.people() == ["Ada", "Ben"]
    turn_to(page, "Try a voice")
    page.get_by_text("Gender and emotion", exact=True).click()
    page.get_by_text("Everybody who is heard here knows").click()
    page.get_by_text("Tell gender").click()
    upload(page, ASSETS / "clip-1-ada.ogg")
    page.get_by_role("heading", name="Ada").first.wait_for()
    page.get_by_text("gender: female").first.wait_for()
    settled(page)
    assert page.locator("canvas, svg.marks").count() >= 4
    take(page, "try", 1330)
    for broken, words in ((b"", "voice.wav is empty"), (b"no sound" * 99, "voice.wav is not audio")):
        page.get_by_role("button", name=re.compile("Remove|Delete")).first.click()
        settled(page)
        page.locator("input[type=file]").set_input_files(
            {"name": "voice.wav", "mimeType": "audio/wav", "buffer": broken}
        )
        page.get_by_text(words).wait_for()


def test_what_is_spoken_into_the_browser_is_heard(studio: Studio, page: Page) -> None:
    turn_to(page, "Try a voice")
    page.get_by_text("Record", exact=True).click()
    page.get_by_role("button", name="Record", exact=True).last.click()
    page.wait_for_timeout(9000)
    page.get_by_role("button", name="Stop recording").click()
    page.get_by_text("What it heard").wait_for()
    page.get_by_role("heading", name="Ada").first.wait_for()


def test_the_household_has_a_map_with_what_was_tried(studio: Studio, page: Page) -> None:
    turn_to(page, "Household map")
    page.get_by_text("How alike").wait_for()
    page.get_by_role("button", name="Forget what was tried").wait_for()
    take(page, "household", 1220)


def test_a_report_gives_a_curve_to_move_along(studio: Studio, page: Page, tmp_path: Path) -> None:
    turn_to(page, "Trade-off")
    given = os.environ.get("STUDIO_REPORT")
    path = Path(given) if given else tmp_path / "report.json"
    if not given:
        path.write_bytes(report())
    page.locator("input[type=file]").set_input_files(path)
    page.get_by_text("Strangers let in (FAR)").first.wait_for()
    take(page, "trade-off", 1180)
    slider = page.get_by_role("slider")
    before = page.get_by_test_id("stMetricValue").first.inner_text()
    slider.press("Home")
    expect(page.get_by_test_id("stMetricValue").first).not_to_have_text(before)


def test_the_models_have_cards(studio: Studio, page: Page) -> None:
    turn_to(page, "Models")
    for name in ("accurate", "compact", "gender"):
        page.get_by_role("heading", name=re.compile(name)).wait_for()
    assert page.get_by_text("Must not be used for").count() >= 4
    take(page, "models")


def test_another_process_may_change_people_meanwhile(studio: Studio, page: Page) -> None:
    with PeopleStore(studio.state) as store:
        store.rename("Ben", "Benjamin")
    turn_to(page, "People")
    page.get_by_text("Benjamin").first.wait_for()


def test_somebody_is_renamed_and_removed_for_good(studio: Studio, page: Page) -> None:
    turn_to(page, "People")
    page.get_by_role("button", name="Rename").first.click()
    page.get_by_label("New name").fill("Ada L.")
    page.get_by_role("dialog").get_by_role("button", name="Rename").click()
    page.get_by_text("Ada is called Ada L. now").wait_for()
    page.get_by_role("button", name="Remove").first.click()
    assert "Ada L." in studio.people(), "not before it is confirmed"
    page.get_by_role("dialog").get_by_role("button", name="Remove Ada L.").click()
    page.get_by_text("Ada L. is removed").wait_for()
    assert studio.people() == ["Benjamin"]
    with PeopleStore(studio.state) as store, contextlib.suppress(UnknownPersonError):
        store.find("Ada L.")
        raise AssertionError("still there")


@pytest.mark.parametrize(
    ("host", "origin", "answer"),
    [
        ("127.0.0.1", "http://127.0.0.1", "101"),
        ("127.0.0.1", "http://evil.example", "403"),
        ("evil.example", "http://evil.example", "403"),
    ],
    ids=["own page", "another site", "another site's name that leads here"],
)
def test_another_sites_page_cannot_talk_to_it(studio: Studio, host: str, origin: str, answer: str) -> None:
    lines = [
        "GET /_stcore/stream HTTP/1.1", f"Host: {host}:{studio.port}", f"Origin: {origin}:{studio.port}",
        "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "", "",
    ]  # fmt: skip
    with socket.create_connection(("127.0.0.1", studio.port), timeout=60) as line:
        line.sendall("\r\n".join(lines).encode())
        assert line.recv(64).decode().split()[1] == answer


def test_ctrl_c_ends_it_and_nothing_is_left_behind(studio: Studio) -> None:
    assert studio.end() == 0
    assert "Traceback" not in studio.told, studio.told
    kept = {str(path.relative_to(studio.home)) for path in studio.home.rglob("*") if path.is_file()}
    ours = {f".local/state/earmark/{name}" for name in ("people.sqlite", "voiceprint.key", "repeats.sqlite")}
    assert {name.removesuffix("-journal") for name in kept} == ours
