"""How long a sweep may still take, judged by what it has done so far.

::

    forecast(graph, replay.jobs)             # seconds, or None while nothing is known

An estimate for people: mean durations by kind, the work left spread over as many jobs as run now,
and never less than the longest chain of jobs that need each other.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from statistics import fmean

from distributed_iac.jobs.graph import JobGraph
from distributed_iac.jobs.job import Job, JobKind
from distributed_iac.run.replay import JobHistory


def forecast(graph: JobGraph, jobs: Mapping[str, JobHistory]) -> float | None:
    """Estimate the seconds that are left.

    Args:
        graph: All jobs.
        jobs: Where they stand.

    Returns:
        Seconds; 0 if nothing is left; None if a kind of job that is left was never seen.
    """
    known = mean_seconds(jobs)
    left: dict[str, float] = {}
    for key, one in jobs.items():
        if one.status not in ("waiting", "running"):
            continue
        seconds = _seconds_left(one, known)
        if seconds is None:
            return None
        left[key] = seconds
    if not left:
        return 0.0
    running = sum(one.status == "running" for one in jobs.values())
    return max(sum(left.values()) / max(1, running), _longest_chain(graph, left))


def mean_seconds(jobs: Mapping[str, JobHistory]) -> dict[JobKind, float]:
    """Mean seconds of work of the finished jobs of each kind."""
    seen: dict[JobKind, list[float]] = defaultdict(list)
    for one in jobs.values():
        if one.status == "done" and one.epochs:
            seen[one.job.kind].append(one.seconds)
    return {kind: fmean(seconds) for kind, seconds in seen.items()}


def epochs_planned(history: JobHistory) -> int | None:
    """Epochs that a job takes at the most, once it has said so."""
    planned = history.last.get("epochs_planned")
    return None if planned is None else int(planned)


def _seconds_left(history: JobHistory, known: Mapping[JobKind, float]) -> float | None:
    """A job's own pace where it has one, else that of its kind."""
    planned = epochs_planned(history)
    if planned is not None and history.epochs:
        return history.seconds / len(history.epochs) * max(0, planned - max(history.epochs))
    return known.get(history.job.kind)


def _longest_chain(graph: JobGraph, left: Mapping[str, float]) -> float:
    longest: dict[str, float] = {}
    for job in graph.jobs():
        longest[job.key] = left.get(job.key, 0.0) + _before(job, longest)
    return max(longest.values())


def _before(job: Job, longest: Mapping[str, float]) -> float:
    return max((longest[need] for need in job.needs), default=0.0)
