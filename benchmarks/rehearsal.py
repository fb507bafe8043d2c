"""A sweep of scripted jobs, to try out a machine or a cluster without data or GPUs.

::

    python -m benchmarks.rehearsal FOLDER --groups 2 --seconds 0.2

Everything but the training is real: Ray, scheduler, checkpoints, artifacts, journal. Kill what you
like and start it again: at the end every job's checksum over its epochs must be the expected one.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import get_args

from benchmarks.scripted import ScriptedWorkload, checksum
from distributed_iac.config.scheduler import SchedulerSettings
from distributed_iac.config.sweep import KindResources, ResourceSettings, SweepSettings
from distributed_iac.jobs.job import Job, JobKind
from distributed_iac.run.outcome import SweepOutcome
from distributed_iac.tune.sweep import Sweep

EPOCHS: Mapping[JobKind, int] = {"pretrain": 4, "search": 12, "retrain": 4}
CONVERGES = 7
"""Epoch from which on the searches of the arm ``lth`` report that they have converged."""


def rehearsal_jobs(groups: int) -> tuple[Job, ...]:
    """Prepare, pretrain, two searches and their retrainings for each group."""
    return tuple(job for number in range(groups) for job in _group(f"data{number}"))


def expected_checksums(groups: int) -> dict[str, int]:
    """What each job's result has to say if no epoch was lost or counted twice."""
    return {
        job.key: checksum(
            job.key, CONVERGES if job.kind == "search" and job.name == "lth" else _epochs(job)
        )
        for job in rehearsal_jobs(groups)
    }


def rehearsal(
    folder: Path, groups: int, seconds: float, settings: SweepSettings | None = None
) -> Sweep:
    """The sweep.

    Args:
        folder: Run folder; artifacts lie in it as well.
        groups: Data sets.
        seconds: An epoch takes.
        settings: Default: two cores, two jobs on each, a checkpoint every second epoch.
    """
    jobs, artifacts = rehearsal_jobs(groups), str(folder.absolute() / "artifacts")
    searches = [job.key for job in jobs if job.kind == "search" and job.name == "lth"]
    workload = ScriptedWorkload(
        jobs, EPOCHS, artifacts, seconds, converges=dict.fromkeys(searches, CONVERGES)
    )
    return Sweep(workload, folder, artifacts, settings or small_settings(), SchedulerSettings())


def small_settings(address: str | None = None, cpus: float = 0.5) -> SweepSettings:
    """Settings under which a rehearsal fits two cores; ``cpus`` of each job."""
    one = ResourceSettings(cpus=cpus, gpus=0.0)
    return SweepSettings(
        address=address,
        cpus=2 if address is None else None,
        resources=KindResources(**dict.fromkeys(get_args(JobKind), one)),
        checkpoint_epochs=2,
        max_failures=50,
        workers="reused",
    )


def _group(dataset: str) -> tuple[Job, ...]:
    prepare = Job("prepare", dataset)
    pretrain = Job("pretrain", dataset, "net", needs=(prepare.key,))
    jobs = [prepare, pretrain]
    for arm in ("full", "lth"):
        search = Job("search", dataset, "net", arm, 0, (pretrain.key,))
        jobs += [search, Job("retrain", dataset, "net", arm, 0, (pretrain.key, search.key))]
    return tuple(jobs)


def _epochs(job: Job) -> int:
    return EPOCHS.get(job.kind, 1)


def main() -> SweepOutcome:
    """Run a rehearsal from the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--groups", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=0.2, help="an epoch takes")
    parser.add_argument("--address", help="Ray cluster to join")
    given = parser.parse_args()
    settings = small_settings(given.address)
    return rehearsal(given.folder, given.groups, given.seconds, settings).run()


if __name__ == "__main__":
    main()
