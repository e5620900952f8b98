"""Work in local processes that are started afresh (spawn), so that nothing of this process leaks into them.

Takes a ``Job`` and items; gives outcomes. Must hold: a process that dies takes only its own item with it. A pool that
lost a process can't say which item it was, so all items that were in flight are tried again one by one, each alone:
the one that kills its process then is named, the others are done. Ctrl-C ends it wherever it comes: it waits while the
executor is touched, whose locks would stay taken by what was cut off.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from queue import SimpleQueue
from types import FrameType
from typing import Any, Final, Generic

from edge.errors import UsageError
from training.data.work import Answer, Item, Job, Outcome, Result, State, setup_failed

_AHEAD: Final = 2
"""Items in flight per worker: one at work, one waiting, so that none stands idle."""

_ONE_THREAD: Final = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")

_job: Job[Any, Any, Any] | None = None


def run_in_processes(
    job: Job[State, Item, Result], items: Iterable[Item], workers: int
) -> Iterator[Outcome[Item, Result]]:
    """Yield one outcome per item. Raises ``UsageError`` where the workers can't begin."""
    waiting = iter(items)
    suspects: deque[Item] = deque()
    pool: _Pool[State, Item, Result] = _Pool(job, workers)
    try:
        while True:
            alone = bool(suspects)
            room = 1 if alone else _AHEAD * workers
            while len(pool.running) < room:
                try:
                    item = suspects.popleft() if alone else next(waiting)
                except (StopIteration, IndexError):
                    break
                pool.submit(item)
                if alone:
                    break
            if not pool.running:
                break
            done, lost = pool.collect()
            for item, answer in done:
                if answer.fatal:
                    raise UsageError(*setup_failed(answer.problem))
                yield Outcome(item, answer.result, answer.problem)
            if lost:
                pool.end()
                pool = _Pool(job, workers)
                if alone:
                    yield Outcome(lost[0], None, "the worker process died of it", crashed=True)
                else:
                    suspects.extend(lost)
    except BaseException:
        pool.end()
        raise
    pool.finish()


class _Pool(Generic[State, Item, Result]):
    """A process pool together with what it is working on."""

    def __init__(self, job: Job[State, Item, Result], workers: int) -> None:
        # Inherited by the workers. Each has a core to itself: more threads would only compete.
        for name in _ONE_THREAD:
            os.environ.setdefault(name, "1")
        self.running: dict[Future[Answer[Result]], Item] = {}
        # Its ``get`` is one step for Python, so Ctrl-C there leaves nothing half done.
        self._finished: SimpleQueue[Future[Any]] = SimpleQueue()
        with _undisturbed():
            self._executor = ProcessPoolExecutor(
                workers, multiprocessing.get_context("spawn"), initializer=_begin, initargs=(job,)
            )
        try:
            with _undisturbed():
                self._executor.submit(_hello).add_done_callback(self._finished.put)
            self._finished.get().result()
        except BrokenProcessPool as error:
            self.end()
            raise UsageError(
                "The worker processes do not start", "Call this from a module that can be imported, or work serially."
            ) from error
        except BaseException:
            self.end()
            raise

    def submit(self, item: Item) -> None:
        with _undisturbed():
            try:
                future = self._executor.submit(_work, item)
            except BrokenProcessPool as error:
                # A process died since the last look: the item counts as lost with the others.
                future = Future()
                future.set_exception(error)
            self.running[future] = item
            future.add_done_callback(self._finished.put)

    def collect(self) -> tuple[list[tuple[Item, Answer[Result]]], list[Item]]:
        """Wait for the next answers; give them, and the items that were lost with the pool."""
        finished = [self._finished.get()]
        while not self._finished.empty():
            finished.append(self._finished.get())
        if any(isinstance(future.exception(), BrokenProcessPool) for future in finished):
            while len(finished) < len(self.running):  # at once: all of them are broken
                finished.append(self._finished.get())
        done, lost = [], []
        for future in finished:
            item = self.running.pop(future)
            if isinstance(future.exception(), BrokenProcessPool):
                lost.append(item)
            else:
                done.append((item, future.result()))
        return done, lost

    def finish(self) -> None:
        """Let the workers go home."""
        with _undisturbed():
            self._executor.shutdown(wait=True)

    def end(self) -> None:
        """Stop the workers in the middle of what they do."""
        with _undisturbed():
            # Executor.terminate_workers comes with Python 3.14; until then only the executor knows which are its own.
            processes = list((getattr(self._executor, "_processes", None) or {}).values())
            self._executor.shutdown(wait=False, cancel_futures=True)
            for process in processes:
                process.terminate()
            for process in processes:
                process.join(timeout=10)


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Let Ctrl-C wait until the end of the block. Python hands it to the main thread only, so others need nothing."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    waiting: list[tuple[int, FrameType | None]] = []
    before = signal.signal(signal.SIGINT, lambda number, frame: waiting.append((number, frame)))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if waiting and callable(before):
            before(*waiting[-1])


def _begin(job: Job[Any, Any, Any]) -> None:
    global _job  # noqa: PLW0603 - a pool's worker has no other place for what its initialiser was given
    # Ctrl-C reaches every process of the terminal; the parent decides what becomes of the workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _job = job


def _hello() -> None:
    """Nothing; that it ran shows that a worker can start."""


def _work(item: Any) -> Answer[Any]:
    assert _job is not None
    return _job(item)
