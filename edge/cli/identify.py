"""``earmark identify``: whose voice is it, utterance by utterance?"""

from __future__ import annotations

import argparse
from typing import Any, Final

from edge.auth.words import REMEDIES, SENTENCES, compared
from edge.calibrate.kept import Origin
from edge.cli import options
from edge.cli.app import error_json
from edge.cli.console import Console, Style, printable
from edge.cli.progress import Progress
from edge.cli.recordings import Hearing, expand, listen, notes_of, open_recording
from edge.cli.session import Session, open_session
from edge.errors import EXIT_NO, EXIT_NO_DECISION, EXIT_OK, AudioFileError, UsageError
from edge.records import SAMPLE_RATE, UNSURE, Outcome, Result

DESCRIPTION = """
Whose voice is it? One line for each utterance of some recordings. A stranger is unknown; too little evidence is
uncertain, not a guess. Consecutive utterances of one voice add up.

exit codes: 0 somebody was identified, 1 nobody was, 3 no decision was possible, 2 usage, 5 no model
"""
EXAMPLES = """
earmark identify clip.wav
earmark identify recordings/ --profile relaxed
earmark identify clip.wav --json | jq -r .person.name
"""
_STYLES: Final[dict[Outcome, Style]] = {
    "identified": "green",
    "unknown": "bold",
    "uncertain": "yellow",
    "rejected": "dim",
}
_HEADER: Final = ("from-to s", "outcome", "who", "prob.", "needed", "speech", "SNR", "why, flags")
_LAYOUT: Final = "{:>13}  {:<10}  {:<16}  {:>6}  {:>6}  {:>6}  {:>5}  {}"


def register(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument(
        "sources", metavar="SOURCE", nargs="+", help="audio files, folders, or - for the standard input"
    )
    options.add_place(parser)
    options.add_model(parser)


def run(args: argparse.Namespace) -> int:
    """Tell about every utterance; the exit code sums up."""
    console: Console = args.console
    files, problems = expand(args.sources)
    with open_session(args) as session:
        for problem in problems:
            _odd(console, problem)
        tell_about_people(console, session)
        outcomes: list[Outcome] = []
        readable = 0
        if not console.json and files:
            width = max(len(printable(text)) for text in files)
            console.say(console.style("file".ljust(width) + "  " + _LAYOUT.format(*_HEADER), "bold"))
        pipeline, calibration = session.pipeline(), session.calibration
        with Progress(console, "listening", len(files)) as bar:
            for text in files:
                hearing = Hearing()
                source = open_recording(text, session.settings)
                try:
                    for result in listen(pipeline, source, hearing):
                        outcomes.append(result.decision.outcome)
                        _show(console, text, result, calibration, width if not console.json else 0)
                except AudioFileError as error:
                    if len(files) == 1 and not problems:
                        raise
                    problems.append(error)
                    _odd(console, error)
                    continue
                readable += 1
                for note in notes_of(source):
                    console.note(printable(note))
                if not hearing.utterances:
                    _nothing(console, text, hearing, session)
                bar.advance(1, printable(text))
    if not readable:
        raise UsageError("None of the sources can be read", "Name audio files, or folders that hold some.")
    if "identified" in outcomes:
        return EXIT_OK
    return EXIT_NO if {"unknown", "uncertain"} & set(outcomes) else EXIT_NO_DECISION


def tell_about_people(console: Console, session: Session) -> None:
    """Advice where nobody can be identified, somebody is left out, the household's calibration no longer counts, or
    gender or emotion is asked for and not told.
    """
    if session.outdated:
        names = ", ".join(printable(name) for name in session.outdated)
        console.warn(f"Not compared, since enrolled with another model: {names}. Enrol them again.")
    if stale := session.household.stale:
        console.note(f"The household's calibration is not used: {stale}. `earmark calibrate` renews it.")
    for unmet in session.analyses.unmet:
        console.warn(f"{unmet.sentence()}.")
    if not session.voiceprints:
        console.note("Nobody is enrolled for this model, so every voice is unknown; `earmark enroll` changes that.")


def result_json(text: str, result: Result, calibration: Origin) -> dict[str, Any]:
    """One utterance as plain values. ``calibration``: whose decided."""
    decision, heard = result.decision, result.utterance
    person = decision.best if decision.outcome == "identified" else None
    judged = decision.outcome != "rejected"
    return {
        "file": text,
        "start_s": round(heard.start / SAMPLE_RATE, 2),
        "end_s": round(heard.end / SAMPLE_RATE, 2),
        "outcome": decision.outcome,
        "person": {"id": person.person_id, "name": person.name} if person else None,
        "probability": round(decision.probability, 4) if judged else None,
        "threshold": round(decision.threshold, 4) if judged else None,
        "margin": round(decision.margin, 3) if judged and decision.best else None,
        "speech_seconds": round(heard.speech_seconds, 2),
        "snr_db": round(heard.snr_db, 1),
        "flags": list(decision.flags),
        "reason": decision.reason,
        "pooled": decision.pooled,
        "calibration": calibration,
    } | {
        key: value
        for kind, answer in result.labels.items()
        for key, value in (
            (kind, answer.label),
            (f"{kind}_p", round(answer.probability, 3)),
            (f"{kind}_reason", answer.reason),
        )
    }


def label_words(kind: str, label: str, probability: float) -> str:
    """What a label head said, for a person."""
    return f"{kind} {label} {probability:.2f}" if label != UNSURE else f"{kind} {label}"


def _show(console: Console, text: str, result: Result, calibration: Origin, width: int) -> None:
    if console.json:
        console.emit(result_json(text, result, calibration))
        return
    decision, heard = result.decision, result.utterance
    judged = decision.outcome != "rejected"
    words = [decision.reason, *(flag for flag in decision.flags if flag != decision.reason)]
    words += [label_words(kind, answer.label, answer.probability) for kind, answer in result.labels.items()]
    probability, threshold = compared(decision.probability, decision.threshold) if judged else ("-", "-")
    line = _LAYOUT.format(
        f"{heard.start / SAMPLE_RATE:.1f}-{heard.end / SAMPLE_RATE:.1f}",
        decision.outcome,
        printable(decision.best.name)[:16] if decision.outcome == "identified" and decision.best else "-",
        probability,
        threshold,
        f"{heard.speech_seconds:.1f} s",
        f"{heard.snr_db:.0f} dB",
        ", ".join(word.replace("_", " ") for word in words if word),
    )
    console.say(printable(text).ljust(width) + "  " + console.style(line, _STYLES[decision.outcome]))


def _nothing(console: Console, text: str, hearing: Hearing, session: Session) -> None:
    reason = hearing.why_nothing(session.settings)
    if console.json:
        console.emit({"file": text, "outcome": "rejected", "person": None, "reason": reason})
    else:
        console.say(f"{printable(text)}: {SENTENCES[reason]}. {REMEDIES[reason]}")


def _odd(console: Console, error: AudioFileError) -> None:
    if console.json:
        console.emit(error_json(error))
    else:
        console.warn(printable(error.sentence()))
