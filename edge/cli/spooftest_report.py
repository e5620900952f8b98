"""What the trials came to: shares with intervals, as a table or JSON.

Takes trials; gives rows, and prints them. Must hold: every share has its count and its 95 % interval (Clopper and
Pearson); trials of one person and voice are not independent, and that is said.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from edge.calibrate.intervals import interval
from edge.cli.console import Console, count, table
from edge.cli.spooftest_household import Household
from edge.cli.spooftest_trials import Recording, Trial
from edge.spoof.species import ALL, Species


@dataclass(frozen=True, slots=True)
class Row:
    """Counts of one kind of attack with one kind of recording. ``silent``: no decision was possible."""

    species: Species
    recording: Recording
    trials: int
    voice: int
    repeat: int
    suspect: int
    accepted: int
    silent: int

    def to_json(self) -> dict[str, Any]:
        """Plain values; shares with their 95 % interval."""
        told: dict[str, Any] = {
            "species": self.species.name,
            "words": self.species.words,
            "attack": not self.species.live,
            "recording": self.recording or None,
            "trials": self.trials,
            "no_decision": self.silent,
        }
        counts = {"voice": self.voice, "repeat": self.repeat, "suspect": self.suspect, "accepted": self.accepted}
        for name, number in counts.items():
            low, high = interval(number, self.trials)
            told[name] = {
                "count": number,
                "rate": round(number / self.trials, 4),
                "low": round(low, 4),
                "high": round(high, 4),
            }
        return told


def rows_of(trials: Sequence[Trial]) -> list[Row]:
    """One row per kind of attack and of recording, in the order of the kinds."""
    rows = []
    recordings: tuple[Recording, ...] = ("", "known", "new")
    for species in ALL:
        for recording in recordings:
            of = [trial for trial in trials if trial.species is species and trial.recording == recording]
            if of:
                rows.append(
                    Row(
                        species=species,
                        recording=recording,
                        trials=len(of),
                        voice=sum(trial.voice for trial in of),
                        repeat=sum(trial.repeat for trial in of),
                        suspect=sum(trial.suspect for trial in of),
                        accepted=sum(trial.accepted for trial in of),
                        silent=sum(not trial.heard for trial in of),
                    )
                )
    return rows


def tell(console: Console, rows: Sequence[Row], household: Household, limit: float | None) -> bool:
    """Print; gives False where an attack is accepted more often than ``limit`` percent."""
    attacks = [row for row in rows if not row.species.live]
    over = [row for row in attacks if limit is not None and 100 * row.accepted > limit * row.trials]
    if console.json:
        console.emit(
            {
                "people": len(household.targets),
                "who": household.words,
                "model": household.session.model,
                "profile": household.session.settings.decide.profile,
                "rows": [row.to_json() for row in rows],
                "limit": limit,
                "over_limit": [row.species.name for row in over],
            }
        )
        return not over
    session = household.session
    who = f"{count(len(household.targets), 'voice')} attacked ({household.words})"
    console.say(f"{who}; {session.model}, profile {session.settings.decide.profile}")
    lines = [["attack", "recording", "tried", "voice alone", "repeat", "loudspeaker?", "accepted", "95 % interval"]]
    for row in rows:
        low, high = interval(row.accepted, row.trials)
        lines.append(
            [
                row.species.name,
                row.recording or "-",
                str(row.trials),
                _share(row.voice, row.trials),
                _share(row.repeat, row.trials),
                _share(row.suspect, row.trials),
                _share(row.accepted, row.trials),
                f"{100 * low:.0f} to {100 * high:.0f} %",
            ]
        )
    for number, line in enumerate(table(lines, right=(2, 3, 4, 5, 6, 7))):
        console.say(console.style(line, "bold") if number == 0 else line)
    console.note(
        "voice alone: what the comparison of voices says; repeat: refused, since this sound was heard before; "
        "loudspeaker?: reported only. `known`: the device heard the recording at enrolment; `new`: it never did. "
        "Several trials share a voice, so the intervals are too narrow for people in general."
    )
    for row in over:
        console.warn(f"{row.species.name} is accepted more often than {limit:g} %.")
    return not over


def _share(number: int, of: int) -> str:
    return f"{100 * number / of:.0f} %"
