"""Enrolment clips for the tests of the people store."""

from __future__ import annotations

import numpy as np

from edge.records import Exemplar

ENCODER = "0123456789abcdef"


def clip(number: int, encoder: str = ENCODER) -> Exemplar:
    vector = np.random.default_rng(number).normal(size=64).astype(np.float32)
    return Exemplar(
        vector,
        encoder,
        2.5 + number,
        20.25,
        "mic:USB Audio",
        f"2026-11-21T10:00:{number % 60:02d}Z",
        f"digest-{number}",
    )


def clips(*numbers: int, encoder: str = ENCODER) -> list[Exemplar]:
    return [clip(number, encoder) for number in numbers]
