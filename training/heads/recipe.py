"""What a label head is made of.

Takes JSON, gives a frozen ``HeadRecipe``. Must hold: unknown keys are refused by name; every choice that shapes the
head stands here, so that none is made on the people it is measured on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Final, Literal, get_args

from edge.errors import UsageError
from edge.records import LabelKind
from training.augment import AugmentRecipe
from training.recipe_keys import checked

Protocol = Literal["sets", "speakers", "speaker"]
"""Who is left out: a whole set at a time, a sixth of a set's speakers, or one speaker at a time."""

_REQUIRED: Final = frozenset({"name", "label", "classes", "sets", "measures", "card"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """One row of figures: the people of ``test``, told by heads that learnt from ``learn`` (empty: every set of the
    recipe) and, by ``protocol``, not from them. ``copy``: which copy is told, ``""`` for the recording itself.
    ``teaches_doubt``: whether the pack's temperature and limit are learnt here, too.

    What compares, and makes no pack: ``classes``: only these are learnt and told (empty: all). ``centred``: from every
    recording's statistics the mean of its speaker's recordings is taken, without a label: what somebody whose usual
    voice is known would get. ``plain``: a logistic regression instead, on the recordings as they are. ``with_gender``:
    the gender is told, too, by a second head, and the pair has to be right.
    """

    test: str
    protocol: Protocol
    learn: tuple[str, ...] = ()
    copy: str = ""
    teaches_doubt: bool = False
    classes: tuple[str, ...] = ()
    centred: bool = False
    plain: bool = False
    with_gender: bool = False

    @property
    def compares(self) -> bool:
        """Whether this is anything but what the pack's own head does."""
        return bool(self.classes) or self.centred or self.plain or self.with_gender

    @property
    def how(self) -> str:
        """In words, what is done otherwise; "" where nothing is."""
        words = [f"{len(self.classes)} classes"] if self.classes else []
        words += ["speaker's mean taken away"] if self.centred else []
        words += ["logistic regression"] if self.plain else []
        words += ["gender and label"] if self.with_gender else []
        return ", ".join(words)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Measure:
        """Raises ``UsageError``."""
        values = checked("A measure", values, cls, frozenset({"test", "protocol"}))
        if values["protocol"] not in get_args(Protocol):
            raise UsageError(
                f"A measure can't leave out {values['protocol']!r}", f"Give {', '.join(get_args(Protocol))}."
            )
        lists = {name: tuple(values.get(name, ())) for name in ("learn", "classes")}
        measure = cls(**(values | lists))
        if measure.compares and measure.teaches_doubt:
            raise UsageError(
                "A measure that tells otherwise than the pack can't teach it doubt", "Let another one do it."
            )
        return measure


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadRecipe:
    """A label head.

    ``label``: ``gender`` or ``emotion``. ``classes``: a class by the word of the manifest (``f``: ``female``); words
    that are not here are not learnt. ``publish``: as in a card, empty to publish the classes. ``sets``: what is learnt
    from. ``copies``: name -> how a copy of each recording is degraded; ``learnt_copies`` are learnt from, the others
    only measured. ``guessed_sets``: sets without labels, of which ``guessed_clips`` each are labelled by a first head
    where it is surer than ``guessed_above``, and then learnt from like the others. ``clips_per_person``: at most so
    many of each labelled person are used. ``seconds``: at most so much of a recording. ``penalty``: of the regression.
    ``unsure_share``: of the utterances of people left out, so many may be unsure; ``sure``: but what is surer than that
    is told in any case. ``card``: texts of the pack.
    """

    name: str
    label: LabelKind
    classes: Mapping[str, str]
    publish: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    sets: tuple[str, ...]
    copies: Mapping[str, AugmentRecipe] = field(default_factory=dict)
    learnt_copies: tuple[str, ...] = ()
    guessed_sets: tuple[str, ...] = ()
    guessed_clips: int = 600
    guessed_above: float = 0.95
    clips_per_person: int = 1000
    seconds: float = 6.0
    seed: int = 1
    penalty: float = 0.03
    unsure_share: float = 0.05
    sure: float = 0.8
    min_speech_seconds: float = 0.0
    measures: tuple[Measure, ...]
    card: Mapping[str, Any]

    @property
    def columns(self) -> tuple[str, ...]:
        """The classes in the order of the head's columns."""
        return tuple(dict.fromkeys(self.classes.values()))

    def only(self, classes: tuple[str, ...]) -> HeadRecipe:
        """The same for some of the classes, each published as it is; where none is given, the recipe as it is."""
        if not classes:
            return self
        words = {word: name for word, name in self.classes.items() if name in classes}
        return replace(self, classes=words, publish={})

    def to_json(self) -> dict[str, Any]:
        """Plain values, with the key that says what kind of recipe it is."""
        copies = {name: copy.to_json() for name, copy in self.copies.items()}
        return {"kind": "head"} | asdict(self) | {"copies": copies}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> HeadRecipe:
        """Raises ``UsageError``."""
        values = checked("A label head", values, cls, _REQUIRED)
        if values["label"] not in get_args(LabelKind):
            raise UsageError(f"There is no label {values['label']!r}", f"Give {' or '.join(get_args(LabelKind))}.")
        copies = {name: AugmentRecipe.from_json(one) for name, one in values.get("copies", {}).items()}
        recipe = cls(
            **(
                values
                | {
                    "copies": copies,
                    "sets": tuple(values["sets"]),
                    "guessed_sets": tuple(values.get("guessed_sets", ())),
                    "learnt_copies": tuple(values.get("learnt_copies", ())),
                    "publish": {label: tuple(parts) for label, parts in values.get("publish", {}).items()},
                    "measures": tuple(Measure.from_json(one) for one in values["measures"]),
                }
            )
        )
        strange = {one.copy for one in recipe.measures} | set(recipe.learnt_copies)
        if unknown := sorted(strange - set(copies) - {""}):
            raise UsageError(
                f"There is no copy {unknown[0]!r}", f"Describe it under copies; there are {sorted(copies)}."
            )
        narrow = {name for one in recipe.measures for name in one.classes}
        if unknown := sorted(narrow - set(recipe.columns)):
            raise UsageError(f"There is no class {unknown[0]!r} to measure", f"There are {', '.join(recipe.columns)}.")
        if len(recipe.columns) < 2 or not recipe.sets or not any(one.teaches_doubt for one in recipe.measures):
            raise UsageError(
                "A label head needs two classes, a set to learn from and one that teaches it doubt", "Give them."
            )
        return recipe


assert {one.name for one in fields(HeadRecipe)} >= _REQUIRED
