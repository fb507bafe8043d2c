"""The one Ray Tune trainable: it runs a job of any kind.

::

    trainable = tune.with_parameters(
        JobTrainable, workload=workload, checkpoints="s3://bucket/checkpoints", interval=interval
    )
    tune.Tuner(trainable, ...)          # configurations come from ``JobSearcher``

One step is one epoch. Failures are of two kinds. What the project itself reports as an error
(:class:`DistributedIacError`) would happen again, unless it is marked ``retriable``: it ends the
trial in good order, with the reason in its last result, and only what needs the job is lost.
Everything else (a killed worker, a lost node, a failure of storage or driver) is raised, and Tune
starts the job again.

By default every job has a process of its own: that costs seconds, and leaves neither GPU memory nor
library state to the next job. ``sweep.workers: reused`` saves the seconds, for many short jobs.
"""

from __future__ import annotations

import gc
import os
import time
from pathlib import Path
from typing import Any

import torch
from ray import tune

from distributed_iac.errors import DistributedIacError
from distributed_iac.locks import introduce
from distributed_iac.run.checkpoints import CheckpointInterval, JobCheckpoints
from distributed_iac.run.job_run import JobRun
from distributed_iac.run.workload import Workload
from distributed_iac.tune.trial_config import TrialConfig


class JobTrainable(tune.Trainable):  # type: ignore[misc]  # Ray's classes are untyped
    """Adapts :class:`JobRun` to Ray Tune."""

    def setup(
        self,
        config: dict[str, Any],
        *,
        workload: Workload,
        checkpoints: str,
        interval: CheckpointInterval,
        home: Path | None = None,
        command: str | None = None,
    ) -> None:
        """Open the job that the configuration names, and continue it where it was left.

        Args:
            config: A :class:`TrialConfig` as mapping.
            workload: Where work comes from.
            checkpoints: Folder or URI of all jobs' checkpoints.
            interval: How often to write one.
            home: Folder that relative paths start from, if this node has it.
            command: The sweep's, told to other processes that wait for this one.
        """
        if home is not None and home.is_dir():
            os.chdir(home)
        if command is not None:
            introduce(command)
        self._workload, self._checkpoints, self._interval = workload, checkpoints, interval
        self._take_up(TrialConfig.read(config))

    def _take_up(self, trial: TrialConfig) -> None:
        job = self._workload.graph[trial.job]
        self._failure: DistributedIacError | None = None
        self._run: JobRun | None = None
        try:
            self._run = JobRun(
                job,
                self._workload,
                JobCheckpoints(f"{self._checkpoints}/{self._workload.digest(job)}"),
                self._interval,
                time.monotonic,
                until=trial.until,
            )
        except DistributedIacError as error:
            self._failure = error

    def step(self) -> dict[str, Any]:
        """Run one epoch, and report it under the number that it has over all restarts."""
        if self._failure is None and self._run is not None:
            try:
                row: dict[str, Any] = self._run.advance()
            except DistributedIacError as error:
                self._failure = error
            else:
                return {**row, "training_iteration": max(1, int(row.get("epoch") or 1))}
        if self._failure is not None and self._failure.retriable:
            raise self._failure
        return {
            "outcome": "failed",
            "error": str(self._failure),
            "error_kind": type(self._failure).__name__,
            "done": True,
        }

    def save_checkpoint(self, checkpoint_dir: str) -> dict[str, Any]:
        """Write the job's own checkpoint (when Tune pauses a trial); Tune keeps only a mark.

        Args:
            checkpoint_dir: Where Tune would keep a checkpoint; unused.
        """
        del checkpoint_dir
        if self._run is not None:
            self._run.save()
        return {"job": self.config["job"]}

    def load_checkpoint(self, checkpoint: dict[str, Any] | None) -> None:
        """Nothing to do: ``setup`` has continued from the newest whole checkpoint."""

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Take up another job in the same process, where the sweep's settings allow it.

        Args:
            new_config: A :class:`TrialConfig` as mapping.
        """
        self.cleanup()
        self._run = None  # its networks and optimisers go before the next ones come
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        self._take_up(TrialConfig.read(new_config))
        return True

    def cleanup(self) -> None:
        """Keep what was reached: Tune stops trials early, and on an interrupt."""
        if self._run is not None:
            self._run.save()
