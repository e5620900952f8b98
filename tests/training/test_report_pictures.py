"""Pictures and pages: the points that are drawn, the size of the files, and pages that need nothing else."""

from __future__ import annotations

import base64
import re
import struct
import sys
from html.parser import HTMLParser
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.errors import ExtraMissingError, StorageError
from training import metrics
from training.evaluate import ScoredList
from training.report import canvas, det, evaluation, histogram
from training.report.page import Page


def size(png: bytes) -> tuple[int, int]:
    """Width and height as the file's header states them."""
    assert png[:8] == b"\x89PNG\r\n\x1a\n" and png[12:16] == b"IHDR"
    return struct.unpack(">II", png[16:24])


def made_up(count: int = 300, *, calibrated: bool = True) -> ScoredList:
    rng = np.random.default_rng(4)
    target = np.arange(count) < count // 3
    llr = rng.normal(size=count) * 2 + 4 * target
    return ScoredList(
        "made $up_", llr / 10, target, tuple(f"p{i % 10}" for i in range(count)), llr if calibrated else None
    )


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(st.integers(-8, 8), st.booleans()), min_size=2, max_size=60).filter(
        lambda trials: any(t for _, t in trials) and not all(t for _, t in trials)
    )
)
def test_a_det_curve_consists_of_points_of_the_error_curve_and_leaves_none_off_its_line(trials):
    curve = metrics.error_curve([float(s) for s, _ in trials], [t for _, t in trials])
    far, frr = det.points(curve)
    given_ = [(0.0, 1.0), *zip(curve.far.tolist(), curve.frr.tolist(), strict=True)]
    drawn = list(zip(far.tolist(), frr.tolist(), strict=True))
    assert set(drawn) <= set(given_)
    assert (drawn[0], drawn[-1]) == (given_[0], given_[-1])
    for a, b in given_:
        assert (
            any(
                (a == x1 == x2 and y2 <= b <= y1) or (b == y1 == y2 and x1 <= a <= x2)
                for (x1, y1), (x2, y2) in pairwise(drawn)
            )
            or (a, b) in drawn
        )


def test_probit_is_the_inverse_of_the_normal_distribution_within_the_axes():
    rates = np.array([0.001, 0.02275013194817921, 0.15865525393145707, 0.5])
    assert det.probit(rates) == pytest.approx([-3.0902323, -2, -1, 0], abs=1e-6)
    assert np.array_equal(det.probit([0.0, 1.0]), det.probit([det.LOWEST, det.HIGHEST]))


def test_densities_have_the_area_one_each_and_share_their_bins():
    scored = made_up()
    edges, genuine, impostor = histogram.bins(scored.cosine, scored.target)
    assert (genuine * np.diff(edges)).sum() == pytest.approx(1)
    assert (impostor * np.diff(edges)).sum() == pytest.approx(1)
    assert edges[0] == scored.cosine.min() and edges[-1] == scored.cosine.max()
    edges, genuine, impostor = histogram.bins(np.full(4, 0.5), np.array([True, True, False, False]))
    assert (genuine * np.diff(edges)).sum() == pytest.approx(1)


def test_pictures_have_the_size_that_is_promised_and_the_same_bytes_each_time():
    scored = made_up()
    curves = {"one": metrics.error_curve(scored.cosine, scored.target), "two $": metrics.error_curve([0, 1], [0, 1])}
    assert size(det.draw(curves, "made $up$")) == (det.WIDTH, det.HEIGHT)
    first, second = histogram.draw(scored, 1.5), histogram.draw(scored, 1.5)
    assert size(first) == (histogram.WIDTH, histogram.HEIGHT)
    assert first == second, "nothing about the time enters the file"
    assert histogram.draw(scored, 0.5) != first, "the threshold is in the picture"


def test_without_matplotlib_pictures_are_refused_in_words(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ExtraMissingError, match="matplotlib"):
        canvas.require()


class References(HTMLParser):
    """Collects every attribute that could load something, and the text."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.tags: set[str] = set()
        self.text = ""

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.found += [value or "" for name, value in attrs if name in ("src", "href", "srcset", "data", "action")]

    def handle_data(self, data):
        self.text += data


def references(html: str) -> References:
    parser = References()
    parser.feed(html)
    parser.close()
    return parser


def assert_self_contained(html: str) -> None:
    found = references(html)
    assert all(value.startswith("data:image/png;base64,") for value in found.found)
    assert not found.tags & {"script", "link", "iframe", "object", "embed", "base", "form"}
    assert not re.search(r"url\(|@import|https?://", html)


def test_a_page_escapes_what_it_is_given_and_carries_its_pictures():
    page = Page('Ada <script>alert("1")</script> & Ben')
    page.facts({"command <b>": "earmark --x '<i>'"})
    page.table([["list", "<th>"], ["a & b", "1"]])
    page.picture(b"\x89PNG picture", 'curves of "x"')
    html = page.html()
    assert_self_contained(html)
    found = references(html)
    assert base64.b64decode(found.found[0].partition(",")[2]) == b"\x89PNG picture"
    assert 'Ada <script>alert("1")</script> & Ben' in found.text
    assert not found.tags & {"b", "i"}


def test_a_folder_that_cannot_be_made_says_so(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot be made"):
        evaluation.prepare(tmp_path / "file")
    with pytest.raises(StorageError, match="cannot be written"):
        evaluation.save(tmp_path / "absent" / "page.html", b"")
