"""What the studio says about decisions, labels and models.

Takes records. Gives short sentences. Must hold: a name stands only where the decision names somebody; why nobody is
named is always said.
"""

from __future__ import annotations

from typing import Final

from edge.auth.words import REMEDIES, SENTENCES
from edge.decision import FAR_TARGETS
from edge.records import UNSURE, Decision, LabelAnswer, LabelKind, UnsureReason
from edge.settings import Decide

_REASONS: Final = {
    "accepted": "The score passes the threshold, and nobody else comes near.",
    "below_threshold": "No one enrolled sounds enough like this.",
    "between_thresholds": "The score lies between the two thresholds: too little to name, too much to call a stranger.",
    "low_margin": "Two people are nearly as likely; more speech would tell.",
    "multi_speaker": "More than one voice seems to speak, and they do not all point at the same person.",
    "turn_disagrees": "What was said before points at this person, the latest words do not.",
    "nobody is enrolled": "Nobody is enrolled, so every voice is unknown. Enrol somebody on the page People.",
}
_UNSURE: Final[dict[UnsureReason, str]] = {
    "too_short": "too little speech",
    "too_noisy": "too noisy",
    "multi_speaker": "more than one voice",
    "other": "most likely something that it has no word for",
    "low_probability": "not sure enough",
}
_FLAGS: Final = {
    "short": "short",
    "noisy": "noisy",
    "clipped": "distorted",
    "multi_speaker": "several voices",
    "low_margin": "two people alike",
    "playback_suspect": "perhaps a loudspeaker",
    "channel_mismatch": "another microphone",
}


def who(decision: Decision) -> str:
    """The name, or what stands in its place."""
    if decision.outcome == "identified" and decision.best is not None:
        return decision.best.name
    return {"unknown": "Unknown voice", "uncertain": "Uncertain", "rejected": "Not usable"}.get(decision.outcome, "?")


def why(decision: Decision) -> str:
    """The reason, as a sentence, and what to do about it where something can be done."""
    if decision.outcome == "rejected":
        sentence = SENTENCES.get(decision.reason, decision.reason.replace("_", " "))
        return f"{sentence[:1].upper()}{sentence[1:]}. {REMEDIES.get(decision.reason, '')}".strip()
    return _REASONS.get(decision.reason, decision.reason.replace("_", " "))


def needed(decision: Decision) -> tuple[str, str]:
    """Probability and what it has to reach, in percent with as many digits as it takes to see which is greater."""
    shown = "", ""
    for digits in (0, 1, 2, 3):
        shown = f"{decision.probability:.{digits}%}", f"{decision.threshold:.{digits}%}"
        if shown[0] != shown[1] and "100" not in "".join(shown):
            break
    return shown


def flags(decision: Decision) -> list[str]:
    """What was odd about the sound, besides the reason."""
    return [_FLAGS.get(flag, flag.replace("_", " ")) for flag in decision.flags if flag != decision.reason]


def label(kind: LabelKind, answer: LabelAnswer) -> tuple[str, str]:
    """What a head says, and how sure it is or why it abstains."""
    if answer.label == UNSURE:
        return "unsure", _UNSURE.get(answer.reason, "abstains")
    about = "perceived as" if kind == "gender" else "sounds"
    return answer.label, f"{about} {answer.label} with {answer.probability:.0%}"


def aim(decide: Decide) -> str:
    """What a profile promises, or the threshold in its place."""
    if decide.threshold is not None:
        return f"{decide.threshold:g}: whoever is at least this probable gets the name"
    return f"{decide.profile}: at most {100 * FAR_TARGETS[decide.profile]:g} % of strangers' utterances get a name"


def figure(value: float, unit: str = "") -> str:
    """A number for people: two digits that count."""
    text = f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
    return f"{text} {unit}".strip()
