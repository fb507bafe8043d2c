"""One job from wherever it stands to its end, an epoch at a time; knows nothing of Ray.

::

    interval = CheckpointInterval(seconds=60.0)
    run = JobRun(job, workload, JobCheckpoints(folder), interval, clock=time.monotonic)
    while not (row := run.advance())["done"]:
        ...                             # row: the epoch's scalars
    row["outcome"]                      # "done"

A job's end is judged by one fact alone, that its result is kept. Hence

* a job whose result is there already reports it and does nothing;
* the result is written before the report that ends the job: the work knows the rules of the
  scheduler that look at one job alone, and a scheduler that stops a job upon a report leaves it
  no further step;
* a scheduler that stops a job for reasons that the job cannot know leaves it without a result. It
  is handed out again with the epoch at which it was stopped (``until``), continues from its
  checkpoint to exactly there, and ends. Stages are deterministic, so the result is the same
  whether or not a crash came in between.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from distributed_iac.errors import OccupiedError, RunError
from distributed_iac.jobs.job import Job
from distributed_iac.run.checkpoints import CheckpointInterval, JobCheckpoints
from distributed_iac.run.result import Result
from distributed_iac.run.search_payload import payload_text
from distributed_iac.run.work.contract import Work
from distributed_iac.run.workload import Workload
from distributed_iac.training.memory import forget_peak, lack_of_memory_named, peak_memory
from distributed_iac.training.stage import Scalar, StepReport

Outcome = Literal["running", "done", "reused"]
Row = dict[str, Scalar]


class JobRun:
    """Carries out a job, with checkpoints.

    Args:
        job: What to do.
        workload: Where its work comes from and its result goes.
        checkpoints: Its checkpoints.
        interval: How often to write one.
        clock: Monotonic seconds.
        until: Epoch at which to end at the latest; None: when the work ends by itself.
    """

    @lack_of_memory_named()
    def __init__(
        self,
        job: Job,
        workload: Workload,
        checkpoints: JobCheckpoints,
        interval: CheckpointInterval,
        clock: Callable[[], float],
        *,
        until: int | None = None,
    ) -> None:
        self.job = job
        self.digest = workload.digest(job)
        self.rows: list[Row] = []
        self.notes: tuple[str, ...] = ()
        forget_peak()
        self._workload, self._checkpoints = workload, checkpoints
        self._interval, self._clock = interval, clock
        self._until = until
        self._seconds = 0.0
        self._saved_epoch, self._saved_seconds = 0, 0.0
        self._health: Literal["sound", "broken"] = "sound"
        self._result = workload.finished(job)
        self._work: Work | None = None
        if self._result is None:
            self._work = workload.open(job)
            self._resume(self._work)

    @property
    def epochs(self) -> int:
        """Epochs that the job takes at the most; 0 if there is nothing left to run."""
        return 0 if self._work is None else self._work.stage.epochs

    @lack_of_memory_named()
    def advance(self) -> Row:
        """Run one epoch, or report the result if there is nothing left to run.

        Returns:
            The epoch's scalars; with ``done`` True if the job is over, and ``outcome``
            (``running``, ``done``, or ``reused`` for a result that was there before).

        Raises:
            DistributedIacError: The job failed.
        """
        work = self._work
        if work is None:
            return self._ended("reused")
        if self._result is not None:
            return self._ended("done")
        if self._at_end(work):
            return self._conclude(work)
        try:
            return self._epoch(work)
        except OccupiedError as error:  # told before it is waited for, in the next epoch
            return {"outcome": "running", "note": str(error.came), "epoch": 0, "done": False}

    def save(self) -> None:
        """Write a checkpoint, unless nothing has happened since the last one.

        A run whose last epoch failed is left as its last checkpoint knows it.
        """
        work = self._work
        if work is None or self._result is not None or self._health == "broken":
            return
        if work.stage.epoch == self._saved_epoch:
            return
        self._checkpoints.store(
            {
                "identity": self.digest,
                "stage": work.stage.state_dict(),
                "rows": self.rows,
                "seconds": self._seconds,
            }
        )
        self._saved_epoch, self._saved_seconds = work.stage.epoch, self._seconds

    def _resume(self, work: Work) -> None:
        kept = self._checkpoints.newest()
        self.notes = kept.notes
        if kept.state is None:
            return
        if kept.state["identity"] != self.digest:
            raise RunError(
                f"the checkpoints in {self._checkpoints.folder} are those of {self.digest}",
                came=str(kept.state["identity"]),
                remedy="delete that folder",
            )
        work.stage.load_state_dict(kept.state["stage"])
        self.rows, self._seconds = list(kept.state["rows"]), float(kept.state["seconds"])
        self._saved_epoch, self._saved_seconds = work.stage.epoch, self._seconds
        for row in self.rows:  # rules that count reports have to have seen them
            work.stops(StepReport(row))

    def _at_end(self, work: Work) -> bool:
        """Whether nothing but the conclusion is left, as after a kill just before it."""
        stopped = bool(self.rows) and bool(self.rows[-1]["stopped"])
        return stopped or self._is_over(work)

    def _is_over(self, work: Work) -> bool:
        """Whether the job ends here without anybody's decision."""
        return work.stage.done or (self._until is not None and work.stage.epoch >= self._until)

    def _epoch(self, work: Work) -> Row:
        begun = self._clock()
        self._health = "broken"
        report = work.stage.step()
        self._health = "sound"
        seconds = self._clock() - begun
        self._seconds += seconds
        row: Row = {
            **report.values,
            "seconds": seconds,
            "total_seconds": self._seconds,
            "memory_bytes": peak_memory(),
        }
        row["stopped"] = work.stops(StepReport(row, report.payload))
        self.rows.append(row)
        seen = payload_text(report.payload)  # for dashboards; the result's files say the same
        if self._at_end(work):
            self.save()  # writing the result may take minutes, and a kill may come then
            result = self._conclude(work)
            # Whoever is to decide on the report of a stop gets it as one of a running job.
            return {**result, **row, **seen, **self._about("done"), "done": self._is_over(work)}
        since = work.stage.epoch - self._saved_epoch
        if self._interval.due(since, self._seconds - self._saved_seconds):
            self.save()
        return {**row, **seen, **self._about("running"), "done": False}

    def _conclude(self, work: Work) -> Row:
        """Write the result; from then on the job is over, whoever is killed."""
        with tempfile.TemporaryDirectory(prefix="distributed-iac-") as scratch:
            folder = Path(scratch) / "result"
            folder.mkdir()
            try:
                final = work.finish(folder, self.rows)
            except RunError as error:
                again = f"to try again as it is, delete {self._checkpoints.folder}"
                remedy = f"{error.remedy}; {again}" if error.remedy else again
                raise RunError(
                    error.message, came=error.came, remedy=remedy, where=self.job.key
                ) from error
            self._result = self._workload.keep(self.job, folder, self.rows, final)
        self._checkpoints.clear()
        return self._ended("done")

    def _ended(self, outcome: Outcome) -> Row:
        result: Result = self._result or {}
        return {**result, **self._about(outcome), "done": True}

    def _about(self, outcome: Outcome) -> Row:
        result: Result = self._result or {}
        notes = [*self.notes, *([str(result["note"])] if result.get("note") else [])]
        return {
            "outcome": outcome,
            "digest": self.digest,
            "epochs_planned": None if self._work is None else self._work.stage.epochs,
            "note": "; ".join(notes) or None,
        }
