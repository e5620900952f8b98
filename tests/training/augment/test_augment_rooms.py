"""A simulated room sounds as large and as far away as was asked, and doesn't delay the voice."""

import numpy as np
import pytest
from scipy.signal import butter, sosfilt

from edge.records import SAMPLE_RATE, Float32
from training.augment import AugmentRecipe, Materials, generator, room_response
from training.augment.rooms import LEAD, Room, draw_room, simulate

RECIPE = AugmentRecipe()


def reverberation_seconds(response: Float32) -> float:
    """Time of a 60 dB fall around 1 kHz, from the fall between -5 and -25 dB (Schroeder 1965, ISO 3382)."""
    band = sosfilt(butter(3, (707, 1414), "bandpass", fs=SAMPLE_RATE, output="sos"), response)
    energy = np.cumsum((band**2)[::-1])[::-1]
    decibels = 10 * np.log10(energy / energy[0] + 1e-12)
    return float(np.argmax(decibels < -25) - np.argmax(decibels < -5)) / SAMPLE_RATE * 3


def living_room(rt60_seconds: float, distance: float = 1.5) -> Room:
    return Room((5.2, 3.9, 2.5), (1.1 + distance, 1.9, 1.5), (1.1, 1.9, 1.5), rt60_seconds)


@pytest.mark.parametrize("seconds", [0.25, 0.4, 0.7])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_reverberation_lasts_as_long_as_asked(seconds: float, seed: int) -> None:
    response = simulate(living_room(seconds), np.random.default_rng(seed))
    assert reverberation_seconds(response.samples) == pytest.approx(seconds, rel=0.2)


def test_high_frequencies_die_sooner() -> None:
    response = simulate(living_room(0.6), np.random.default_rng(1)).samples
    late = response[LEAD + 3200 : LEAD + 6400]
    early = response[LEAD + 1000 : LEAD + 2600]
    share = [
        np.sum(np.abs(np.fft.rfft(part, 6400)[2000:]) ** 2) / np.sum(np.abs(np.fft.rfft(part, 6400)[200:600]) ** 2)
        for part in (early, late)
    ]
    assert share[1] < 0.5 * share[0]


@pytest.mark.parametrize("number", range(12))
def test_the_direct_sound_comes_first_and_at_its_place(number: int) -> None:
    response = room_response(RECIPE.room_seed, number, RECIPE.rt60_seconds, RECIPE.distance_metres)
    direct = response.samples[LEAD - 1 : LEAD + 2]
    assert direct[1] == pytest.approx(1.0, abs=0.35)  # a first echo may come less than a sample later
    assert np.max(np.abs(response.samples[: LEAD - 12])) < 0.02


@pytest.mark.parametrize("number", range(6))
def test_a_click_stays_within_a_frame(number: int) -> None:
    click = np.zeros(SAMPLE_RATE, np.float32)
    click[8000] = 0.5
    heard = room_response(1, number, RECIPE.rt60_seconds, (0.3, 1.0)).apply(click)
    assert len(heard) == len(click)
    onset = int(np.argmax(np.abs(heard) > 0.5 * 0.5))
    assert abs(onset - 8000) <= 1
    assert abs(int(np.argmax(np.correlate(heard, click[7000:9000], "valid"))) - 7000) < 160


def test_farther_is_more_reverberant() -> None:
    def ratio_db(distance: float) -> float:
        samples = simulate(living_room(0.4, distance), np.random.default_rng(1)).samples
        return float(10 * np.log10(np.sum(samples[: LEAD + 40] ** 2) / np.sum(samples[LEAD + 40 :] ** 2)))

    assert ratio_db(0.4) > ratio_db(1.2) + 4 > ratio_db(3.5) + 8


def test_the_same_seed_gives_the_same_room_and_another_seed_another() -> None:
    rooms = [draw_room((0.2, 0.8), (0.3, 4.0), generator(seed, "room")) for seed in (1, 1, 2)]
    assert rooms[0] == rooms[1] != rooms[2]
    responses = [simulate(rooms[0], np.random.default_rng(seed)).samples for seed in (1, 1, 2)]
    assert np.array_equal(responses[0], responses[1])
    assert not np.array_equal(responses[0], responses[2])


@pytest.mark.parametrize("seed", range(20))
def test_people_and_microphones_are_inside_and_as_far_apart_as_the_recipe_allows(seed: int) -> None:
    room = draw_room((0.2, 0.8), (0.5, 3.0), np.random.default_rng(seed))
    for place in (room.talker, room.microphone):
        assert all(0 < at < side for at, side in zip(place, room.size, strict=True))
    assert 0.4 < room.distance < 3.1


def test_a_measured_response_starts_at_its_direct_sound() -> None:
    measured = np.zeros(4000, np.float32)
    measured[700], measured[900] = -0.02, 0.01
    response = Materials.of(responses=[measured]).responses[0]
    click = np.zeros(3000, np.float32)
    click[1000] = 0.1
    heard = response.apply(click)
    assert heard[1000] == pytest.approx(0.1, abs=1e-5)
    assert heard[1200] == pytest.approx(-0.05, abs=1e-5)
    assert np.abs(np.delete(heard, [1000, 1200])).max() < 1e-5
