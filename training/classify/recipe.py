"""What a label model is made of: every choice, as it is written beside the model.

Takes JSON, gives a frozen ``ClassifyRecipe``. Must hold: unknown keys and names are refused with one sentence;
``to_json`` of a recipe is a recipe again.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Final

from edge.errors import UsageError
from training.recipe_keys import checked

TASKS: Final = ("gender", "emotion", "gender-emotion", "speaker", "transfer", "verify", "verify-one")
"""``speaker``: of a closed set. ``transfer``: new speakers from little speech, on top of a network that learnt others.
``verify``: two clips, same person? ``verify-one``: is it this person, by a model of this person against others.
"""

INPUTS: Final = (
    "spectral-statistics", "spectral-means", "mfcc-moments", "voice-table", "mfcc-column", "mfcc-image",
    "mfcc-sequence", "mfcc-envelope", "spectrogram-png",
)  # fmt: skip

NETWORKS: Final = (
    "stats-dnn", "mfcc-cnn1d", "mfcc-cnn2d", "spectrogram-cnn", "spectrogram-cnn-wide", "spectral-ann", "cnn-lstm",
    "emotion-conv1d", "dense",
)  # fmt: skip

CLASSICAL: Final = ("svm", "forest", "knn", "xgboost")

OPTIMISERS: Final = ("adam", "rmsprop")
SCHEDULES: Final = ("none", "plateau", "cosine")


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """What a model sees of a segment of ``seconds``. ``coefficients``, ``frames``: of the MFCC kinds."""

    kind: str
    seconds: float = 2.0
    coefficients: int = 0
    frames: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """``network``: one of ``NETWORKS`` or ``CLASSICAL``."""

    network: str
    input: Input


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """How a network learns. ``patience``: epochs without a better validation loss before it stops. ``schedule``:
    ``plateau`` halves the rate after half as many such epochs. ``class_weights``: rare classes weigh more.
    """

    optimiser: str = "adam"
    learning_rate: float = 1e-3
    epochs: int = 30
    batch: int = 32
    patience: int = 6
    schedule: str = "plateau"
    class_weights: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """Shares of the training segments that come a second time, changed: ``white`` and ``coloured`` noise at
    ``snr_db``, pitch moved by at most ``semitones``.
    """

    white: float = 0.0
    coloured: float = 0.0
    pitch: float = 0.0
    snr_db: tuple[float, float] = (10.0, 30.0)
    semitones: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """``parts``: of how many one is tested on. ``apart``, ``same``: how many of them are done with what is tested on
    kept apart (other speakers; of a closed set: other recordings), and as the forerunners did it.
    ``new_speakers``, ``enrol_segments``: of the transfer, and clips that a person is enrolled with.
    """

    parts: int = 4
    apart: int = 4
    same: int = 1
    new_speakers: int = 5
    enrol_segments: int = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Forerunner:
    """What was reported before Earmark, as text. ``aspect``: which row of the report it belongs to."""

    aspect: str
    network: str = ""
    same: str = ""
    apart: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassifyRecipe:
    """One approach. ``sets``: of the manifest; those that are not there are left out. ``most_per_speaker``: segments.
    ``merge``: labels that count as another. ``drop``: labels that are left out.
    """

    name: str
    tasks: tuple[str, ...]
    models: tuple[Model, ...]
    sets: tuple[str, ...]
    summary: str = ""
    seed: int = 1
    most_per_speaker: int = 40
    merge: dict[str, str] = field(default_factory=dict)
    drop: tuple[str, ...] = ()
    fit: Fit = Fit()
    augment: Share = Share()
    split: Split = Split()
    forerunner: tuple[Forerunner, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain values, with the key that says what kind of recipe it is."""
        return {"kind": "classify", **_plain(asdict(self))}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> ClassifyRecipe:
        """Raises ``UsageError`` for a key or a name that is unknown, or a number that makes no sense."""
        values = checked("A label recipe", values, cls, frozenset({"name", "tasks", "models", "sets"}))
        try:
            models = tuple(_model(one) for one in values["models"])
            share = _part("Its augment", values.get("augment", {}), Share)
            share = share | ({"snr_db": tuple(share["snr_db"])} if "snr_db" in share else {})
            recipe = cls(
                **values
                | {
                    "models": models,
                    "tasks": tuple(values["tasks"]),
                    "sets": tuple(values["sets"]),
                    "drop": tuple(values.get("drop", ())),
                    "fit": Fit(**_part("Its fit", values.get("fit", {}), Fit)),
                    "augment": Share(**share),
                    "split": Split(**_part("Its split", values.get("split", {}), Split)),
                    "forerunner": tuple(
                        Forerunner(**_part("A forerunner", one, Forerunner, "aspect"))
                        for one in values.get("forerunner", ())
                    ),
                }
            )
        except (TypeError, AttributeError) as error:
            raise UsageError(f"The recipe has a value of another kind ({error})", "Compare a shipped one.") from error
        recipe.check()
        return recipe

    def check(self) -> None:
        """Raise ``UsageError`` for nonsense."""
        for what, names, known in (
            ("task", self.tasks, TASKS),
            ("network", tuple(one.network for one in self.models), NETWORKS + CLASSICAL),
            ("input", tuple(one.input.kind for one in self.models), INPUTS),
            ("optimiser", (self.fit.optimiser,), OPTIMISERS),
            ("schedule", (self.fit.schedule,), SCHEDULES),
        ):
            for name in names:
                if name not in known:
                    raise UsageError(f"There is no {what} {name!r}", f"There are {', '.join(known)}.")
        fit, split = self.fit, self.split
        numbers = (
            ("fit.epochs", fit.epochs >= 1), ("fit.batch", fit.batch >= 1), ("fit.patience", fit.patience >= 1),
            ("fit.learning_rate", fit.learning_rate > 0), ("split.parts", split.parts >= 2),
            ("split.apart", 0 <= split.apart <= split.parts), ("split.same", 0 <= split.same <= split.parts),
            ("split", split.apart + split.same > 0), ("split.new_speakers", split.new_speakers >= 2),
            ("split.enrol_segments", split.enrol_segments >= 1), ("most_per_speaker", self.most_per_speaker >= 2),
            ("tasks", bool(self.tasks)), ("models", bool(self.models)), ("sets", bool(self.sets)),
            ("augment", all(0 <= x <= 1 for x in (self.augment.white, self.augment.coloured, self.augment.pitch))),
            ("input.seconds", all(one.input.seconds >= 0.25 for one in self.models)),
        )  # fmt: skip
        for name, good in numbers:
            if not good:
                raise UsageError(f"The value of {name} in the recipe makes no sense", "Compare a shipped recipe.")


def _model(values: dict[str, Any]) -> Model:
    values = _part("A model", values, Model, "network", "input")
    what = values["input"]
    if not isinstance(what, dict) or "kind" not in what:
        raise UsageError("An input lacks 'kind'", f"There are {', '.join(INPUTS)}.")
    # `checked` takes the word kind for a recipe's own, and leaves it out.
    return Model(network=values["network"], input=Input(kind=what["kind"], **_part("An input", what, Input)))


def _part(what: str, values: dict[str, Any], kind: type, *required: str) -> dict[str, Any]:
    return checked(what, values, kind, frozenset(required))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return value
