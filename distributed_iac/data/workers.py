"""Processes that work on cases, and that never outlive the command that started them.

::

    with Workers(8, remedy="set preprocess.workers to a smaller number") as workers:
        for result in workers.map(function, tasks):      # in the order in which they finish
            ...
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import wait
from types import TracebackType
from typing import Literal, Self, TypeVar

from distributed_iac.errors import RunError

Task = TypeVar("Task")
Result = TypeVar("Result")

MOST = 16
"""``auto`` stops here: each worker holds a whole volume, up to two gigabytes of it."""


def worker_count(setting: Literal["auto"] | int) -> int:
    """Resolve the ``workers`` setting; a container may have limited the processors."""
    if setting != "auto":
        return setting
    if hasattr(os, "sched_getaffinity"):
        return min(len(os.sched_getaffinity(0)), MOST)
    return min(os.cpu_count() or 1, MOST)


class Workers:
    """A pool that starts with its first use; one worker works in this process.

    Args:
        count: Processes.
        remedy: What the user can do when a worker dies for want of memory.
    """

    def __init__(self, count: int, *, remedy: str) -> None:
        self._count = count
        self._remedy = remedy
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def map(self, function: Callable[[Task], Result], tasks: Sequence[Task]) -> Iterator[Result]:
        """Yield ``function(task)`` for every task, as they finish.

        Args:
            function: A module-level function or a partial of one.
            tasks: Picklable values.

        Raises:
            RunError: A worker was killed or ran out of memory.
        """
        try:
            if self._count == 1 or len(tasks) <= 1:
                yield from map(function, tasks)
                return
            pool = self._started()
            for future in as_completed([pool.submit(function, task) for task in tasks]):
                yield future.result()
        except (BrokenProcessPool, MemoryError) as error:
            raise RunError(
                "every worker must live to the end of its case",
                came="a worker that was killed or found no memory",
                remedy=self._remedy,
            ) from error

    def _started(self) -> ProcessPoolExecutor:
        if self._pool is None:
            # Spawned, not forked: a forked child may inherit a lock that a progress display's
            # thread holds.
            context = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(self._count, context, _begin)
        return self._pool


def _begin() -> None:
    """Leave interrupts to the parent, and end with it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent()


def end_with_parent() -> None:
    """End this process with the one that asked for it, however that one ends."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)
