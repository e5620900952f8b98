"""People and clips -> trials: who was compared with whom, and what the bundle's calibration says.

Takes exemplars, further clips and a scorer without correction; gives ``Trials``. Must hold: no clip is compared with a
template that it is part of, and no cohort speaker with a cohort that holds that speaker.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from edge.correction import Float64
from edge.records import Exemplar, Float32, Person, Voiceprint
from edge.scoring import Scorer, voiceprint, voiceprint_of

Bools = npt.NDArray[np.bool_]
Integers = npt.NDArray[np.int64]

_TYPICAL: Final = (3.0, 20.0)
"""Seconds of speech and signal-to-noise ratio of a cohort speaker's test where there is no clip to take them from."""


@dataclass(frozen=True, slots=True, eq=False)
class Clip:
    """A clip that is not part of an enrolment.

    ``who``: id of the person enrolled, or any other word for a stranger; clips of one stranger share it. ``vector``:
    float32 ``(dim,)``.
    """

    who: str
    vector: Float32
    speech_seconds: float
    snr_db: float


@dataclass(frozen=True, slots=True, eq=False)
class Trials:
    """One row per comparison; arrays ``(n,)``.

    ``llr``: by the bundle's calibration alone. ``genuine``: same person. ``clip``: number of the clip that was tested;
    ``voice``: number of whoever spoke it, 0 to ``people`` - 1 for those enrolled; ``template``: whom it was compared
    with. ``heard``: False where a cohort speaker of the bundle stands for a clip, which no microphone here has heard.
    """

    llr: Float64
    genuine: Bools
    clip: Integers
    voice: Integers
    template: Integers
    heard: Bools
    people: int

    def __len__(self) -> int:
        return len(self.llr)

    def where(self, rows: Bools) -> Trials:
        """Only these rows."""
        return Trials(
            self.llr[rows],
            self.genuine[rows],
            self.clip[rows],
            self.voice[rows],
            self.template[rows],
            self.heard[rows],
            self.people,
        )

    def concerning(self, person: int) -> Bools:
        """Rows in which this person speaks or is compared with."""
        rows: Bools = (self.voice == person) | (self.template == person)
        return rows

    @property
    def impostor_voices(self) -> int:
        """How many different people stand behind the impostor trials."""
        return len(np.unique(self.voice[~self.genuine]))


class _Rows:
    """Collects rows and numbers clips and voices."""

    def __init__(self, people: Sequence[Person]) -> None:
        self._rows: list[tuple[float, bool, int, int, int, bool]] = []
        self._people = len(people)
        self._voices = {person.id: number for number, person in enumerate(people)}
        self._clips = 0

    def add(self, who: str, llrs: Float64, *, heard: bool = True, but: int | None = None) -> None:
        """One clip of ``who`` against every template in order, ``but`` for one."""
        voice = self._voices.setdefault(who, len(self._voices))
        self._rows += [
            (float(llr), voice == template, self._clips, voice, template, heard)
            for template, llr in enumerate(llrs)
            if template != but
        ]
        self._clips += 1

    def trials(self) -> Trials:
        table = np.array(self._rows, np.float64).reshape(-1, 6)
        llr, genuine, clip, voice, template, heard = table.T
        clips, voices, templates = (column.astype(np.int64) for column in (clip, voice, template))
        return Trials(llr, genuine > 0, clips, voices, templates, heard > 0, self._people)


def trials_of(people: Sequence[Person], scorer: Scorer, encoder: str, clips: Sequence[Clip] = ()) -> Trials:
    """All comparisons that a household offers.

    Each exemplar meets a template of the person's remaining ones (leave one out; nothing where there is only one) and
    everybody else's whole template; each of ``clips`` and each cohort speaker of ``scorer`` every template. A cohort
    speaker is tested with the household's median seconds of speech and signal-to-noise ratio.

    Args:
        people: with the exemplars that the bundle can compare, each at least one.
        scorer: without a correction.
        encoder: the bundle's. Exemplars that another encoder of its space made are part of templates, but no tests: the
            device will not make such ones.
        clips: further ones, not among the exemplars.
    """
    rows = _Rows(people)
    templates = [voiceprint(person) for person in people]
    for number, person in enumerate(people):
        for left_out, exemplar in enumerate(person.exemplars):
            if exemplar.encoder != encoder:
                continue
            rest = [e for i, e in enumerate(person.exemplars) if i != left_out]
            mine = voiceprint_of(rest, person_id=person.id, name=person.name) if rest else templates[number]
            against = [*templates[:number], mine, *templates[number + 1 :]]
            rows.add(person.id, _llrs(scorer, exemplar, against), but=None if rest else number)
    for clip in clips:
        rows.add(clip.who, _llrs(scorer, clip, templates))
    if templates:
        _add_cohort(rows, scorer, templates, [e for person in people for e in person.exemplars])
    return rows.trials()


def _llrs(scorer: Scorer, clip: Clip | Exemplar, templates: Sequence[Voiceprint]) -> Float64:
    return scorer.llrs(clip.vector, templates, speech_seconds=clip.speech_seconds, snr_db=clip.snr_db)[1]


def _add_cohort(rows: _Rows, scorer: Scorer, templates: Sequence[Voiceprint], like: Sequence[Exemplar]) -> None:
    seconds, snr_db = _TYPICAL
    if like:
        seconds = float(np.median([e.speech_seconds for e in like]))
        snr_db = float(np.median([e.snr_db for e in like]))
    for number, vector in enumerate(scorer.cohort):
        alone = replace(scorer, cohort=np.delete(scorer.cohort, number, axis=0))
        rows.add(f"cohort {number}", _llrs(alone, Clip("", vector, seconds, snr_db), templates), heard=False)
