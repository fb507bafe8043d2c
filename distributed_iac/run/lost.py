"""Results that a journal calls finished and that are no longer where they were kept.

::

    lost = find_lost(folder.plan(), replay.jobs)
    if lost:
        print(lost.sentence)                # the results of 2 finished jobs are lost: ...
    require_no_less(folder, lost, began)    # before tables are written over

A run that was copied without its results is the common case.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq

from distributed_iac.errors import RunError, first_names
from distributed_iac.files import MALFORMED
from distributed_iac.run.artifacts import Artifacts
from distributed_iac.run.replay import JobHistory
from distributed_iac.run.sweep_folder import SweepPlan
from distributed_iac.transient import patiently

JOBS_TABLE = "jobs.parquet"
SHOWN = 3
"""Jobs that a sentence names."""


@dataclass(frozen=True)
class LostResults:
    """Finished jobs without their results; false if there are none.

    Args:
        keys: The jobs.
        artifacts: Folder or URI where their results are looked for.
    """

    keys: tuple[str, ...]
    artifacts: str

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self.keys)

    def require(self, key: str) -> None:
        """Refuse to go on without the result of a job.

        Raises:
            RunError: It is among the lost ones.
        """
        if key in self.keys:
            raise RunError(
                f"the result of {key} lies in {self.artifacts}, as the run's journal says",
                came="nothing there",
                remedy=self.remedy,
            )

    @property
    def sentence(self) -> str:
        """Which they are, and what helps, in one line."""
        return f"{self.what}; {self.remedy}"

    @property
    def what(self) -> str:
        """Which they are."""
        count = len(self.keys)
        those = (
            "the result of 1 finished job is"
            if count == 1
            else f"the results of {count} finished jobs are"
        )
        return f"{those} lost, not in {self.artifacts}: {first_names(self.keys, SHOWN)}"

    @property
    def remedy(self) -> str:
        """What helps."""
        return (
            f"copy them to {self.artifacts}, or run the same configuration again: it makes what "
            "is missing"
        )


def find_lost(plan: SweepPlan, jobs: Mapping[str, JobHistory]) -> LostResults:
    """Look for the result of every finished job, one small file each.

    Args:
        plan: Of the run.
        jobs: What its journal says of them.

    Raises:
        OSError: The storage cannot be reached.
    """
    artifacts = Artifacts(plan.artifacts)
    keys = (
        key
        for key, one in jobs.items()
        if one.status == "done" and one.digest is not None and one.digest not in artifacts
    )
    return LostResults(tuple(keys), plan.artifacts)


def know_more(folder: Path, lost: LostResults) -> bool:
    """Whether the tables of a run were written when results were there that are lost now.

    Tables of which this cannot be told are taken to know more.
    """
    if not lost or not (folder / JOBS_TABLE).exists():
        return False
    try:
        done = _done_before(folder)
    except (OSError, *MALFORMED):
        return True
    return not done.isdisjoint(lost.keys)


def _done_before(folder: Path) -> set[str]:
    path = folder / JOBS_TABLE
    rows = patiently(lambda: pq.read_table(path, columns=["key", "status"])).to_pylist()
    return {row["key"] for row in rows if row["status"] == "done"}


def require_no_less(folder: Path, lost: LostResults, began: float | None) -> None:
    """Refuse to write tables over others that know more.

    Args:
        folder: Where the tables lie.
        lost: Results that are not there.
        began: Of the run, by its journal; None: that says nothing.

    Raises:
        RunError: They do.
    """
    with contextlib.suppress(OSError, *MALFORMED):  # none, or of which nothing can be told
        if began is None and _done_before(folder):
            raise RunError(
                "tables of a run are written over by others that know as much",
                came="a journal in which nothing has happened, and tables of jobs that were done",
                remedy="copy journal.jsonl again, or run the same configuration again: it finds "
                "what is finished",
                where=folder,
            )
    if know_more(folder, lost):
        raise RunError(
            "tables of a run are written over by others that know as much",
            came=lost.what,
            remedy=f"{lost.remedy}; for a report of what is left, delete {folder / JOBS_TABLE} "
            "and keep a copy of the other tables",
            where=folder,
        )
