"""The studio in a real browser: Ada is enrolled, heard, renamed and removed (`make test-studio`)."""

from __future__ import annotations

import contextlib
import os
import re
import socket
from pathlib import Path

import pytest

pytest.importorskip("playwright", reason="needs Playwright and Chromium: make test-studio")

from playwright.sync_api import Page, expect

from edge.cli.opening import PeopleStore
from edge.errors import UnknownPersonError
from tests.edge.cli.voice_bundle import ASSETS
from tests.edge.studio.browser import (
    ADA,
    BEN,
    Studio,
    enrol,
    page,
    press,
    settled,
    spoken,
    studio,
    take,
    turn_to,
    upload,
)
from tests.edge.studio.test_evaluation import report

__all__ = ["page", "spoken", "studio"]

pytestmark = pytest.mark.timeout(900)


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
    page.wait_for_timeout(15_000)  # both sentences whole, wherever it begins
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
    press(page, "Ada", "Rename")
    page.get_by_label("New name").fill("Ada L.")
    page.get_by_role("dialog").get_by_role("button", name="Rename").click()
    page.get_by_text("Ada is called Ada L. now").wait_for()
    press(page, "Ada L.", "Remove")
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
