"""How a sweep ended."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from distributed_iac.jobs.progress import JobStatus
from distributed_iac.run.replay import JobHistory


@dataclass(frozen=True)
class SweepOutcome:
    """What became of the jobs.

    Args:
        jobs: Every job, by key.
    """

    jobs: Mapping[str, JobHistory]

    @property
    def counts(self) -> Counter[JobStatus]:
        """Jobs by status."""
        return Counter(one.status for one in self.jobs.values())

    @property
    def unfinished(self) -> tuple[JobHistory, ...]:
        """Jobs that an interrupt left waiting or running; the same sweep continues them."""
        return self._with("waiting", "running")

    @property
    def failed(self) -> tuple[JobHistory, ...]:
        """Jobs that failed; those that need them were skipped."""
        return self._with("failed")

    def _with(self, *statuses: JobStatus) -> tuple[JobHistory, ...]:
        return tuple(one for one in self.jobs.values() if one.status in statuses)
