"""Trials and households with known scores, for the tests of the household's calibration."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edge.calibrate.trials import Trials
from edge.records import Person
from tests.edge.voices import Voice


def trials(genuine: Sequence[float], impostor: Sequence[float], *, people: int = 1, voices: int = 0) -> Trials:
    """Genuine trials dealt out among ``people``, and impostor trials by as many ``voices`` (each by its own for 0)."""
    llr = np.array([*genuine, *impostor], np.float64)
    number = np.arange(len(llr))
    same = number < len(genuine)
    strangers = people + (number - len(genuine)) % (voices or max(1, len(impostor)))
    template = number % people
    return Trials(llr, same, number, np.where(same, template, strangers), template, same.copy(), people)


def person(seed: int, name: str, clips: int = 5, noise: float = 0.6) -> Person:
    """Somebody with a voice of their own."""
    voice = Voice(seed)
    return Person(f"p000{seed}", name, "2026-11-21T00:00:00Z", tuple(voice.exemplar(noise) for _ in range(clips)))
