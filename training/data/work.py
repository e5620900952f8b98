"""What runs inside a worker: a function, and a state that is made once per worker.

Takes a picklable function ``(state, item) -> result`` and a picklable ``setup() -> state``; gives ``Answer``. Must
hold: an exception becomes a sentence and never breaks the worker; a state is used by one
thread alone, for what decodes and augments need not be made for several.
"""

from __future__ import annotations

import threading
import uuid
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, Generic, TypeVar

from edge.errors import EarmarkError

State = TypeVar("State")
Item = TypeVar("Item")
Result = TypeVar("Result")

_KEPT_STATES: Final = 2
"""A dask worker outlives many runs: states of runs long past must not pile up in it."""


class _Local(threading.local):
    """The states of a thread, by the token of their job."""

    def __init__(self) -> None:
        self.states: OrderedDict[str, Any] = OrderedDict()


_local = _Local()


@dataclass(frozen=True, slots=True)
class Answer(Generic[Result]):
    """What a worker says about an item. ``problem``: "" or one sentence. ``fatal``: no item can be worked on."""

    result: Result | None
    problem: str = ""
    fatal: bool = False


@dataclass(frozen=True, slots=True)
class Outcome(Generic[Item, Result]):
    """An item that is done. ``problem``: "" where ``result`` holds. ``crashed``: it took its worker process down."""

    item: Item
    result: Result | None
    problem: str = ""
    crashed: bool = False


@dataclass(frozen=True)
class Job(Generic[State, Item, Result]):
    """The work of one run, as it is sent to workers."""

    function: Callable[[State, Item], Result]
    setup: Callable[[], State]
    token: str = field(default_factory=lambda: uuid.uuid4().hex)

    def __call__(self, item: Item) -> Answer[Result]:
        """Work on one item; only ``KeyboardInterrupt`` and ``SystemExit`` leave it as exceptions."""
        try:
            state = self._state()
        except Exception as error:
            return Answer(None, sentence(error), fatal=True)
        try:
            return Answer(self.function(state, item))
        except Exception as error:
            return Answer(None, sentence(error))

    def _state(self) -> State:
        states = _local.states
        if self.token not in states:
            states[self.token] = self.setup()
            while len(states) > _KEPT_STATES:
                states.popitem(last=False)
        state: State = states[self.token]
        return state


def sentence(error: BaseException) -> str:
    """What went wrong, for a person: an ``EarmarkError`` speaks for itself, others show their kind."""
    if isinstance(error, EarmarkError):
        return error.sentence()
    return f"{type(error).__name__}: {error}".rstrip(": ")


def setup_failed(problem: str) -> tuple[str, str]:
    """Cause and remedy where no worker can begin."""
    return f"No worker can begin: {problem.rstrip('.')}", ""
