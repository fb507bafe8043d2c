"""The jobs of a configured run: real data, real networks.

::

    workload = RunWorkload(config, artifacts="runs/artifacts")
    work = workload.open(workload.graph["acdc/basic_unet-tiny/pretrain"])
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from distributed_iac.config.dataset import DatasetSettings
from distributed_iac.config.run import RunConfig
from distributed_iac.data.store.manifest import (
    read_manifest,
    require_same_settings,
    require_unchanged,
    verify_files,
)
from distributed_iac.errors import StoreError
from distributed_iac.jobs.graph import JobGraph
from distributed_iac.jobs.job import Job
from distributed_iac.jobs.plan import plan_jobs
from distributed_iac.run.artifacts import Artifacts
from distributed_iac.run.digest import Digests
from distributed_iac.run.result import Result, find_result, keep_result
from distributed_iac.run.work.build import build_work
from distributed_iac.run.work.contract import Work


@dataclass(frozen=True)
class RunWorkload:
    """A run's jobs.

    Args:
        config: The run.
        artifacts: Folder or URI of finished jobs' results, that every node reaches.
    """

    config: RunConfig
    artifacts: str

    @cached_property
    def graph(self) -> JobGraph:
        """All jobs of the run."""
        return plan_jobs(self.config)

    def digest(self, job: Job) -> str:
        """Identity of a job's result."""
        return self._digests[job.key]

    def finished(self, job: Job) -> Result | None:
        """The kept result of a job, from this run or any other.

        A store is no artifact: a kept result only says that it was prepared once.
        """
        if job.kind == "prepare" and not self._is_prepared(job.dataset):
            return None
        return find_result(Artifacts(self.artifacts), self.digest(job))

    def _is_prepared(self, name: str) -> bool:
        """Whether the store is there, whole, and of these settings; if not, its job says why.

        Every byte is read, once a process: whoever drives the run asks first, and a worker only if
        it is handed this job.
        """
        dataset, folder = self._dataset(name), self._store_folder(name)
        try:
            verify_files(folder, read_manifest(folder), "checksums")
            require_same_settings(folder, dataset)
        except StoreError as error:
            if error.retriable:
                raise
            return False
        return True

    def _dataset(self, name: str) -> DatasetSettings:
        (dataset,) = [one for one in self.config.all_data if one.name == name]
        return dataset

    def _store_folder(self, name: str) -> Path:
        return self.config.store_folder(self._dataset(name))

    def open(self, job: Job) -> Work:
        """Open the data and build the networks of a job."""
        return build_work(self.config, job, Artifacts(self.artifacts))

    def keep(self, job: Job, folder: Path, rows: Sequence[Result], final: Result) -> Result:
        """Keep a finished job's files, if what they were made from is still the same.

        Raises:
            StoreError: The store was changed while the job worked.
            CheckpointError: The weights that its backbone was given were.
        """
        if job.kind != "prepare":
            require_unchanged(self._store_folder(job.dataset), self._digests.store(job.dataset))
            self._digests.require_same_backbone(job)
        artifacts = Artifacts(self.artifacts)
        return keep_result(artifacts, job, self.digest(job), folder, rows, final)

    @cached_property
    def _digests(self) -> Digests:
        return Digests(self.config, self.graph)
