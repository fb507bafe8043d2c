"""All jobs of a sweep and what needs what.

::

    graph = JobGraph([prepare, pretrain, search, retrain])
    [job.key for job in graph.jobs()]            # every job after all that it needs
    graph.descendants(pretrain.key)              # what cannot run if it fails
    graph.longest_ways(seconds)[search.key]      # its own, and those of the longest way behind it
"""

from __future__ import annotations

import difflib
import heapq
from collections import Counter
from collections.abc import Iterable, Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Any

from distributed_iac.errors import ConfigError
from distributed_iac.jobs.job import Job


class JobGraph:
    """An unchanging, acyclic set of jobs.

    Args:
        jobs: In any order; the order given is kept wherever needs allow.

    Raises:
        ConfigError: A key occurs twice, a need is not among the jobs, or needs form a circle.
    """

    def __init__(self, jobs: Iterable[Job]) -> None:
        given = tuple(jobs)
        _require_unique(given)
        self._jobs = {job.key: job for job in given}
        _require_known(self._jobs)
        self._jobs = {key: self._jobs[key] for key in _topological(self._jobs)}
        self._children: dict[str, list[str]] = {key: [] for key in self._jobs}
        for job in self._jobs.values():
            for need in dict.fromkeys(job.needs):
                self._children[need].append(job.key)

    def jobs(self) -> tuple[Job, ...]:
        """All jobs, each after those that it needs; equal for equal input."""
        return tuple(self._jobs.values())

    def __getitem__(self, key: str) -> Job:
        try:
            return self._jobs[key]
        except KeyError:
            near = difflib.get_close_matches(key, self._jobs, n=3, cutoff=0.0)
            raise ConfigError(
                f"this run has {len(self)} jobs, and no such one",
                came=key,
                remedy=f"the nearest are {', '.join(near)}",
            ) from None

    def __contains__(self, key: object) -> bool:
        return key in self._jobs

    def __len__(self) -> int:
        return len(self._jobs)

    def of_variant(self, variant: str, **fields: Any) -> tuple[Job, ...]:
        """Jobs of a variant, those that it shares with others too, that have these values.

        Args:
            variant: Its name; empty where there are none.
            fields: Values of :class:`Job`.
        """
        own = (job for job in self.jobs() if not job.variants or variant in job.variants)
        return tuple(
            job for job in own if all(getattr(job, name) == one for name, one in fields.items())
        )

    def ancestors(self, key: str) -> frozenset[str]:
        """Keys of all jobs that must be finished before this one, at any remove."""
        found: set[str] = set()
        stack = list(self[key].needs)
        while stack:
            need = stack.pop()
            if need not in found:
                found.add(need)
                stack += self._jobs[need].needs
        return frozenset(found)

    def children(self, key: str) -> tuple[str, ...]:
        """Keys of the jobs that name this one among their needs."""
        return tuple(self._children[self[key].key])

    def descendants(self, key: str) -> frozenset[str]:
        """Keys of all jobs that need this one, at any remove."""
        found: set[str] = set()
        stack = list(self._children[self[key].key])
        while stack:
            child = stack.pop()
            if child not in found:
                found.add(child)
                stack += self._children[child]
        return frozenset(found)

    def restricted(self, keys: Iterable[str]) -> JobGraph:
        """The graph of the given jobs and everything that they need."""
        wanted: set[str] = set()
        for key in keys:
            wanted |= {key, *self.ancestors(key)}
        return JobGraph(job for job in self.jobs() if job.key in wanted)

    def longest_ways(self, seconds: Mapping[str, float]) -> Mapping[str, float]:
        """Longest way from the start of each job to the end of the sweep.

        Args:
            seconds: Expected duration by key, at least 0.

        Returns:
            Seconds by key; never less than a descendant's.
        """
        longest: dict[str, float] = {}
        for job in reversed(self.jobs()):
            after = max((longest[child] for child in self._children[job.key]), default=0.0)
            longest[job.key] = seconds[job.key] + after
        return longest


def _require_unique(jobs: tuple[Job, ...]) -> None:
    twice = [key for key, count in Counter(job.key for job in jobs).items() if count > 1]
    if twice:
        raise ConfigError("every job of a run has its own key", came=f"twice {', '.join(twice)}")


def _require_known(jobs: Mapping[str, Job]) -> None:
    for job in jobs.values():
        unknown = [need for need in job.needs if need not in jobs]
        if unknown:
            raise ConfigError(f"{job.key} needs jobs of this run", came=", ".join(unknown))


def _topological(jobs: Mapping[str, Job]) -> list[str]:
    """Needs first; among jobs that are free, the one given first."""
    sorter = TopologicalSorter({key: job.needs for key, job in jobs.items()})
    try:
        sorter.prepare()
    except CycleError as error:
        raise ConfigError(
            "jobs need each other in a circle", came=" -> ".join(error.args[1])
        ) from error
    place = {key: index for index, key in enumerate(jobs)}
    keys, order = list(jobs), []
    free: list[int] = []
    while sorter.is_active():
        for key in sorter.get_ready():
            heapq.heappush(free, place[key])
        key = keys[heapq.heappop(free)]
        order.append(key)
        sorter.done(key)
    return order
