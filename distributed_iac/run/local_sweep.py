"""All jobs of a run, one after another in this process: no Ray.

::

    sweep = LocalSweep(config, plan_jobs(config), observe)
    progress = sweep.run()                      # everything; failures skip what needs them
    folder = sweep.result("acdc/basic_unet-tiny/search/lth/seed0")     # one job and its needs
    sweep.conclude()                            # jobs.parquet, epochs.parquet

A job works in ``runs/NAME/<key>/``, where it keeps checkpoints and resumes after a kill. What it
leaves behind goes under its digest into ``<out>/artifacts`` and is linked into that folder; a job
whose result is there already, from whatever run, is not run again. What happened is written
into the run folder's journal as a sweep with Ray writes it, so that status and report read both.
While it works, the run is locked as a sweep with Ray locks it.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import torch

from distributed_iac.config.run import RunConfig
from distributed_iac.errors import DistributedIacError, OccupiedError, RunError
from distributed_iac.jobs.graph import JobGraph
from distributed_iac.jobs.job import Job, JobKind
from distributed_iac.jobs.progress import Progress
from distributed_iac.nets.follow import follow_backbones
from distributed_iac.run.artifacts import Artifacts
from distributed_iac.run.collect import refresh_tables
from distributed_iac.run.digest import Digests
from distributed_iac.run.local import LocalOutcome, forget_checkpoints, run_locally
from distributed_iac.run.result import read_result, write_result
from distributed_iac.run.run_folder import artifacts_of, claim_run_folder
from distributed_iac.run.sweep_folder import Reserved, SweepFolder, SweepPlan
from distributed_iac.run.work.build import build_work
from distributed_iac.run.work.contract import Work
from distributed_iac.training.device import choose_device
from distributed_iac.training.memory import lack_of_memory_named
from distributed_iac.training.stage import Stage, StepReport
from distributed_iac.transient import may_pass

Observe = Callable[[str, dict[str, object], int], None]
"""``(job key, the epoch's values, epochs at the most)``."""

CHECKPOINT_EVERY = 5
"""Epochs between checkpoints. Our choice: at most five epochs are lost to a kill."""


class LocalSweep:
    """Carries out the jobs of a run.

    Args:
        config: The run; its folder is claimed.
        graph: Its jobs, or some of them.
        observe: Told of every epoch.
        clock: Monotonic seconds.

    Raises:
        ConfigError: The run folder holds a run of another configuration.
        OccupiedError: Another process drives the run; of every method as well.
    """

    def __init__(
        self,
        config: RunConfig,
        graph: JobGraph,
        observe: Observe,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        config = follow_backbones(config)
        self.config = config
        self.graph = graph
        self.artifacts = Artifacts(artifacts_of(config))
        self._observe = observe
        self._clock = clock
        self._digests = Digests(config, graph)
        self._results: dict[str, Path] = {}
        self._folder = SweepFolder(config.folder)
        self._journal = self._folder.journal
        with self._folder.claimed():
            claim_run_folder(config)
            self._folder.describe(SweepPlan(graph, str(self.artifacts.root), _reserved(config)))
            self._journal.write("open", values={"experiment": "in one process"})

    def run(self) -> Progress:
        """Carry out everything, in the graph's order.

        A failed job costs the jobs that need it and no others.

        Returns:
            Which jobs are done, failed or skipped, with reasons.
        """
        with self._folder.claimed():
            progress = self._carry_out_all()
            self.conclude()
        return progress

    def _carry_out_all(self) -> Progress:
        progress = Progress(self.graph)
        for job in self.graph.jobs():
            if progress.status(job.key) == "skipped":
                continue
            progress.start(job.key)
            try:
                self._carry_out(job)
            except DistributedIacError as error:
                progress.fail(job.key, str(error))
            else:
                progress.finish(job.key)
        return progress

    def conclude(self) -> None:
        """Note that this process does no more, and write the tables of all jobs so far."""
        with self._folder.claimed():
            self._journal.write("close")
            refresh_tables(self.config.folder)

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
        folder, digest = self.config.folder / job.key, self._digests[job.key]
        # A store is no artifact: it may have been deleted since, and finding it there is quick.
        if job.kind == "prepare" or digest not in self.artifacts:
            self._persist(job, folder, digest)
        found = self.artifacts.fetch(digest)
        assert found is not None
        read_result(found)  # refuses a damaged one, and one of a release that cannot be read
        self._journal.write("end", job.key, {"digest": digest})
        _link(found, folder)
        forget_checkpoints(folder)
        self._results[job.key] = folder

    def _persist(self, job: Job, folder: Path, digest: str) -> None:
        """Work, from the last checkpoint again if it fails of something that may pass."""
        for left in reversed(range(self.config.sweep.max_failures + 1)):
            self._journal.write("start", job.key)
            try:
                self._work(job, folder, digest)
            except (DistributedIacError, OSError) as error:
                again = left > 0 and may_pass(error)
                self._journal.write("again" if again else "failed", job.key, {"error": str(error)})
                if not again:
                    raise
            else:
                return

    @lack_of_memory_named()
    def _work(self, job: Job, folder: Path, digest: str) -> None:
        work = build_work(self.config, job, self.artifacts)
        try:
            outcome = self._run(work, job, folder, digest)
        except OccupiedError as error:
            waits = {"epoch": 0, "note": str(error.came)}
            self._journal.write("report", job.key, waits)
            self._observe(job.key, waits, work.stage.epochs)
            outcome = self._run(work, job, folder, digest)  # which waits
        with tempfile.TemporaryDirectory() as scratch:
            left = Path(scratch)
            try:
                final = work.finish(left, outcome.rows)
            except RunError as error:
                raise RunError(
                    error.message,
                    came=error.came,
                    remedy=f"{error.remedy}; to try again as it is, delete {folder}",
                    where=job.key,
                ) from error
            write_result(left, job, digest, outcome.rows, final)
            self.artifacts.put(digest, left)
        if outcome.rows[-1].get("stopped"):
            code, _, reason = str(final["stop_reason"]).partition(": ")
            self._journal.write("stop", job.key, {"code": code, "reason": reason})

    def _run(self, work: Work, job: Job, folder: Path, digest: str) -> LocalOutcome:
        def observer(report: StepReport, running: Stage) -> None:
            self._journal.write("report", job.key, {**report.values, "digest": digest})
            self._observe(job.key, dict(report.values), running.epochs)

        return run_locally(
            work.stage,
            folder,
            identity=f"{job.key} {digest}",
            clock=self._clock,
            observer=observer,
            checkpoint_every=CHECKPOINT_EVERY,
            stop_when=work.stops,
        )


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
