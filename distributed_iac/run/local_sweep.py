"""All jobs of a run, one after another in this process: no Ray.

::

    sweep = LocalSweep(config, plan_jobs(config), observe)
    outcome = sweep.run()                       # everything; failures skip what needs them
    folder = sweep.result("acdc/basic_unet-tiny/search/lth/seed0")     # one job and its needs
    sweep.conclude()                            # jobs.parquet, epochs.parquet

Each job is carried out by the same :class:`JobRun` as in a sweep with Ray, with the same
checkpoints, results and journal: what is interrupted here continues there, and the other way
round. A result is linked into ``runs/NAME/<key>/``. While it works, the run is locked as a sweep
with Ray locks it.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import torch

from distributed_iac.config.run import RunConfig
from distributed_iac.errors import DistributedIacError
from distributed_iac.jobs.graph import JobGraph
from distributed_iac.jobs.job import Job, JobKind
from distributed_iac.nets.follow import follow_backbones
from distributed_iac.run.artifacts import Artifacts
from distributed_iac.run.checkpoints import CheckpointInterval, JobCheckpoints
from distributed_iac.run.collect import refresh_tables
from distributed_iac.run.job_run import JobRun
from distributed_iac.run.lost import LostResults
from distributed_iac.run.outcome import SweepOutcome
from distributed_iac.run.replay import Replay
from distributed_iac.run.result import read_result
from distributed_iac.run.run_folder import claim_run_folder, storage_of
from distributed_iac.run.run_workload import RunWorkload
from distributed_iac.run.sweep_folder import Reserved, SweepFolder, SweepPlan
from distributed_iac.training.device import choose_device
from distributed_iac.transient import may_pass

Observe = Callable[[str, dict[str, object], int], None]
"""``(job key, the epoch's values, epochs at the most)``."""


class LocalSweep:
    """Carries out the jobs of a run.

    Args:
        config: The run; its folder is claimed.
        graph: Its jobs, or some of them.
        observe: Told of every epoch.

    Raises:
        ConfigError: The run folder holds a run of another configuration.
        OccupiedError: Another process drives the run; of every method as well.
    """

    def __init__(
        self,
        config: RunConfig,
        graph: JobGraph,
        observe: Observe,
    ) -> None:
        config = follow_backbones(config)
        self.config = config
        self.graph = graph
        self.artifacts = Artifacts(config.artifacts)
        self._workload = RunWorkload(config, str(self.artifacts.root))
        self._observe = observe
        self._results: dict[str, Path] = {}
        self._folder = SweepFolder(config.folder)
        self._journal = self._folder.journal
        with self._folder.claimed():
            claim_run_folder(config)
            self._folder.describe(SweepPlan(graph, str(self.artifacts.root), _reserved(config)))
            self._journal.write("open", values={"experiment": "in one process"})

    def run(self) -> SweepOutcome:
        """Carry out everything, in the graph's order.

        A failed job costs the jobs that need it and no others.

        Returns:
            Which jobs are done, failed or skipped, with reasons.
        """
        replay = Replay(self.graph)
        with self._folder.claimed():
            for job in self.graph.jobs():
                replay.follow(self._journal)
                if replay[job.key].status == "skipped":
                    continue
                try:
                    self._carry_out(job)
                except DistributedIacError:
                    continue  # the journal has it
            self.conclude()
            replay.follow(self._journal)
        return SweepOutcome(replay.jobs)

    def conclude(self) -> LostResults:
        """Note that this process does no more, and write the tables of all jobs so far.

        Returns:
            As :func:`~distributed_iac.run.collect.refresh_tables`.
        """
        with self._folder.claimed():
            self._journal.write("close")
            return refresh_tables(self.config.folder)

    def result(self, key: str) -> Path:
        """Carry out one job and all that it needs, as far as they are not done.

        Returns:
            The job's folder in the run folder, with the files that it leaves behind.

        Raises:
            DistributedIacError: One of the jobs failed.
        """
        with self._folder.claimed():
            for job in self.graph.restricted([key]).jobs():
                self._carry_out(job)
        return self._results[key]

    def _carry_out(self, job: Job) -> None:
        if job.key in self._results:
            return
        self._attempt(job)
        found = self.artifacts.fetch(self._workload.digest(job))
        assert found is not None
        read_result(found)  # refuses a damaged one, and one of a release that cannot be read
        folder = self.config.folder / job.key
        _link(found, folder)
        self._results[job.key] = folder

    def _attempt(self, job: Job) -> None:
        """Work, from the last checkpoint again if it fails of something that may pass."""
        for left in reversed(range(self.config.sweep.max_failures + 1)):
            try:
                self._run(job)
            except (DistributedIacError, OSError) as error:
                again = left > 0 and may_pass(error)
                self._journal.write("again" if again else "failed", job.key, {"error": str(error)})
                if not again:
                    raise
            else:
                return

    def _run(self, job: Job) -> None:
        digest, settings = self._workload.digest(job), self.config.sweep
        storage = storage_of(self.config.folder, settings.storage)
        folder = self.config.folder / job.key
        checkpoints = JobCheckpoints(f"{storage}/checkpoints/{digest}", folder)
        if self._workload.finished(job) is None:
            self._journal.write("start", job.key)
        interval = CheckpointInterval(settings.checkpoint_seconds, settings.checkpoint_epochs)
        run = JobRun(job, self._workload, checkpoints, interval, time.monotonic)
        try:
            while self._advance(run, job) == "running":
                pass
        finally:  # an interrupt loses nothing but the epoch that it came in
            run.save()

    def _advance(self, run: JobRun, job: Job) -> object:
        row = run.advance()
        self._journal.write_row(job.key, row)
        if row["outcome"] != "reused":
            self._observe(job.key, dict(row), run.epochs)
        return row["outcome"]


def _reserved(config: RunConfig) -> dict[JobKind, Reserved]:
    """What every job has to itself in a process that runs one at a time."""
    gpus = 1.0 if choose_device(config.device).type == "cuda" else 0.0
    all_of_it = Reserved(float(config.threads or torch.get_num_threads()), gpus)
    return dict.fromkeys(get_args(JobKind), all_of_it)


def _link(found: Path, folder: Path) -> None:
    """Show a result's files in the run folder: as links where the file system is the same."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in found.iterdir():
        target = folder / path.name
        target.unlink(missing_ok=True)
        try:
            os.link(path, target)
        except OSError:
            shutil.copyfile(path, target)
