"""Work over many cases in several processes.

::

    for finding in in_processes(partial(inspect_case, labels=labels), cases, workers=4):
        ...                                         # in the order in which they finish
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from distributed_iac.errors import RunError

Item = TypeVar("Item")
Result = TypeVar("Result")


def usable_cpus() -> int:
    """Return how many processors this process may use, which a container may have limited."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def in_processes(
    function: Callable[[Item], Result], items: Sequence[Item], workers: int
) -> Iterator[Result]:
    """Yield ``function(item)`` for every item, as they finish.

    Args:
        function: A module-level function or a partial of one.
        items: Picklable values.
        workers: Processes; 1 works in this process, in the order of the items.

    Raises:
        RunError: A worker was killed from outside, most often for memory.
    """
    workers = min(workers, len(items))
    if workers <= 1:
        yield from map(function, items)
        return
    # Spawned, not forked: the progress display runs a thread, and a forked child may inherit one
    # of its locks in the locked state.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, mp_context=context)
    try:
        for future in as_completed([pool.submit(function, item) for item in items]):
            yield future.result()
    except BrokenProcessPool as error:
        raise RunError(
            "every worker process must live to the end of its case",
            came="a worker that was killed, most often for want of memory",
            remedy="use fewer --workers",
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)
