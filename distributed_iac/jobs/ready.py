"""Which of the jobs that could start is next.

::

    ready = ReadyJobs(graph, slots=2)
    ready.add("acdc/prepare")
    ready.next(left=116)                # acdc/prepare: group by group while there is much to do

Four rules, each where those before leave a choice:

1. What answers a question in seconds goes first (:data:`CHEAP`): how good the plain backbone is.
2. While no way to the end presses, it goes group by group (data set and backbone), and within a
   group seed by seed, which brings results early.
3. Where one presses, that is, where it is long against what is left for each slot, the first seed
   goes first: there is an answer to every question, retraining and all, before the last search
   begins, unless a slot would stand idle meanwhile.
4. Then the job with the longest way to the end, which finishes a sweep earliest. Nobody knows how
   long jobs take: a way is as long as it has jobs.

Measured on paper (``benchmarks/scaling.py``) with a recorded sweep's times, eight groups, 164
jobs: on 1 to 4 slots the first group has all its results after 12 to 14 % of the time instead of
80 %, on 8 after 24 % instead of 78 %, and the whole takes at most 0.5 % longer than by the longest
way first. Cheap answers and first seeds came later: ``tests/rules/test_jobs_ready.py`` has what
they bring, and that they cost at most 1 %.
"""

from __future__ import annotations

from bisect import bisect_left, insort

from distributed_iac.jobs.graph import JobGraph
from distributed_iac.jobs.job import Job, JobKind

PRESSES = 0.25
"""A way to the end presses when it is at least this share of what is left for each slot. Our
choice: with it sweeps are hardly longer than by the longest way first; see the module."""

CHEAP: frozenset[JobKind] = frozenset({"evaluate"})
"""Kinds that take seconds where others take hours, and that nothing needs."""


class ReadyJobs:
    """Jobs that could start.

    Args:
        graph: All jobs.
        slots: How many jobs run at the same time, about; None: nobody knows, or as many as want.
    """

    def __init__(self, graph: JobGraph, slots: float | None) -> None:
        self._slots = slots
        self._way = graph.longest_ways({job.key: 1.0 for job in graph.jobs()})
        groups = {group: place for place, group in enumerate(_groups(graph))}
        seeds = {seed: place for place, seed in enumerate(_seeds(graph))}
        # sorted() is stable: jobs that are equal in this keep the graph's order.
        longest = sorted(graph.jobs(), key=lambda job: -self._way[job.key])

        def urgent(job: Job) -> tuple[bool, bool]:
            return job.kind not in CHEAP, seeds[job.seed] > 1  # 0: of all seeds, 1: the first

        def in_turn(job: Job) -> tuple[bool, int, int]:
            return job.kind not in CHEAP, groups[job.group], seeds[job.seed]

        self._longest = _Queue(longest)
        self._urgent = _Queue(sorted(longest, key=urgent))
        self._in_turn = _Queue(sorted(longest, key=in_turn))

    def add(self, key: str) -> None:
        """A job is ready."""
        for queue in (self._longest, self._urgent, self._in_turn):
            queue.add(key)

    def remove(self, key: str) -> None:
        """It has started."""
        for queue in (self._longest, self._urgent, self._in_turn):
            queue.remove(key)

    def next(self, left: int) -> Job | None:
        """The job to start; None if none is ready.

        Args:
            left: How many jobs are not finished.
        """
        longest = self._longest.first()
        if longest is None or self._slots is None:
            return self._urgent.first()
        presses = self._way[longest.key] * self._slots >= PRESSES * left
        return self._urgent.first() if presses else self._in_turn.first()


class _Queue:
    """Ready jobs in one order."""

    def __init__(self, order: list[Job]) -> None:
        self._order = order
        self._place = {job.key: place for place, job in enumerate(order)}
        self._ready: list[int] = []

    def add(self, key: str) -> None:
        insort(self._ready, self._place[key])

    def remove(self, key: str) -> None:
        del self._ready[bisect_left(self._ready, self._place[key])]

    def first(self) -> Job | None:
        return self._order[self._ready[0]] if self._ready else None


def _groups(graph: JobGraph) -> dict[str, None]:
    """Groups in the order in which the graph comes to them."""
    return dict.fromkeys(job.group for job in graph.jobs())


def _seeds(graph: JobGraph) -> dict[int | None, None]:
    """Seeds in the order in which the graph comes to them; None, of what serves all, first."""
    return dict.fromkeys([None, *(job.seed for job in graph.jobs())])
