"""What is drawn is what was computed: spectrogram, cepstra, colours, charts."""

from __future__ import annotations

import base64
import io
import json

import numpy as np
import pytest

from edge.features import FrontEnd
from edge.records import SAMPLE_RATE, FeatureSpec
from edge.studio import charts
from edge.studio.analysis import MOST_COLUMNS, Picture, cepstra, spectrogram
from edge.studio.hearing import hear
from edge.studio.paint import HEAT, heat_map, icon, palette
from tests.edge.cli.voice_bundle import ASSETS


def tone(hertz: float, seconds: float = 1.0, peak: float = 1.0) -> np.ndarray:
    return (peak * np.sin(2 * np.pi * hertz * np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE)).astype(np.float32)


@pytest.mark.parametrize(("hertz", "peak"), [(500.0, 1.0), (1000.0, 0.1), (6000.0, 0.5)])
def test_a_sine_is_a_line_at_its_frequency_with_its_level(hertz, peak):
    picture = spectrogram(tone(hertz, peak=peak))
    rows = len(picture.values)
    loudest = picture.values[:, 5:-5].argmax(axis=0) * picture.high / (rows - 1)
    assert np.abs(loudest - hertz).max() <= picture.high / (rows - 1)
    assert picture.values[:, 5:-5].max() == pytest.approx(20 * np.log10(peak), abs=0.3)
    assert picture.seconds == pytest.approx(1.0) and picture.scale[1] >= picture.values.max() > picture.scale[0]


def test_cepstra_are_those_of_the_front_end_in_decibels():
    samples = tone(300) + 0.1 * tone(2100)
    spec = FeatureSpec(n_ceps=20, n_mels=40)
    expected = FrontEnd(spec).features(samples)[:, 1:].T * 10 / np.log(10)
    np.testing.assert_allclose(cepstra(samples, spec).values, expected, rtol=1e-5, atol=1e-4)
    assert cepstra(samples, FeatureSpec(n_ceps=0, n_mels=12)).values.shape[0] == 19, "too few bands for as many cepstra"


@pytest.mark.parametrize("seconds", [0.01, 0.3, 25.0])
def test_a_picture_is_small_however_long_the_sound(seconds):
    for picture in (spectrogram(tone(440, seconds)), cepstra(tone(440, seconds), FeatureSpec())):
        assert 1 <= picture.values.shape[1] <= MOST_COLUMNS
        assert np.isfinite(picture.values).all() and picture.scale[0] < picture.scale[1]


def decoded(address: str) -> np.ndarray:
    image = pytest.importorskip("matplotlib.image", reason="needs the extra [train]")
    return image.imread(io.BytesIO(base64.b64decode(address.removeprefix("data:image/png;base64,"))), format="png")


def test_a_heat_map_has_the_colours_of_its_bar_and_the_high_end_at_the_top():
    values = np.array([[-50.0, 0.0], [-100.0, 50.0], [-50.0, -50.0]], np.float32)
    pixels = np.round(decoded(heat_map(Picture(values, 1.0, 0.0, 3.0, (-50.0, 0.0)))) * 255)[..., :3]
    assert pixels.shape == (3, 2, 3)
    dark, bright = palette()[0], palette()[-1]
    np.testing.assert_array_equal(pixels[2], [dark, bright])
    np.testing.assert_array_equal(pixels[1], [dark, bright])
    np.testing.assert_array_equal(pixels[0], [dark, dark])
    assert bytes(dark).hex() == HEAT[0][1:] and bytes(bright).hex() == HEAT[-1][1:]


def test_the_icon_is_a_picture():
    assert decoded("data:image/png;base64," + base64.b64encode(icon()).decode()).shape[:2] == (32, 32)


def test_charts_of_a_clip_show_its_utterances_between_the_thresholds(session):
    heard = hear(session, (ASSETS / "clip-1-ada.ogg").read_bytes(), "clip")
    outline = charts.waveform(heard)
    spans = outline["layer"][0]["data"]["values"]
    assert [span["who"] for span in spans] == ["Ada"] * len(heard.results)
    assert all(0 <= span["time"] < span["end"] <= len(heard.samples) / SAMPLE_RATE + 0.01 for span in spans)
    strip = charts.evidence(heard.results[0].decision, heard.thresholds)
    zones, points = (strip["layer"][i]["data"]["values"] for i in (0, 1))
    assert [zone["to"] for zone in zones[:-1]] == [zone["from"] for zone in zones[1:]] == list(heard.thresholds)
    named = next(point for point in points if point["name"] == "Ada")
    assert zones[2]["from"] <= named["score"] <= zones[2]["to"]
    assert all(zones[0]["from"] <= point["score"] <= zones[2]["to"] for point in points)
    json.dumps([outline, strip, charts.heat(spectrogram(heard.samples), "Frequency (Hz)", "dB", 200)], allow_nan=False)


def test_every_axis_of_a_clip_has_a_title_with_its_unit(session):
    heard = hear(session, (ASSETS / "clip-1-ada.ogg").read_bytes(), "clip")
    for chart in (charts.waveform(heard), charts.heat(spectrogram(heard.samples), "Frequency (Hz)", "dB", 200)):
        titles = json.dumps(chart)
        assert '"title": "Time (s)"' in titles
        assert '"title": "Amplitude (full scale = 1)"' in titles or '"title": "Frequency (Hz)"' in titles
