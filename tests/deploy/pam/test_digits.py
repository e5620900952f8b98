"""A login for which somebody says the digits that it shows: recordings of single digits, played as soon as it does.

Needs people who say digits: `$EARMARK_SPEECH`, with the Free Spoken Digit Dataset somewhere in it. Its recordings have
the band of a telephone, which `earmark enroll` refuses, so the voice is enrolled past that check.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from edge.audio import read_samples
from edge.bundle import open_bundle
from edge.people import PeopleStore
from edge.records import Exemplar, Float32
from edge.settings import Settings
from tests.broker import wait_for
from tests.deploy.pam.login import Login
from tests.scenarios.household import Daemon
from tests.virtual_microphone import VirtualMicrophone

pytestmark = pytest.mark.microphone

GAP = np.zeros(1600, np.float32)
PAUSE = np.zeros(16_000, np.float32)
ROOM = 0.001
"""-60 dBFS."""


class Digits:
    """What one person says: ``said(digits, take)``."""

    def __init__(self, folder: Path) -> None:
        self._takes = {digit: sorted(folder.glob(f"{digit}_*")) for digit in range(10)}

    def said(self, digits: list[int], take: int) -> Float32:
        """At the level of somebody who speaks in a quiet room; takes count from 0, negative ones from the end."""
        pieces: list[Float32] = []
        for place, digit in enumerate(digits):
            samples = read_samples(self._takes[digit][take + (place if take >= 0 else -place)])
            samples = 0.4 * samples / np.max(np.abs(samples))
            (loud,) = np.nonzero(np.abs(samples) > 0.01)  # some recordings have half a second of silence
            pieces += [samples[loud[0] : loud[-1]], GAP]
        samples = np.concatenate([PAUSE, *pieces, PAUSE])
        return samples + np.random.default_rng(1).normal(0, ROOM, len(samples)).astype(np.float32)


def voice(name: str) -> Digits:
    folder = os.environ.get("EARMARK_SPEECH")
    if not folder:
        pytest.skip("EARMARK_SPEECH, a folder with people who say digits, is not set")
    found = next(Path(folder).rglob(f"0_{name}_*"), None)
    if found is None:
        pytest.skip(f"no {name} of the Free Spoken Digit Dataset in EARMARK_SPEECH")
    return Digits(found.parent)


@pytest.fixture
def login(tmp_path: Path) -> Login:
    (tmp_path / "login").mkdir()
    made = Login(tmp_path / "login")
    made.people("ada: Lucas\n")
    made.options(limit=20)
    return made


@pytest.fixture
def daemon(login: Login, tmp_path: Path, virtual_microphone: VirtualMicrophone) -> Iterator[Daemon]:
    speaker, rng = voice("lucas"), np.random.default_rng(7)
    bundle = open_bundle(Settings().models.bundle)
    exemplars = []
    for number in range(6):
        heard = bundle.analyse(speaker.said(list(rng.permutation(10)[:8]), 3 * number))
        exemplars.append(
            Exemplar(heard.vector, heard.encoder, 3.0, 40.0, "mic", "2026-11-22", f"{number}", heard.space)
        )
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    with PeopleStore(state) as store:
        store.add("Lucas", exemplars)
    with Daemon(state, 1, "--source", "mic", "--no-mqtt", RUNTIME_DIRECTORY=str(login.runtime)) as running:
        wait_for(lambda: virtual_microphone.recorders() == 1, "the daemon records")
        yield running


def logs_in(login: Login, microphone: VirtualMicrophone, name: str, take: int, shift: int = 0) -> bool:
    """Whether a login passes at which somebody says the digits that it shows, or each one increased by ``shift``."""
    attempt = login.begin()
    digits = [(int(digit) + shift) % 10 for digit in attempt.line(r"Say: (.*)").split()]
    microphone.play(voice(name).said(digits, take))
    return attempt.finish().passed


@pytest.mark.usefixtures("daemon")
def test_only_the_right_voice_with_the_right_digits_passes(login: Login, virtual_microphone: VirtualMicrophone) -> None:
    assert not logs_in(login, virtual_microphone, "george", -1)
    assert not logs_in(login, virtual_microphone, "lucas", -1, shift=1)
    # The recogniser may miss a string; it is the same person who tries again, with other recordings.
    assert any(logs_in(login, virtual_microphone, "lucas", take) for take in (-8, -15, -22))
