"""All jobs of a workload, driven to their end by Ray Tune.

::

    sweep = Sweep(workload, folder, artifacts, config.sweep, config.scheduler, device="auto")
    outcome = sweep.run()
    outcome.counts["done"], outcome.failed

Calling it again continues a sweep that was interrupted or killed, driver, workers and nodes alike.
Three layers carry that, each enough for what it has:

* finished jobs are found by what they were made from (``run/artifacts.py``);
* jobs that were running continue from their own checkpoints (``run/checkpoints.py``);
* Tune's snapshot brings back trials, and with them what schedulers know (``tune/experiment.py``).
"""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ray import tune

from distributed_iac.config.scheduler import SchedulerSettings
from distributed_iac.config.sweep import SweepSettings
from distributed_iac.locks import own_command
from distributed_iac.report.tensorboard.live import live_tensorboard
from distributed_iac.run.checkpoints import CheckpointInterval
from distributed_iac.run.collect import refresh_tables
from distributed_iac.run.journal import Journal
from distributed_iac.run.outcome import SweepOutcome
from distributed_iac.run.replay import Replay
from distributed_iac.run.run_folder import storage_of
from distributed_iac.run.storage import absolute
from distributed_iac.run.sweep_folder import SweepFolder, SweepPlan
from distributed_iac.run.workload import Workload
from distributed_iac.transient import may_pass
from distributed_iac.tune.experiment import Experiment, TuneParts
from distributed_iac.tune.journal_keeper import JournalKeeper
from distributed_iac.tune.ray_session import ray_session
from distributed_iac.tune.resources import (
    Capacity,
    Room,
    require_fit,
    reserve,
    search_slots,
    tune_request,
)
from distributed_iac.tune.scheduler import StabilityScheduler, StopReasons
from distributed_iac.tune.searcher import JobSearcher
from distributed_iac.tune.trainable import JobTrainable

LOGGER = logging.getLogger(__name__)
IN_VAIN = 5
"""Times that an experiment is taken up in a row without a report between. Our choice."""


@dataclass(frozen=True)
class Sweep:
    """A sweep.

    Args:
        workload: The jobs.
        folder: Run folder.
        artifacts: Folder or URI of results, for those who read the run folder.
        settings: Resources, storage, failures.
        scheduler: Which searches are stopped.
        device: The run's device; ``cpu`` reserves no GPUs.
    """

    workload: Workload
    folder: Path
    artifacts: str
    settings: SweepSettings
    scheduler: SchedulerSettings
    device: str = "auto"

    def run(self) -> SweepOutcome:
        """Run all jobs that are not finished, and write the tables.

        Raises:
            RunError: Another process drives this run folder, or there is no such cluster.
            ConfigError: A kind of job reserves more than this machine has.
        """
        run = SweepFolder(self.folder)
        with run.claimed():
            searcher = JobSearcher(self.workload)
            if searcher.progress.finished:
                self._describe(run, Capacity(float(os.cpu_count() or 1), 0.0, 0.0))
                self._note_finished(searcher, run.journal)
            else:
                self._drive(run)
            replay = Replay(self.workload.graph)
            replay.follow(run.journal)
            outcome = SweepOutcome(replay.jobs)
            if not outcome.unfinished:
                run.journal.write("close")
            refresh_tables(self.folder)
        return outcome

    def _drive(self, run: SweepFolder) -> None:
        jobs = self.workload.graph.jobs()
        with ray_session(self.settings, len(jobs)) as capacity:
            plan = self._describe(run, capacity)
            room = None  # a cluster may grow
            if self.settings.address is None:
                require_fit(plan.reserved, capacity)
                room = Room(plan.reserved, capacity)
            with live_tensorboard(self.folder):
                experiment = Experiment(
                    storage=f"{self._storage}/ray",
                    results=absolute(self.artifacts),
                    trainable=self._trainable(plan),
                    parts=lambda: self._parts(run.journal, room),
                    max_failures=self.settings.max_failures,
                    workers=self.settings.workers,
                )
                _persist(experiment, Replay(plan.graph), run.journal)

    def _describe(self, run: SweepFolder, capacity: Capacity) -> SweepPlan:
        reserved = reserve(self.settings.resources, capacity, self.device)
        plan = SweepPlan(self.workload.graph, self.artifacts, reserved)
        run.describe(plan)
        return plan

    def _trainable(self, plan: SweepPlan) -> Any:
        kinds = {job.key: job.kind for job in plan.graph.jobs()}
        trainable = tune.with_parameters(
            JobTrainable,
            workload=self.workload,
            checkpoints=f"{self._storage}/checkpoints",
            interval=CheckpointInterval(
                self.settings.checkpoint_seconds, self.settings.checkpoint_epochs
            ),
            home=Path.cwd(),
            command=own_command(),
        )
        return tune.with_resources(trainable, tune_request(plan.reserved, kinds))

    def _parts(self, journal: Journal, room: Room | None) -> TuneParts:
        slots = None if room is None else search_slots(room.reserved, room.capacity)
        searcher = JobSearcher(self.workload, slots=slots, room=room)
        scheduler = StabilityScheduler(self.scheduler)
        return TuneParts(
            searcher,
            scheduler,
            (StopReasons(scheduler), JournalKeeper(journal)),
            begun=lambda: self._note_finished(searcher, journal),
        )

    def _note_finished(self, searcher: JobSearcher, journal: Journal) -> None:
        """Jobs that need not run, because their results are kept already."""
        for job in self.workload.graph.jobs():
            if searcher.progress.status(job.key) == "done":
                journal.write("end", job.key, {"digest": self.workload.digest(job)})

    @property
    def _storage(self) -> str:
        return storage_of(self.folder, self.settings.storage)


def _persist(experiment: Experiment, replay: Replay, journal: Journal) -> None:
    """Run an experiment, and take it up again when storage fails under Tune's own snapshots."""
    replay.follow(journal)
    in_vain = 0
    while True:
        before = replay.reports
        try:
            return experiment.run(journal, replay.opened)
        except Exception as error:  # Tune hands on what storage raises
            replay.follow(journal)
            in_vain = in_vain + 1 if replay.reports == before else 0
            if in_vain == IN_VAIN or not may_pass(error):
                raise
            LOGGER.warning("taking the experiment up again: %s", error)
