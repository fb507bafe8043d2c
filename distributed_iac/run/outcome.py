"""How a sweep ended."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from distributed_iac.jobs.progress import JobStatus
from distributed_iac.run.standing import Standing


@dataclass(frozen=True)
class SweepOutcome:
    """What became of the jobs.

    Args:
        standings: Every job, by key.
    """

    standings: Mapping[str, Standing]

    @property
    def counts(self) -> Counter[JobStatus]:
        """Jobs by status."""
        return Counter(one.status for one in self.standings.values())

    @property
    def unfinished(self) -> tuple[Standing, ...]:
        """Jobs that an interrupt left waiting or running; the same sweep continues them."""
        return self._with("waiting", "running")

    @property
    def failed(self) -> tuple[Standing, ...]:
        """Jobs that failed; those that need them were skipped."""
        return self._with("failed")

    def _with(self, *statuses: JobStatus) -> tuple[Standing, ...]:
        return tuple(one for one in self.standings.values() if one.status in statuses)
