"""How far a sweep is: which jobs may start, which are done, which will never be.

::

    progress = Progress(graph)
    while (job := progress.next_ready()) is not None:
        progress.start(job.key)
    progress.finish(key)                    # or: progress.fail(key)

A job's way: waiting -> running -> done | failed; everything that needs a failed job is skipped at
once. What a job's start or end costs does not depend on how many jobs there are,
but on how many need it.
"""

from __future__ import annotations

from typing import Literal

from distributed_iac.errors import RunError
from distributed_iac.jobs.graph import JobGraph
from distributed_iac.jobs.job import Job
from distributed_iac.jobs.ready import ReadyJobs

JobStatus = Literal["waiting", "running", "done", "failed", "skipped"]


class Progress:
    """The state of every job of a graph.

    Args:
        graph: The jobs; all of them wait at first.
        slots: How many jobs run at the same time, about, for the order of ready jobs; None: nobody
            knows.
    """

    def __init__(self, graph: JobGraph, slots: float | None = None) -> None:
        self.graph = graph
        self._status: dict[str, JobStatus] = {job.key: "waiting" for job in graph.jobs()}
        self._ready = ReadyJobs(graph, slots)
        self._unmet = {job.key: len(set(job.needs)) for job in graph.jobs()}
        for key, unmet in self._unmet.items():
            if not unmet:
                self._ready.add(key)
        self._open = len(self._status)

    def next_ready(self) -> Job | None:
        """Which of the waiting jobs whose needs are all done is to start first; None: of none."""
        return self._ready.next(self._open)

    def start(self, key: str) -> None:
        """A ready job begins.

        Raises:
            RunError: The job is not waiting, or something that it needs is not done.
        """
        job = self.graph[key]
        self._require(key, "waiting")
        unfinished = [need for need in job.needs if self._status[need] != "done"]
        if unfinished:
            raise RunError(
                f"{key} starts after all that it needs", came=f"{unfinished[0]} is not done"
            )
        self._status[key] = "running"
        self._ready.remove(key)

    def finish(self, key: str) -> None:
        """A running job has succeeded.

        Raises:
            RunError: The job is not running.
        """
        self._require(key, "running")
        self._status[key] = "done"
        self._open -= 1
        for child in self.graph.children(key):
            self._unmet[child] -= 1
            if not self._unmet[child] and self._status[child] == "waiting":
                self._ready.add(child)

    def fail(self, key: str) -> None:
        """A running job has failed for good; all that need it are skipped.

        Raises:
            RunError: The job is not running.
        """
        self._require(key, "running")
        self._status[key] = "failed"
        self._open -= 1
        for child in self.graph.descendants(key):  # all of them waited, or were skipped before
            if self._status[child] == "waiting":
                self._open -= 1
            self._status[child] = "skipped"

    @property
    def finished(self) -> bool:
        """Whether nothing waits or runs."""
        return not self._open

    def status(self, key: str) -> JobStatus:
        """Where a job stands."""
        return self._status[self.graph[key].key]

    def _require(self, key: str, status: JobStatus) -> None:
        now = self.status(key)
        if now != status:
            raise RunError(f"only a {status} job can do that", came=f"{key} is {now}")
