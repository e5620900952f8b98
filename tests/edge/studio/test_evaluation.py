"""The trade-off that is shown is the one that was counted."""

from __future__ import annotations

import json

import pytest

from edge.errors import UsageError
from edge.studio import maps
from edge.studio.evaluation import HIGHEST, LOWEST, probit, read

CURVE = {
    "score": "llr", "genuine": 10, "impostors": 1000,
    "thresholds": [5.0, 3.0, 1.0, -2.0], "accepted": [0, 1, 10, 1000], "refused": [6, 3, 1, 0],
}  # fmt: skip
LIST = {
    "eer": 1.0,
    "fixed_points": [
        {"far_target": 0.3, "llr": 2.0},
        {"far_target": 0.1, "llr": 3.0},
        {"far_target": 0.01, "llr": 6.0},
    ],
    "curve": CURVE,
}


def report(**changes: object) -> bytes:
    return json.dumps({"words": LIST | {"curve": CURVE | changes}}).encode()


def test_rates_at_a_threshold_are_counts_with_exact_intervals():
    (found,) = read(report())
    far, frr = found.far(2), found.frr(2)
    assert (far.errors, far.trials, far.share) == (10, 1000, 0.01)
    assert far.ends == pytest.approx((0.0048, 0.0183), abs=1e-4), "Clopper-Pearson, 10 of 1000"
    assert frr.ends[0] == pytest.approx(0.0025, abs=1e-4), "1 of 10"
    assert (far.text(), frr.text()) == ("1.00%", "10.00%") and "10 of 1000" in far.range_text()
    assert found.far(0).ends[0] == 0 and found.far(0).ends[1] > 0


def test_profiles_stand_where_their_thresholds_are():
    (found,) = read(report())
    assert found.profiles == {"balanced": 2.0, "strict": 3.0}
    assert found.number_at(2.0) == 1, "the least strict threshold that is at least 2"
    assert found.number_at(3.0) == 1 and found.number_at(9.0) == 0 and found.number_at(-9.0) == 3
    assert found.equal_error() == 2


def test_the_curve_that_is_drawn_goes_through_the_counts():
    (found,) = read(report())
    drawn = maps.det(found, 1)
    line = drawn["layer"][1]["data"]["values"]
    assert [point["far"] for point in line] == pytest.approx([probit(n / 1000) for n in (0, 1, 10, 1000)], abs=1e-3)
    assert line[0]["far"] == pytest.approx(probit(LOWEST), abs=1e-3)
    assert line[-1]["far"] == pytest.approx(probit(HIGHEST), abs=1e-3)
    marks = {mark["name"]: mark for mark in drawn["layer"][2]["data"]["values"]}
    assert marks.keys() == {"balanced", "strict"} and marks["strict"]["frr"] == line[1]["frr"]
    assert all(layer["encoding"].keys() >= {"x", "y"} for layer in drawn["layer"])
    json.dumps(drawn, allow_nan=False)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "no report"),
        (b"[1]", "no report"),
        (b"{}", "no report"),
        (b'{"words": {"eer": 1.0}}', "no error curves"),
        (report(thresholds=[5.0, 3.0, 1.0]), "no sense"),
        (report(thresholds=[1.0, 3.0, 5.0, 7.0]), "no sense"),
        (report(accepted=[0, 1, 10, 1001]), "no sense"),
        (report(refused=[3, 6, 1, 0]), "no sense"),
        (report(genuine=0), "no sense"),
        (report(accepted=[0, 1, 10, 1e999]), "no sense"),
        (report(thresholds=None), "no sense"),
    ],
)
def test_what_is_no_report_or_makes_no_sense_is_refused_in_a_sentence(data, words):
    with pytest.raises(UsageError, match=words) as caught:
        read(data)
    assert caught.value.remedy
