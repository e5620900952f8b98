"""What most commands need, opened once: settings, bundle, people, and pipelines made of them.

Takes the parsed arguments (``--config``, ``--state``, ``--bundle``, ``--profile``); gives a ``Session``. Must hold: the
options win over the environment and the file; people enrolled in another embedding space are never compared, and named.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from edge.bundle import Analyses, Bundle, analyses, known_spaces, open_bundle
from edge.calibrate.kept import Household, Origin, household
from edge.cli.opening import open_settings
from edge.decision import FAR_TARGETS
from edge.errors import UsageError
from edge.learning import open_learning_bundle
from edge.people import PeopleStore
from edge.pipeline import Pipeline
from edge.records import Exemplar, Person, Voiceprint
from edge.scoring import Calibration, Scorer, voiceprint
from edge.settings import Settings, bundle_dirs, state_dir


@dataclass(slots=True)
class Session:
    """Opened settings, models and people. A context manager; closing it closes the database."""

    settings: Settings
    folder: Path
    bundle: Bundle
    store: PeopleStore

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.store.close()

    @property
    def model(self) -> str:
        """Name and version of the bundle, as events carry it."""
        return f"{self.bundle.name}-{self.bundle.card['version']}"

    @property
    def voiceprints(self) -> tuple[Voiceprint, ...]:
        """Templates of everybody whom this bundle can compare, as of now."""
        return tuple(voiceprint(person) for person in self._comparable())

    @property
    def outdated(self) -> tuple[str, ...]:
        """Names of people whom this bundle can't compare: enrolled with an encoder of another embedding space."""
        return tuple(person.name for person in self.store.others(self.bundle.encoder, self.bundle.space))

    def exemplars(self, person_id: str) -> tuple[Exemplar, ...]:
        """Those of a person's exemplars that this bundle can compare."""
        return next((person.exemplars for person in self._comparable() if person.id == person_id), ())

    def _comparable(self) -> tuple[Person, ...]:
        return self.store.people(self.bundle.encoder, self.bundle.space)

    @property
    def scorer(self) -> Scorer:
        """Calibration and cohort of the bundle. Raises ``BundleError`` where it has no calibration."""
        return Scorer(Calibration.from_json(self.bundle.calibration), self.bundle.cohort)

    @property
    def people(self) -> tuple[Person, ...]:
        """Everybody whom this bundle can compare, with the exemplars that it can compare."""
        return self._comparable()

    @property
    def household(self) -> Household:
        """What the people enrolled now have calibrated for themselves (see ``edge.calibrate``)."""
        return household(self.folder, self.bundle, self.people)

    @property
    def calibration(self) -> Origin:
        """Whose calibration decides at the profile in force."""
        return self.household.origin(FAR_TARGETS[self.settings.decide.profile])

    @property
    def analyses(self) -> Analyses:
        """What is told of voices besides whose they are, and what was asked for and is not."""
        return analyses(self.bundle, self.settings.privacy)

    def pipeline(self, *, claim: str | None = None, settings: Settings | None = None) -> Pipeline:
        """A fresh pipeline that compares with everybody enrolled; ``claim``: person id for verification; ``settings``:
        instead of the session's.
        """
        correction = self.household.correction
        return Pipeline(self.bundle, settings or self.settings, self.voiceprints, claim=claim, correction=correction)


def open_session(args: argparse.Namespace, *, enrolling: bool = False) -> Session:
    """Open everything that comparing voices needs.

    ``enrolling``: with the bundle that learns voices, which the settings may name apart; ``--bundle`` wins over both.

    Raises ``SettingsError``, ``BundleError``, ``RuntimeMissingError``, ``StorageError`` or ``PeopleError``; and
    ``UsageError`` for a profile that too few trials stand behind.
    """
    settings = open_settings(args)
    directories = bundle_dirs(settings, args.state)
    if enrolling:
        bundle = open_learning_bundle(settings, directories, settings.models.bundle if args.bundle else "")
    else:
        bundle = open_bundle(settings.models.bundle, settings.models, directories=directories)
    profile = settings.decide.profile
    calibration = Calibration.from_json(bundle.calibration)
    if not calibration.supports(FAR_TARGETS[profile]):
        raise UsageError(
            f"The bundle {bundle.name} does not support the profile {profile}: {calibration.trials} impostor trials "
            f"are too few for a false-accept rate of {100 * FAR_TARGETS[profile]:g} %",
            "Choose another --profile, or another --bundle.",
        )
    folder = state_dir(settings, args.state)
    return Session(settings, folder, bundle, PeopleStore(folder, known_spaces(directories)))
