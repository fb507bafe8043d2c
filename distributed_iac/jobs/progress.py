"""How far a sweep is: which jobs may start, which are done, which will never be.

::

    progress = Progress(graph, seconds={"search": 60.0, "retrain": 20.0})
    while (job := progress.next_ready()) is not None:
        progress.start(job.key)
    progress.finish(key)                    # or: progress.fail(key, "diverged in epoch 7")

A job's way: waiting -> running -> done | failed; everything that needs a failed job is skipped at
once, with the reason. What a job's start or end costs does not depend on how many jobs there are,
but on how many need it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, get_args

from distributed_iac.errors import RunError
from distributed_iac.jobs.graph import JobGraph
from distributed_iac.jobs.job import Job, JobKind
from distributed_iac.jobs.ready import ReadyJobs

JobStatus = Literal["waiting", "running", "done", "failed", "skipped"]

EQUAL_SECONDS: Mapping[JobKind, float] = dict.fromkeys(get_args(JobKind), 1.0)
"""Where nothing is known about durations, the number of jobs still to come counts."""


class Progress:
    """The state of every job of a graph.

    Args:
        graph: The jobs; all of them wait at first.
        seconds: Expected duration by kind, for the order of ready jobs.
        slots: How many jobs run at the same time, about, for the same; None: nobody knows.
    """

    def __init__(
        self,
        graph: JobGraph,
        seconds: Mapping[JobKind, float] = EQUAL_SECONDS,
        slots: float | None = None,
    ) -> None:
        self.graph = graph
        self._seconds = {job.key: seconds.get(job.kind, 0.0) for job in graph.jobs()}
        self._status: dict[str, JobStatus] = {job.key: "waiting" for job in graph.jobs()}
        self._reasons: dict[str, str] = {}
        self._ready = ReadyJobs(graph, seconds, slots)
        self._unmet = {job.key: len(set(job.needs)) for job in graph.jobs()}
        for key, unmet in self._unmet.items():
            if not unmet:
                self._ready.add(key)
        self._open, self._left = len(self._status), sum(self._seconds.values())

    def ready(self) -> tuple[Job, ...]:
        """Waiting jobs whose needs are all done, those with the longest way to the end first."""
        return self._ready.longest_first()

    def next_ready(self) -> Job | None:
        """Which of :meth:`ready` is to start first; None if there is none."""
        return self._ready.next(self._left)

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
        self._close(key)
        for child in self.graph.children(key):
            self._unmet[child] -= 1
            if not self._unmet[child] and self._status[child] == "waiting":
                self._ready.add(child)

    def fail(self, key: str, reason: str) -> None:
        """A running job has failed for good; all that need it are skipped.

        Raises:
            RunError: The job is not running.
        """
        self._require(key, "running")
        self._status[key] = "failed"
        self._reasons[key] = reason
        self._close(key)
        for child in self.graph.descendants(key):  # all of them waited, or were skipped before
            if self._status[child] == "waiting":
                self._close(child)
            self._status[child] = "skipped"
            self._reasons.setdefault(child, f"needs {key}, which failed")

    @property
    def finished(self) -> bool:
        """Whether nothing waits or runs."""
        return not self._open

    def status(self, key: str) -> JobStatus:
        """Where a job stands."""
        return self._status[self.graph[key].key]

    def reason(self, key: str) -> str | None:
        """Why a job failed or was skipped; None for all others."""
        return self._reasons.get(self.graph[key].key)

    def _close(self, key: str) -> None:
        self._open -= 1
        self._left -= self._seconds[key]

    def _require(self, key: str, status: JobStatus) -> None:
        now = self.status(key)
        if now != status:
            raise RunError(f"only a {status} job can do that", came=f"{key} is {now}")
