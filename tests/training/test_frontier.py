"""``earmark frontier``: tables in, fronts and a picture out."""

from __future__ import annotations

import json
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.errors import UsageError
from training import frontier_command
from training.report import frontier

TABLE = """name\tfamily\tparameters\tmacs_per_second\tint8_mb\tcpu_ms_per_s\tnotes\teer:read\teer:german\teer:extra
big\tcam++\t7000000\t600e6\t8.5\t5.0\tas it is\t1\t9\t5
small\tdepthwise\t700000\t40e6\t0.8\t0.5\t\t4\t16\t
worse\tdepthwise\t800000\t45e6\t0.9\t0.6\t\t5\t16\t7
mfcc\t\t\t\t0.1\t0.4\tno network\t12\t42\t9
"""

points = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=20)


@settings(max_examples=200, deadline=None)
@given(points)
def test_the_front_is_what_no_other_point_dominates(found):
    def dominated(a: tuple[int, int]) -> bool:
        return any(b != a and b[0] <= a[0] and b[1] <= a[1] for b in found)

    front = frontier.pareto([(float(a), float(b)) for a, b in found])
    assert sorted(front) == [i for i, point in enumerate(found) if not dominated(point)]
    assert [found[i][0] for i in front] == sorted(found[i][0] for i in front)


def test_fronts_use_the_lists_that_all_have_and_the_costs_that_are_known(tmp_path):
    path = tmp_path / "encoders.tsv"
    path.write_text(TABLE)
    entries = frontier.read(path)
    assert frontier.common_lists(entries) == ["read", "german"], "nobody knows `extra` of `small`"
    assert frontier.mean_eer(entries[1], ["read", "german"]) == 10
    assert frontier.fronts(entries) == {
        "parameters": ["small", "big"],
        "macs_per_second": ["small", "big"],
        "int8_mb": ["mfcc", "small", "big"],
        "cpu_ms_per_s": ["mfcc", "small", "big"],
    }


def test_the_command_draws_a_picture_of_the_promised_size_and_names_the_fronts(tmp_path, capsys):
    path, out = tmp_path / "encoders.tsv", tmp_path / "front.png"
    path.write_text(TABLE)
    assert frontier_command.frontier([str(path), "--out", str(out)]) == 0
    assert struct.unpack(">II", out.read_bytes()[16:24]) == (frontier.WIDTH, frontier.HEIGHT)
    assert "front of int8_mb: mfcc, small, big" in capsys.readouterr().out
    assert frontier_command.frontier([str(path), "--out", str(out), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["mean_eer"]["big"] == 5


def test_json_rows_and_a_report_with_rows_are_read_alike(tmp_path):
    rows = [
        {"name": "$a_", "int8_mb": 1, "cpu_ms_per_s": None, "eer": {"read": 2.5}},
        {"name": "b", "eer": {"read": 1}},
    ]
    one, two = tmp_path / "rows.json", tmp_path / "report.json"
    one.write_text(json.dumps(rows))
    two.write_text(json.dumps({"rows": rows, "machine": "x"}))
    assert frontier.read(one) == frontier.read(two)
    assert frontier.fronts(frontier.read(one)) == {"int8_mb": ["$a_"]}
    assert frontier.draw(frontier.read(one))[:4] == b"\x89PNG", "three panels know nothing, and a name has a dollar"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name\teer:read\na\tmany\n", "Row 1 .* is no encoder"),
        ("name\tint8_mb\teer:read\na\t0\t3\n", "above 0"),
        ("name\teer:read\na\t300\n", "not a percentage"),
        ("name\teer:read\n\t3\n", "no name"),
        ("name\teer:read\teer:words\na\t3\t\nb\t\t4\n", "no list that all"),
        ("name\teer:read\n", "no encoders"),
        ("[3]", "Row 1"),
        ("{", "cannot be read"),
        ('{"rows": 4}', "no encoders"),
    ],
)
def test_a_table_that_makes_no_sense_is_refused_in_words(tmp_path, text, words):
    path = tmp_path / "table"
    path.write_text(text)
    with pytest.raises(UsageError, match=words):
        frontier.read(path)


def test_a_file_that_is_not_there_ends_the_command_with_its_code(tmp_path, capsys):
    assert frontier_command.frontier([str(tmp_path / "none.tsv"), "--out", str(tmp_path / "x.png")]) == 2
    assert "cannot be read" in capsys.readouterr().err
    assert not (tmp_path / "x.png").exists()
