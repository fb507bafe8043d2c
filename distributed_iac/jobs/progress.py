"""How far a sweep is: which jobs may start, which are done, which will never be.

::

    progress = Progress(graph, seconds={"search": 60.0, "retrain": 20.0})
    while (job := progress.next_ready()) is not None:
        progress.start(job.key)
    progress.finish(key)                    # or: progress.fail(key, "diverged in epoch 7")
    state = progress.to_state()             # JSON-able; Progress.from_state(graph, state)
    progress.requeue("running")             # after a crash: what was running has to start again

A job's way: waiting -> running -> done | failed; everything that needs a failed job is skipped at
once, with the reason. What a job's start or end costs does not depend on how many jobs there are,
but on how many need it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, get_args

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
        self._recount()

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

    def requeue(self, status: Literal["running", "failed"]) -> tuple[str, ...]:
        """Let jobs start again: after a crash those that were running, or those that failed.

        What was skipped waits again as soon as nothing that it needs has failed.

        Returns:
            Keys of the jobs that had this status.
        """
        keys = tuple(key for key, value in self._status.items() if value == status)
        for key in keys:
            self._wait(key)
        for key, value in self._status.items():
            if value == "skipped" and not self._has_failed_ancestor(key):
                self._wait(key)
        self._recount()
        return keys

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

    def to_state(self) -> dict[str, Any]:
        """JSON-able state."""
        return {"status": dict(self._status), "reasons": dict(self._reasons)}

    @classmethod
    def from_state(
        cls,
        graph: JobGraph,
        state: Mapping[str, Any],
        seconds: Mapping[JobKind, float] = EQUAL_SECONDS,
    ) -> Progress:
        """Restore :meth:`to_state` over the same graph.

        Raises:
            RunError: The state is of other jobs.
        """
        progress = cls(graph, seconds)
        different = sorted(set(progress._status) ^ set(state["status"]))
        if different:
            raise RunError(
                "the saved progress belongs to a run of other jobs",
                came=f"only on one side: {different[0]}",
                remedy="start this run under another name",
            )
        progress._status.update(state["status"])
        progress._reasons.update(state["reasons"])
        progress._recount()
        return progress

    def _recount(self) -> None:
        """Work out anew what else is kept up to date with every change."""
        self._unmet = {
            job.key: sum(self._status[need] != "done" for need in set(job.needs))
            for job in self.graph.jobs()
        }
        self._ready.refill(
            key
            for key, unmet in self._unmet.items()
            if self._status[key] == "waiting" and not unmet
        )
        still_open = [key for key, one in self._status.items() if one in ("waiting", "running")]
        self._open = len(still_open)
        self._left = sum(self._seconds[key] for key in still_open)

    def _close(self, key: str) -> None:
        self._open -= 1
        self._left -= self._seconds[key]

    def _wait(self, key: str) -> None:
        self._status[key] = "waiting"
        self._reasons.pop(key, None)

    def _has_failed_ancestor(self, key: str) -> bool:
        return any(self._status[one] == "failed" for one in self.graph.ancestors(key))

    def _require(self, key: str, status: JobStatus) -> None:
        now = self.status(key)
        if now != status:
            raise RunError(f"only a {status} job can do that", came=f"{key} is {now}")
