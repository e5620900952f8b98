"""What an enrolment tells: a line per clip as it is judged, and where it stands at the end.

Takes clip reports and the ``Enrolment``; prints text, or one JSON object at the end. Must hold: every refusal has its
reason and a hint; JSON has the same whether it was accepted or not.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from edge.cli.app import error_json
from edge.cli.console import Console, count, printable, quoted
from edge.enrolment import ADVISED_CLIPS, ADVISED_SESSIONS, ClipReport, Enrolment
from edge.errors import AudioFileError, EnrolmentError
from edge.records import Person


class Report:
    """One enrolment. ``person``: who it is stored as, None before that. ``problems``: files that could not be read."""

    def __init__(self, console: Console, name: str, enrolment: Enrolment, person: Person | None) -> None:
        self._console = console
        self._name = name
        self._enrolment = enrolment
        self.person = person
        self.clips: list[ClipReport] = []
        self.problems: list[AudioFileError] = []

    def problem(self, error: AudioFileError) -> None:
        """A file that cannot be read."""
        self.problems.append(error)
        self._console.warn(printable(error.sentence()))

    def clip(self, clip: ClipReport) -> None:
        """A clip was judged."""
        self.clips.append(clip)
        if self._console.json:
            return
        figures = f"{clip.speech_seconds:.1f} s of speech, {clip.snr_db:.0f} dB over the background"
        where, style = printable(clip.source), self._console.style
        if clip.accepted:
            advice = f" ({'; '.join(clip.warnings)})" if clip.warnings else ""
            self._console.say(f"  {style('good', 'green')}  {where}: {figures}{advice}")
        else:
            told = f" ({figures})" if clip.speech_seconds else ""
            reason = (clip.reason or "").replace("_", " ")
            self._console.say(f"  {style('no  ', 'yellow')}  {where}: {reason}{told}. {clip.hint}")

    def refused(self, error: EnrolmentError) -> int:
        """Nothing can be stored; gives the exit code, or raises ``error`` where it is to be shown as text."""
        if not self._console.json:
            raise error
        self._console.emit(self._to_json(accepted=False) | error_json(error))
        return error.exit_code

    def accepted(self, *, new: int, stored: bool) -> None:
        """All is well: ``new`` clips were stored, or would have been."""
        console, progress, name = self._console, self._enrolment.progress(), printable(self._name)
        if console.json:
            console.emit(self._to_json(accepted=True) | {"stored": stored, "new_clips": new})
            return
        console.say(
            f"{progress.percent} % of the advised amount: {count(progress.clips, 'clip')}, "
            f"{progress.speech_seconds:.1f} s of speech; {progress.recognised} of {progress.clips} are recognised "
            "from the others."
        )
        if not stored:
            console.say(f"{name} could be enrolled; nothing was stored (--dry-run).")
            return
        console.say(console.style(f"{name} is enrolled.", "green"))
        if progress.recognised < 2 * progress.clips / 3:
            console.note(f"Expect uncertain answers: few of {name}'s clips would be recognised with this model.")
        if not progress.done:
            why = "" if progress.stable or progress.clips < ADVISED_CLIPS else ", since the voiceprint still changes"
            console.note(f"More clips make it surer{why}: `earmark enroll {quoted(self._name)} --add ...`.")
        if progress.sessions < ADVISED_SESSIONS:
            console.note(
                "Voices differ from hour to hour: add some clips in a second session, at least ten minutes from now."
            )

    def _to_json(self, *, accepted: bool) -> dict[str, Any]:
        person = self.person
        return {
            "person": {"id": person.id if person else None, "name": person.name if person else self._name},
            "accepted": accepted,
            "clips": [_rounded(asdict(clip)) | {"warnings": list(clip.warnings)} for clip in self.clips],
            "progress": _rounded(asdict(self._enrolment.progress())),
            "problems": [error_json(problem)["error"] for problem in self.problems],
        }


def _rounded(values: dict[str, Any]) -> dict[str, Any]:
    return {key: round(value, 2) if isinstance(value, float) else value for key, value in values.items()}
