"""What a sweep needs to know about its jobs, and how it gets their work.

::

    workload.graph.jobs()
    workload.finished(job)              # the result of a job that was done before, or None
    work = workload.open(job)           # opens data, reads what the job needs
    workload.keep(job, folder, rows, work.finish(folder, rows))     # under the job's digest

The Ray side knows jobs only through this contract, so that a sweep of scripted jobs
(``benchmarks/scripted.py``) runs through exactly the code that a real one (``run/run_workload.py``)
runs through. A workload travels to every worker, hence it is small, pickles, and holds no open
files.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from distributed_iac.jobs.graph import JobGraph
from distributed_iac.jobs.job import Job
from distributed_iac.run.result import Result
from distributed_iac.run.work.contract import Work


class Workload(Protocol):
    """The jobs of a sweep."""

    @property
    def graph(self) -> JobGraph:
        """All jobs."""

    def digest(self, job: Job) -> str:
        """Identity of a job's result: equal digest, equal result.

        Raises:
            DistributedIacError: Something that the job needs is not there yet.
        """

    def finished(self, job: Job) -> Result | None:
        """The result of a job that somebody has finished; None if nobody has."""

    def open(self, job: Job) -> Work:
        """Make a job ready to run; everything that it needs is finished."""

    def keep(self, job: Job, folder: Path, rows: Sequence[Result], final: Result) -> Result:
        """Take in what a job leaves behind: whole or not at all.

        Args:
            job: The job.
            folder: Its files.
            rows: Scalars of its epochs.
            final: Scalars about the whole job.

        Returns:
            What :meth:`finished` is going to return.
        """
