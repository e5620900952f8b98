"""Fixtures of the studio: the commands' bundle and household, and a session on them."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.cli.session import Session, open_session
from tests.edge.cli.conftest import bundle, environment, state, template

__all__ = ["bundle", "environment", "session", "state", "template"]


def arguments(bundle: Path, state: Path) -> Namespace:
    """What the command line gives where nothing but bundle and state folder was said."""
    return Namespace(config=None, state=state, bundle=str(bundle), profile=None)


@pytest.fixture
def session(bundle: Path, environment: None, state: Path) -> Iterator[Session]:
    """With Ada and Ben enrolled."""
    with open_session(arguments(bundle, state)) as opened:
        yield opened
