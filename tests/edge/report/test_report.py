"""The page shows what the events say, whatever the names are and however long the recording."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.events import UtteranceEvent
from edge.records import SAMPLE_RATE, Float32
from edge.report import Row, Sheet, Waveform, page
from edge.report.timeline import lane_seconds
from edge.report.words import clock


def _event(kind: Any = "identified", **values: Any) -> UtteranceEvent:
    return UtteranceEvent(event_type=kind, id="01", ts="2026-11-22T06:00:00.000Z", node="node", **values)


class _Seen(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in ("meta", "path", "rect"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def _read(text: str) -> _Seen:
    seen = _Seen()
    seen.feed(text)
    seen.close()
    assert not seen.open, "every tag is closed"
    return seen


def test_who_spoke_when_and_whether_it_was_right_stands_on_the_page() -> None:
    sheet = Sheet("evening.wav")
    sheet.waveform.push(np.zeros(20 * SAMPLE_RATE, np.float32))
    sheet.rows.append(Row(1.0, 3.5, _event(speaker="Ada", speaker_id="p1", probability=0.97, threshold=0.9), "right"))
    sheet.rows.append(Row(12.0, 18.0, _event("unknown", probability=0.02, reason="below_threshold"), "missed"))
    text = page("Who spoke when", [sheet], ["1 file."], told="by hand")
    told = " ".join(_read(text).words)
    for words in ("evening.wav", "Ada", "0:01.0", "0:03.5", "0.97", "below threshold", "right", "not named", "1 file."):
        assert words in told
    # Two rectangles each; the second utterance goes over the end of the first lane of 15 s.
    assert text.count("<rect ") == 6


@given(st.text(max_size=40), st.text(max_size=40))
def test_names_are_text_whatever_they_hold(person: str, file_name: str) -> None:
    sheet = Sheet(file_name, rows=[Row(0.0, 1.0, _event(speaker=person, speaker_id="p1"))], notes=[person])
    seen = _read(page(person, [sheet], [file_name]))
    assert set(seen.tags) <= {
        "html", "head", "meta", "title", "style", "body", "h1", "h2", "p", "span", "i", "svg", "path", "g", "rect",
        "text", "table", "thead", "tbody", "tr", "th", "td",
    }  # fmt: skip


def test_a_recording_without_speech_says_so() -> None:
    assert "No utterance was found." in page("x", [Sheet("silence.wav", notes=["nothing but silence"])], [])


@given(
    st.lists(st.integers(0, 700), max_size=30),
    st.integers(4, 32),
    st.integers(1, 40),
)
def test_the_outline_keeps_the_loudest_sample_wherever_it_is(sizes: list[int], most: int, columns: int) -> None:
    samples = np.random.default_rng(len(sizes)).uniform(-1, 1, sum(sizes)).astype(np.float32)
    outline = Waveform(most)
    for part in np.split(samples, np.cumsum(sizes)[:-1]) if sizes else []:
        outline.push(part)
    assert outline.samples == len(samples)
    peaks = outline.peaks(0.0, outline.seconds, columns)
    assert peaks.shape == (columns,)
    whole = _whole(samples, outline)
    assert peaks.max() == pytest.approx(np.abs(whole).max() if len(whole) else 0.0)


def _whole(samples: Float32, outline: Waveform) -> Float32:
    """What fills stretches; the rest waits for more."""
    return samples[: outline._count * outline._each]


def test_hours_of_sound_take_no_more_room_than_minutes() -> None:
    outline = Waveform(most=100)
    for _ in range(600):
        outline.push(np.full(SAMPLE_RATE, 0.5, np.float32))
    assert outline.seconds == 600 and len(outline._peaks) == 100
    assert outline.peaks(0.0, 500.0, 10) == pytest.approx(0.5)


@given(st.floats(0.1, 1e6))
def test_thirty_lanes_are_enough(seconds: float) -> None:
    assert lane_seconds(seconds) * 30 >= seconds * (1 - 1e-9)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.0, "0:00.0"), (59.96, "1:00.0"), (61.25, "1:01.2"), (3723.4, "1:02:03.4")]
)
def test_times_read_as_on_a_clock(seconds: float, text: str) -> None:
    assert clock(seconds) == text
