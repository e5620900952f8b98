"""The map keeps what principal components keep, and the table has the cosines."""

from __future__ import annotations

import json

import numpy as np
import pytest

from edge.scoring import voiceprint
from edge.studio import maps
from edge.studio.voices import Voice, flat, likeness, voices_of


def voice(*vector: float, name: str = "x") -> Voice:
    found = np.array(vector, np.float32)
    return Voice(name, "clip", found / np.linalg.norm(found))


def test_voices_in_a_plane_keep_their_distances():
    voices = [voice(1, 0, 0), voice(0, 1, 0), voice(0, 0, 1)]
    found = flat(voices)
    assert sum(found.kept) == pytest.approx(1)
    places = np.array([(spot.x, spot.y) for spot in found.spots])
    for i in range(3):
        for j in range(i):
            assert np.linalg.norm(places[i] - places[j]) == pytest.approx(np.sqrt(2), abs=1e-5)


@pytest.mark.parametrize("voices", [[voice(1, 2)], [voice(1, 2), voice(1, 2)], [voice(1, 0), voice(0, 1)]])
def test_few_or_equal_voices_still_have_a_place(voices):
    found = flat(voices)
    assert len(found.spots) == len(voices)
    assert all(np.isfinite([spot.x, spot.y]).all() for spot in found.spots) and 0 <= sum(found.kept) <= 1 + 1e-9


def test_a_map_is_the_same_at_each_look():
    rng = np.random.default_rng(2)
    voices = [voice(*rng.normal(size=16)) for _ in range(9)]
    mirrored = [Voice(one.name, one.kind, one.vector) for one in voices]
    assert flat(voices) == flat(mirrored)


def test_the_household_is_its_people_with_their_clips(session):
    people = session.people
    voices = voices_of(people)
    assert sum(one.kind == "voiceprint" for one in voices) == len(people) == 2
    assert sum(one.kind == "clip" for one in voices) == sum(len(person.exemplars) for person in people)
    prints = [one for one in voices if one.kind == "voiceprint"]
    cosines = likeness(prints, prints)
    np.testing.assert_allclose(np.diag(cosines), 1, atol=1e-5)
    assert cosines[0, 1] == pytest.approx(float(voiceprint(people[0]).vector @ voiceprint(people[1]).vector), abs=1e-5)
    assert cosines[0, 1] < min(likeness(prints[:1], [v for v in voices if v.kind == "clip" and v.name == "Ada"])[0])


def test_charts_name_everybody(session):
    heard = Voice("clip-9", "tried", session.voiceprints[0].vector)
    voices = [*voices_of(session.people), heard]
    drawn = json.dumps(maps.household_map(flat(voices)), allow_nan=False)
    prints = [one for one in voices if one.kind == "voiceprint"]
    table = maps.likeness_table([*prints, heard], prints)
    cells = table["data"]["values"]
    assert {(cell["row"], cell["column"]) for cell in cells} == {
        (r, c) for r in ("Ada", "Ben", "clip-9") for c in ("Ada", "Ben")
    }
    assert next(
        cell["cosine"] for cell in cells if (cell["row"], cell["column"]) == ("clip-9", "Ada")
    ) == pytest.approx(1)
    assert all(name in drawn for name in ("Ada", "Ben", "clip-9"))
