"""Work on a dask cluster: on this machine, or on as many as a scheduler knows.

Takes a ``Job``, items and the scheduler's address; gives outcomes. Must hold: only a few items per thread of the
cluster are in flight; an item that kills its workers is named; what was asked of the cluster is taken back at the end.
Machines of a cluster must have this package installed, and see speech and cache under the same paths.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from typing import Any, Final

from edge.errors import ExtraMissingError, UsageError
from training.data.work import Answer, Item, Job, Outcome, Result, State, setup_failed

_AHEAD: Final = 2
_PATIENCE_SECONDS: Final = 30


def run_on_dask(
    job: Job[State, Item, Result], items: Iterable[Item], address: str, workers: int = 0
) -> Iterator[Outcome[Item, Result]]:
    """Yield one outcome per item. ``address``: of a scheduler; "" starts ``workers`` workers on this machine.

    Raises ``ExtraMissingError`` without dask, ``UsageError`` where no worker answers.
    """
    distributed = _distributed()
    waiting = iter(items)
    with ExitStack() as stack:
        client = _client(distributed, stack, address, workers)
        running: dict[Any, Item] = {}
        try:
            while True:
                room = _AHEAD * max(1, sum(client.nthreads().values()))
                while len(running) < room:
                    try:
                        item = next(waiting)
                    except StopIteration:
                        break
                    running[client.submit(job, item, pure=False)] = item
                if not running:
                    return
                done, _ = distributed.wait(list(running), return_when="FIRST_COMPLETED")
                for future in done:
                    yield _outcome(distributed, running.pop(future), future)
        finally:
            if running:
                client.cancel(list(running), force=True)


def _outcome(distributed: Any, item: Item, future: Any) -> Outcome[Item, Any]:
    error = future.exception() if future.status != "finished" else None
    if isinstance(error, distributed.KilledWorker):
        return Outcome(item, None, "the dask workers that tried it died", crashed=True)
    if error is not None:
        raise UsageError(
            f"The dask cluster gave up ({type(error).__name__}: {error})", "See the logs of scheduler and workers."
        ) from error
    answer: Answer[Any] = future.result()
    if answer.fatal:
        raise UsageError(*setup_failed(answer.problem))
    return Outcome(item, answer.result, answer.problem)


def _distributed() -> Any:
    try:
        import distributed
    except ImportError as error:
        raise ExtraMissingError(
            "Spreading work with dask needs the package distributed, which is not installed",
            "pip install 'earmark[dask]'",
        ) from error
    return distributed


def _client(distributed: Any, stack: ExitStack, address: str, workers: int) -> Any:
    """A client of the scheduler, closed with ``stack``; at least one worker has shown that it knows this package."""
    try:
        if not address:
            # One thread per worker: decoding and features hold the interpreter's lock for much of the time.
            cluster = distributed.LocalCluster(
                n_workers=workers, threads_per_worker=1, dashboard_address=None, silence_logs=logging.CRITICAL
            )
            stack.enter_context(cluster)
        client = distributed.Client(address or cluster, timeout=_PATIENCE_SECONDS)
        stack.enter_context(client)
        client.wait_for_workers(1, timeout=_PATIENCE_SECONDS)
    except (OSError, TimeoutError, ValueError) as error:
        raise UsageError(
            f"No dask cluster answers at {address or 'this machine'} ({error})",
            "Start one with `dask scheduler` and `dask worker`, or say dask:local.",
        ) from error
    try:
        client.submit(_hello, pure=False).result(timeout=_PATIENCE_SECONDS)
    except Exception as error:
        raise UsageError(
            f"The dask workers can't run this program ({type(error).__name__}: {error})",
            "Install the same version of Earmark for them.",
        ) from error
    return client


def _hello() -> None:
    """Nothing; that it ran shows that the workers can import this package."""
