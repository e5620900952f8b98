"""What is told of voices besides whose they are: what the household has switched on, and what can be done of it.

Takes: an opened bundle and the section ``privacy``. Gives: ``Analyses``.
Must hold: nothing is analysed that was not both switched on and acknowledged; whatever is switched on and not done is
said, with the reason.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from edge.bundle.label_card import KINDS
from edge.bundle.opened import Bundle
from edge.records import LabelKind
from edge.settings import Privacy

NOTICE: Final = (
    "what a voice sounds like is not who somebody is or how they feel; the people who live here must know of it and "
    "agree; it must not be used at work, at school, in care, or on people who did not agree (docs/labels.md)"
)
"""What is acknowledged by ``privacy.labels_acknowledged``."""


@dataclass(frozen=True, slots=True)
class Unmet:
    """Something that is switched on and not told: why, and what to do about it, both without a full stop."""

    cause: str
    remedy: str

    def sentence(self) -> str:
        """One line for a person."""
        return f"{self.cause}; {self.remedy}"


@dataclass(frozen=True, slots=True)
class Analyses:
    """``kinds``: what is told. ``unmet``: what is switched on and not told."""

    kinds: tuple[LabelKind, ...] = ()
    unmet: tuple[Unmet, ...] = ()


def switchable(bundle: Bundle, privacy: Privacy) -> tuple[LabelKind, ...]:
    """What may be switched on and off while ``bundle`` listens: what it can tell, once that is acknowledged."""
    return tuple(kind for kind in KINDS if kind in bundle.heads) if privacy.labels_acknowledged else ()


def analyses(bundle: Bundle, privacy: Privacy) -> Analyses:
    """What ``bundle`` with its packs tells under these settings."""
    switches: dict[LabelKind, bool] = {"gender": privacy.gender, "emotion": privacy.emotion}
    asked = [kind for kind in KINDS if switches[kind]]
    able = tuple(kind for kind in asked if kind in bundle.heads)
    unmet = [
        Unmet(
            f"{kind} is switched on (privacy.{kind}), but neither the bundle {bundle.name} nor a pack can tell it",
            f"name a pack in models.packs (`earmark doctor --only labels` lists those installed), or set "
            f"privacy.{kind}: false",
        )
        for kind in asked
        if kind not in able
    ]
    if able and not privacy.labels_acknowledged:
        several = f"{able[0]} is" if len(able) == 1 else f"{' and '.join(able)} are"
        cause = f"{several} switched on and not yet acknowledged, so nothing is estimated"
        unmet.append(Unmet(f"{cause}: {NOTICE}", "if that is understood, set privacy.labels_acknowledged: true"))
        able = ()
    return Analyses(able, tuple(unmet))
