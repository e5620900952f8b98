"""Settings and people for a command, without the models.

Takes the parsed arguments (``--config``, ``--state``, ``--bundle``, ``--profile``); gives ``Settings`` and the
``PeopleStore``. Must hold: the options win over the environment and the file; nothing that computes is imported.
"""

from __future__ import annotations

import argparse
from dataclasses import replace

from edge.people import PeopleStore
from edge.settings import Settings, load, state_dir


def open_settings(args: argparse.Namespace) -> Settings:
    """The settings with the command's options laid over them. Raises ``SettingsError``."""
    settings = load(args.config)
    if args.profile:
        settings = replace(settings, decide=replace(settings.decide, profile=args.profile, threshold=None))
    if args.bundle:
        settings = replace(settings, models=replace(settings.models, bundle=args.bundle))
    return settings


def open_people(args: argparse.Namespace, settings: Settings) -> PeopleStore:
    """The people database in the state folder. Raises ``StorageError`` or ``PeopleError``."""
    return PeopleStore(state_dir(settings, args.state))
