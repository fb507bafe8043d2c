"""How long a sweep may still take, judged by what it has done so far.

::

    forecast(graph, standings)              # seconds, or None while nothing is known

An estimate for people: mean durations by kind, the work left spread over as many jobs as run now,
and never less than the longest chain of jobs that need each other.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from statistics import fmean

from distributed_iac.jobs.graph import JobGraph
from distributed_iac.jobs.job import Job, JobKind
from distributed_iac.run.standing import Standing


def forecast(graph: JobGraph, standings: Mapping[str, Standing]) -> float | None:
    """Estimate the seconds that are left.

    Args:
        graph: All jobs.
        standings: Where they stand.

    Returns:
        Seconds; 0 if nothing is left; None if a kind of job that is left was never seen.
    """
    known = mean_seconds(standings)
    left: dict[str, float] = {}
    for key, one in standings.items():
        if one.status not in ("waiting", "running"):
            continue
        seconds = _seconds_left(one, known)
        if seconds is None:
            return None
        left[key] = seconds
    if not left:
        return 0.0
    running = sum(one.status == "running" for one in standings.values())
    return max(sum(left.values()) / max(1, running), _longest_chain(graph, left))


def mean_seconds(standings: Mapping[str, Standing]) -> dict[JobKind, float]:
    """Mean seconds of work of the finished jobs of each kind."""
    seen: dict[JobKind, list[float]] = defaultdict(list)
    for one in standings.values():
        if one.status == "done" and one.rows:
            seen[one.job.kind].append(one.seconds)
    return {kind: fmean(seconds) for kind, seconds in seen.items()}


def epochs_planned(standing: Standing) -> int | None:
    """Epochs that a job takes at the most, once it has said so."""
    planned = standing.last.get("epochs_planned")
    return None if planned is None else int(planned)


def _seconds_left(standing: Standing, known: Mapping[JobKind, float]) -> float | None:
    """A job's own pace where it has one, else that of its kind."""
    planned = epochs_planned(standing)
    if planned is not None and standing.rows:
        return standing.seconds / len(standing.rows) * max(0, planned - max(standing.rows))
    return known.get(standing.job.kind)


def _longest_chain(graph: JobGraph, left: Mapping[str, float]) -> float:
    longest: dict[str, float] = {}
    for job in graph.jobs():
        longest[job.key] = left.get(job.key, 0.0) + _before(job, longest)
    return max(longest.values())


def _before(job: Job, longest: Mapping[str, float]) -> float:
    return max((longest[need] for need in job.needs), default=0.0)
