"""Settings of a sweep: where it runs, what each kind of job may use, how it survives failures."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from distributed_iac.config.base import Before, Count, Settings

SCHEMES = ("s3", "gs", "gcs", "hdfs", "abfs", "abfss")
"""Storage that pyarrow, and with it Ray, reaches by a URI."""


def _reachable(place: str) -> str:
    if "://" in place and not re.match(rf"({'|'.join(SCHEMES)})://[^/]", place):
        raise ValueError(
            f"a folder, or a URI that begins with {', '.join(f'{one}://' for one in SCHEMES)} and "
            f"a bucket or host (came {place})"
        )
    return place


Share = Annotated[float, Field(ge=0)]
Storage = Annotated[str, AfterValidator(_reachable)]


class ResourceSettings(Settings):
    """What one job of a kind reserves; Ray starts as many jobs as fit."""

    cpus: Share = 1.0
    """CPU cores; also the threads a job computes with on a CPU, rounded down, at least one."""

    gpus: Share | Literal["auto"] = "auto"
    """GPUs, fractions allowed: 0.5 puts two jobs on one. ``auto``: one where the cluster has GPUs
    and ``device`` is not ``cpu``, else none. A share is bookkeeping: GPU memory is not enforced."""

    memory_gb: Annotated[float, Field(gt=0)] | None = None
    """Main memory in GB (1e9 bytes); None reserves none. ``distributed-iac plan`` measures it."""


class KindResources(Settings):
    """Resources of every kind of job; ``measured`` in their place fits jobs to the GPU."""

    measured: Annotated[bool, Before(False)] = False
    """As many jobs on a GPU as the memory allows that a few batches take, with a margin, at most
    eight: measured by ``plan``, and by ``sweep`` when it begins and the store is prepared. Without
    a GPU it changes nothing. ``resources: measured`` says the same."""

    prepare: ResourceSettings = ResourceSettings(gpus=0.0)
    pretrain: ResourceSettings = ResourceSettings()
    search: ResourceSettings = ResourceSettings()
    retrain: ResourceSettings = ResourceSettings()
    baseline: ResourceSettings = ResourceSettings()
    evaluate: ResourceSettings = ResourceSettings()

    @model_validator(mode="before")
    @classmethod
    def _measured_in_a_word(cls, given: Any) -> Any:
        return {"measured": True} if given == "measured" else given


class SweepSettings(Settings):
    """How the jobs of a run are distributed with Ray.

    Every value is our choice. None of them changes a job's result, so none is part of a job's
    digest: a sweep can be continued with others.
    """

    address: str | None = None
    """Ray cluster to join (``auto``, ``HOST:PORT``); None starts Ray on this machine."""

    cpus: Count | None = None
    """CPU cores that Ray on this machine may use; None: all. Unused when joining a cluster."""

    storage: Storage | None = None
    """Folder or URI (``s3://``, ``gs://``) that all nodes reach, for Ray's experiment and the
    checkpoints, in a folder of its own for every place of a run folder; None: the run folder, which
    then must be on shared storage if there are several nodes."""

    artifacts: Storage | None = None
    """Folder or URI of finished jobs' results, shared between runs; None: ``<out>/artifacts``."""

    resources: KindResources = KindResources()

    checkpoint_epochs: Count | None = None
    """Epochs between checkpoints of a job; None: only ``checkpoint_seconds`` counts."""

    checkpoint_seconds: Annotated[float, Field(ge=0)] = 60.0
    """Seconds of work after which a job writes a checkpoint at the end of the epoch: what a lost
    worker costs at the most, besides the epoch it was in."""

    max_failures: Annotated[int, Field(ge=0)] = 3
    """How often a job is started again after its worker or node died. Preemptions count."""

    snapshot_seconds: Annotated[float, Field(gt=0)] | Literal["auto"] = "auto"
    """Seconds between snapshots of Ray's experiment state; ``auto``: one, and a hundredth of a
    second more for every job, so that thousands of jobs do not keep the driver busy writing."""

    workers: Literal["fresh", "reused"] = "fresh"
    """``fresh``: a process for every job, which takes seconds to start and leaves nothing behind.
    ``reused``: processes go on to the next job that reserves the same, for many short jobs."""

    dashboard: Literal["off", "local"] = "off"
    """Ray's dashboard: ``local`` serves it on 127.0.0.1 only; it has no password."""

    def snapshot_period(self, jobs: int) -> float:
        """Seconds between snapshots for a number of jobs."""
        if self.snapshot_seconds == "auto":
            return 1.0 + jobs / 100.0
        return self.snapshot_seconds
