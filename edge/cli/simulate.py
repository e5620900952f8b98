"""``earmark simulate``: recordings instead of a microphone, through the very pipeline and events of the device."""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, TextIO

from edge.cli import options
from edge.cli.app import error_json
from edge.cli.console import Console, Style, count, printable
from edge.cli.identify import label_words, tell_about_people
from edge.cli.progress import Progress
from edge.cli.recordings import Hearing, expand, listen, notes_of, open_recording, rejection
from edge.cli.session import Session, open_session
from edge.cli.truth import Score, Truth
from edge.clock import SystemClock
from edge.daemon.announcer import Announcer
from edge.errors import EXIT_OK, AudioFileError, EarmarkError, UsageError
from edge.events import EventMaker, UtteranceEvent
from edge.mqtt import Topics
from edge.pipeline import Pipeline
from edge.records import SAMPLE_RATE, AudioBlock, Message
from edge.report import Sheet, page
from edge.whole_file import replace_whole

DESCRIPTION = """
The device on a laptop: recordings or a folder of them instead of a microphone, through the same pipeline and the same
events. Prints each event as it comes, and a summary. With --json the lines are exactly the MQTT payloads.

exit codes: 0 at least one file was played, 2 none, 5 no model, disk full or (with --mqtt) no broker
"""
EXAMPLES = """
earmark simulate recordings/
earmark simulate evening.wav --truth evening.json --report evening.html
earmark simulate evening.wav --json --out events.jsonl
earmark simulate evening.wav --realtime --mqtt        as if it were spoken now, to the broker of the settings
"""
_STYLES: dict[str, Style] = {"identified": "green", "unknown": "bold", "uncertain": "yellow", "rejected": "dim"}


def register(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument(
        "sources", metavar="SOURCE", nargs="+", help="audio files, folders, or - for the standard input"
    )
    parser.add_argument("--mqtt", action="store_true", help="publish to the broker of the settings, too")
    parser.add_argument("--realtime", action="store_true", help="at the speed of speech instead of as fast as possible")
    parser.add_argument("--truth", type=Path, metavar="FILE", help="JSON with who really speaks when; adds a score")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the events into a file, too: JSON lines")
    parser.add_argument(
        "--report", type=Path, metavar="FILE", help="write a page: who spoke when, over the waveform, and why (HTML)"
    )
    options.add_place(parser)
    options.add_model(parser)


@dataclass(slots=True)
class Tally:
    """What was played and what came of it."""

    files: int = 0
    problems: int = 0
    audio_seconds: float = 0.0
    cpu_seconds: float = 0.0
    wall_seconds: float = 0.0
    outcomes: Counter[str] = field(default_factory=Counter)

    def to_json(self) -> dict[str, Any]:
        """Plain values. ``cpu_ms_per_s``: CPU milliseconds of reading, pipeline and events for a second of audio."""
        heard = max(self.audio_seconds, 1e-9)
        outcomes = {name: self.outcomes[name] for name in ("identified", "unknown", "uncertain", "rejected")}
        return {
            "files": self.files,
            "problems": self.problems,
            "audio_seconds": round(self.audio_seconds, 1),
            "utterances": sum(outcomes.values()),
            **outcomes,
            "cpu_ms_per_s": round(1000 * self.cpu_seconds / heard, 2),
            "real_time_factor": round(self.wall_seconds / heard, 4),
        }

    def sentence(self) -> str:
        """For a person."""
        told = self.to_json()
        outcomes = ", ".join(f"{told[name]} {name}" for name in ("identified", "unknown", "uncertain", "rejected"))
        return (
            f"{count(self.files, 'file')}, {told['audio_seconds']} s of audio, "
            f"{count(told['utterances'], 'utterance')}: {outcomes}; {told['cpu_ms_per_s']} ms of CPU per second of "
            f"audio, {told['real_time_factor']} of real time."
        )


def run(args: argparse.Namespace) -> int:
    """Play the recordings."""
    console: Console = args.console
    truth = Truth.load(args.truth) if args.truth else None
    files, problems = expand(args.sources)
    with open_session(args) as session, ExitStack() as stack:
        log = _Log(console, stack.enter_context(args.out.open("w", encoding="utf-8")) if args.out else None)
        tell_about_people(console, session)
        tally = Tally()
        player = _Player(session, log, truth, tally, realtime=args.realtime)
        pages = _Pages(args.report) if args.report else None
        player.pages = pages
        if args.mqtt:
            from edge.cli.delivery import Delivery

            player.publish_to(stack.enter_context(Delivery(session)))
        player.alone = len(files) == 1 and not problems
        for problem in problems:
            player.problem(problem)
        with Progress(console, "playing", len(files)) as bar:
            for text in files:
                player.play(text)
                bar.advance(1, printable(text))
        if not tally.files:
            raise UsageError("None of the sources can be read", "Name audio files, or folders that hold some.")
        score = truth.finish() if truth else None
        if pages:
            pages.write([tally.sentence(), *([score.sentence()] if score else [])], session.model)
            console.note(f"The page is {args.report}.")
        _summarise(console, tally, score)
    return EXIT_OK


class _Log:
    """Where events go besides the broker."""

    def __init__(self, console: Console, file: TextIO | None) -> None:
        self.console = console
        self._file = file

    def event(self, event: UtteranceEvent) -> None:
        values = json.loads(event.to_json())
        if self._file:
            self._file.write(json.dumps(values, ensure_ascii=False) + "\n")
            self._file.flush()
        if self.console.json:
            self.console.emit(values)
            return
        style = _STYLES.get(event.event_type, "bold")
        who = event.speaker if event.event_type == "identified" else "-"
        probability = f"{event.probability:.2f}" if event.probability is not None else "-"
        words = [event.reason or "", *(flag for flag in event.flags if flag != event.reason)]
        words += [
            label_words(kind, label, share or 0.0)
            for kind, label, share in (
                ("gender", event.gender, event.gender_p),
                ("emotion", event.emotion, event.emotion_p),
            )
            if label
        ]
        why = ", ".join(word.replace("_", " ") for word in words if word)
        line = (
            f"{event.at_s or 0:8.1f} s  {event.event_type:<10}  {printable(who):<16}  {probability:>4}  "
            f"{event.speech_s or 0:5.1f} s  {event.snr_db or 0:4.0f} dB  {why}"
        )
        self.console.say(self.console.style(line, style))

    def odd(self, error: EarmarkError, source: str) -> None:
        if self.console.json:
            self.console.emit(error_json(error) | {"source": source})
        else:
            self.console.warn(printable(error.sentence()))


class _Player:
    """Plays file after file through one pipeline."""

    def __init__(self, session: Session, log: _Log, truth: Truth | None, tally: Tally, *, realtime: bool) -> None:
        settings = session.settings
        self._settings = settings
        self._log = log
        self._truth = truth
        self._tally = tally
        self._realtime = realtime
        self.pages: _Pages | None = None
        self.alone = False
        """Whether there is one file only, so that its error is the error of the command."""
        self._pipeline: Pipeline = session.pipeline()
        self._names = {v.name for v in self._pipeline.voiceprints}
        self._clock = SystemClock()
        self._publish: Any = lambda *messages: None
        topics = Topics(settings.mqtt.base_topic, settings.node.name, settings.homeassistant.prefix)
        maker = EventMaker(settings.node, settings.privacy, model=session.model, clock=self._clock)
        self._announcer = Announcer(
            topics,
            maker,
            self._clock,
            self._send,
            hold_seconds=settings.homeassistant.hold_seconds,
            sample_rate=SAMPLE_RATE,
        )
        self._announcer.set_people(self._pipeline.voiceprints)

    def publish_to(self, publish: Any) -> None:
        """Send the messages somewhere, beginning with the states."""
        self._publish = publish
        self._announcer.set_people(self._pipeline.voiceprints)
        self._announcer.first_states()

    def _send(self, *messages: Message) -> None:
        self._publish(*messages)

    def problem(self, error: AudioFileError, text: str = "") -> None:
        """A file that cannot be used."""
        self._tally.problems += 1
        self._log.odd(error, text)

    def play(self, text: str) -> None:
        """One file, from start to end."""
        source = open_recording(text, self._settings, realtime=self._realtime)
        self._announcer.source = source.name
        if not self.alone:
            self._log.console.note(f"{printable(text)}:")
        hearing = Hearing()
        sheet = Sheet(Path(text).name)
        cpu, wall = time.thread_time(), time.perf_counter()
        try:
            on_block = sheet.block if self.pages else _ignored
            for result in listen(self._pipeline, source, hearing, on_block=on_block):
                event = self._announcer.result(result, 0.0)
                verdict = self._truth.judge(Path(text).name, result, self._names) if self._truth else ""
                if event is not None:
                    sheet.add(result, event, verdict)
                    self._tally.outcomes[event.event_type] += 1
                    self._log.event(event)
        except AudioFileError as error:
            if self.alone:
                raise
            self.problem(error, text)
            return
        finally:
            self._tally.cpu_seconds += time.thread_time() - cpu
            self._tally.wall_seconds += time.perf_counter() - wall
            self._tally.audio_seconds += hearing.seconds
        self._tally.files += 1
        notes = [printable(note) for note in notes_of(source)]
        for note in notes:
            self._log.console.note(note)
        if not hearing.utterances:
            nothing = rejection(hearing.why_nothing(self._settings), printable(text))
            notes.append(nothing.sentence())
            self._log.odd(nothing, text)
        if self.pages:
            self.pages.sheets.append(replace(sheet, notes=notes))


def _ignored(block: AudioBlock) -> None:
    pass


class _Pages:
    """The page that ``--report`` asks for."""

    def __init__(self, path: Path) -> None:
        if not path.parent.is_dir():
            raise UsageError(f"There is no folder {path.parent} for the page", "Make it, or name another file.")
        self.sheets: list[Sheet] = []
        self._path = path

    def write(self, summary: Sequence[str], model: str) -> None:
        """The whole file or none."""
        told = (
            f"Made by Earmark with {model}, {time.strftime('%Y-%m-%d %H:%M %Z')}. It names people: keep it as private."
        )
        replace_whole(self._path, page("Who spoke when", self.sheets, summary, told=told).encode(), 0o644)


def _summarise(console: Console, tally: Tally, score: Score | None) -> None:
    if console.json:
        console.emit({"summary": tally.to_json() | ({"truth": asdict(score)} if score else {})})
        return
    console.say(tally.sentence())
    if score:
        console.say(score.sentence())
