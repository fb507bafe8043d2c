"""A workload of jobs that replay numbers: the fake beside the real one.

::

    workload = ScriptedWorkload(jobs, {"search": 20}, artifacts=str(folder), seconds=0.05)
    Sweep(workload, ...).run()          # kills, restarts, schedulers: all real but the training

For tests of everything that happens between jobs, and for rehearsing a cluster without data or
GPUs.

What a job reports is a function of its key and epoch alone, so that a disturbed sweep can be
compared with an undisturbed one value by value.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

from distributed_iac.errors import RunError
from distributed_iac.jobs.graph import JobGraph
from distributed_iac.jobs.job import Job, JobKind
from distributed_iac.run.artifacts import Artifacts
from distributed_iac.run.result import Result, find_result, keep_result
from distributed_iac.run.work.contract import Work
from distributed_iac.seeds import derive_seed
from distributed_iac.training.outputs import write_rows
from distributed_iac.training.stage import StepReport


def checksum(key: str, epochs: int) -> int:
    """What a job's result says if each of its epochs was counted once."""
    return sum(_term(key, epoch) for epoch in range(1, epochs + 1))


def _term(key: str, epoch: int) -> int:
    return derive_seed(0, key, epoch) % 1000


class ScriptedWork(Work):
    """Counts epochs, sleeps, and sums up what it has seen, so that a lost epoch would show.

    Args:
        key: Of the job.
        epochs: Until it is done.
        seconds: An epoch takes.
        converges: Epoch from which on its reports say ``converged``; None: never.
        fails: Epoch in which it fails for a reason of its own; None: never.
    """

    def __init__(
        self, key: str, epochs: int, seconds: float, converges: int | None, fails: int | None
    ) -> None:
        self.stage = self
        self.epoch, self.epochs = 0, epochs
        self._key, self._seconds = key, seconds
        self._converges, self._fails = converges, fails
        self._sum = 0

    @property
    def done(self) -> bool:
        """Whether all epochs are over."""
        return self.epoch >= self.epochs

    def step(self) -> StepReport:
        """Replay an epoch."""
        time.sleep(self._seconds)
        self.epoch += 1
        if self.epoch == self._fails:
            raise RunError("this script says that the job fails", came=f"epoch {self.epoch}")
        self._sum += _term(self._key, self.epoch)
        converged = self._converges is not None and self.epoch >= self._converges
        return StepReport(
            {
                "epoch": self.epoch,
                "val_dice": 1.0 - 1.0 / (1.0 + self.epoch),
                "checksum": self._sum,
                "converged": converged,
                "reason": "the script says so" if converged else None,
                "done": self.done,
            }
        )

    def state_dict(self) -> dict[str, Any]:
        """Position and sum."""
        return {"epoch": self.epoch, "sum": self._sum}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a position."""
        self.epoch, self._sum = int(state["epoch"]), int(state["sum"])

    def stops(self, report: StepReport) -> bool:
        """Whether the script has converged."""
        return bool(report["converged"])

    def finish(self, folder: Path, rows: Sequence[Result]) -> Result:
        """Write the epochs; the sum over them goes into the result."""
        write_rows(folder / "epochs.parquet", rows)
        last = rows[-1]
        code = "converged" if last["converged"] else None
        why = {"stop_code": code, "stop_reason": last["reason"]}
        return {"checksum": self._sum, "val_dice": last["val_dice"], **why}


@dataclass(frozen=True)
class ScriptedWorkload:
    """Scripted jobs.

    Args:
        jobs: In any order.
        epochs: By kind; 1 where nothing is said.
        artifacts: Folder or URI of results.
        seconds: An epoch takes.
        converges: Epoch from which on a job converges, by key.
        fails: Epoch in which a job fails, by key.
    """

    jobs: tuple[Job, ...]
    epochs: Mapping[JobKind, int]
    artifacts: str
    seconds: float = 0.0
    converges: Mapping[str, int] = field(default_factory=dict)
    fails: Mapping[str, int] = field(default_factory=dict)

    @cached_property
    def graph(self) -> JobGraph:
        """All jobs."""
        return JobGraph(self.jobs)

    def digest(self, job: Job) -> str:
        """Identity of a job's result: here simply its key's."""
        return sha256(job.key.encode()).hexdigest()

    def finished(self, job: Job) -> Result | None:
        """The kept result."""
        return find_result(Artifacts(self.artifacts), self.digest(job))

    def open(self, job: Job) -> Work:
        """Begin a script; what the job needs must be there, as for a real one.

        Raises:
            RunError: The result of a job that this one needs is missing.
        """
        for need in job.needs:
            if self.finished(self.graph[need]) is None:
                raise RunError(f"{job.key} needs the result of {need}", came="none")
        return ScriptedWork(
            job.key,
            self.epochs.get(job.kind, 1),
            self.seconds,
            self.converges.get(job.key),
            self.fails.get(job.key),
        )

    def keep(self, job: Job, folder: Path, rows: Sequence[Result], final: Result) -> Result:
        """Keep a finished script."""
        artifacts = Artifacts(self.artifacts)
        return keep_result(artifacts, job, self.digest(job), folder, rows, final)
