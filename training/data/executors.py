"""Spreads independent work over this process, local processes, or a dask cluster: one call, whatever the size.

Takes a function, items and a word that says how: ``serial``, ``processes`` (one per core), ``processes:N``,
``dask:ADDRESS`` of a scheduler, ``dask:local`` or ``dask:local:N`` (a cluster on this machine). Gives outcomes as they
become ready, in any order.

Must hold: only a few items per worker are in flight, so items may be a generator without end; an exception or a crash
costs one item, which is named; Ctrl-C leaves no process behind.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Final, Literal

from edge.errors import UsageError
from training.data.work import Item, Job, Outcome, Result, State, setup_failed

FORMS: Final = "serial, processes, processes:N, dask:ADDRESS, dask:local or dask:local:N"


@dataclass(frozen=True, slots=True)
class How:
    """A parsed word. ``workers``: 0 where the cluster decides. ``address``: of a scheduler, "" for a local cluster."""

    kind: Literal["serial", "processes", "dask"]
    workers: int = 1
    address: str = ""


def parse(how: str) -> How:
    """Understand ``how``. Raises ``UsageError`` that lists the forms."""
    kind, _, rest = how.partition(":")
    if how == "serial":
        return How("serial")
    if kind == "processes":
        return How("processes", _count(rest, how) if ":" in how else _cores())
    if kind == "dask" and rest:
        local, _, count = rest.partition(":")
        if local == "local":
            return How("dask", _count(count, how) if ":" in rest else _cores())
        return How("dask", 0, rest)
    raise UsageError(f"{how!r} does not say how to spread the work", f"Say {FORMS}.")


def run(
    function: Callable[[State, Item], Result],
    items: Iterable[Item],
    how: str = "serial",
    progress: Callable[[int], None] | None = None,
    *,
    setup: Callable[[], State],
) -> Iterator[Outcome[Item, Result]]:
    """Yield one ``Outcome`` per item, in the order in which they finish.

    Args:
        function: ``(state, item) -> result``; importable by name, as items, results and ``setup`` must be picklable
            unless ``how`` is ``serial``.
        items: drawn as workers become free.
        how: see above.
        progress: told how many items are done.
        setup: makes the state, once per worker (per thread of a dask worker).

    Raises:
        UsageError: ``how`` makes no sense, ``setup`` fails, or the cluster does not answer.
        ExtraMissingError: dask is asked for and not installed.
    """
    parsed = parse(how)
    job = Job(function, setup)
    with closing(_outcomes(job, items, parsed)) as outcomes:
        for done, outcome in enumerate(outcomes, start=1):
            if progress:
                progress(done)
            yield outcome


def _outcomes(
    job: Job[State, Item, Result], items: Iterable[Item], how: How
) -> Generator[Outcome[Item, Result], None, None]:
    if how.kind == "processes":
        from training.data.process_pool import run_in_processes

        yield from run_in_processes(job, items, how.workers)
    elif how.kind == "dask":
        from training.data.dask_cluster import run_on_dask

        yield from run_on_dask(job, items, how.address, how.workers)
    else:
        for item in items:
            answer = job(item)
            if answer.fatal:
                raise UsageError(*setup_failed(answer.problem))
            yield Outcome(item, answer.result, answer.problem)


def _count(text: str, how: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise UsageError(f"{how!r} asks for {text or 'no'} workers", "Give a whole number of at least 1.")
    return int(text)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
