"""What a finished job took, epoch by epoch, and what it reported: the material of a simulation.

::

    trace = Trace("search", "acdc", "basic_unet", "lth", 0, (3.1, 2.9), planned=30, reports=(a, b))
    traces_from_rows(jobs, epochs, planned={"acdc/...": 30}, closing={"acdc/...": 4.0})

Rows are those of ``jobs.parquet`` and ``epochs.parquet``; what a search reported is read as the
scheduler reads it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from distributed_iac.jobs.job import JobKind
from distributed_iac.verdict.report import Report

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Trace:
    """A finished job as it was recorded.

    Args:
        kind: What it did.
        dataset: The data set's name.
        backbone: The backbone's key; empty for ``prepare``.
        name: The job's name: a search's arm, a retraining's model.
        seed: Its seed; None where seeds share it.
        epoch_seconds: Work in each epoch, at least 0; at least one epoch.
        planned: Epochs that it would have had without stopping early.
        reports: Of each epoch, for searches; empty where nothing may be decided.
        closing: Seconds between opening its data and its kept result that were no epoch's: opening
            the store, scoring test patients, writing. At least 0.
        variant: That it is named after; empty if it is of all.
    """

    kind: JobKind
    dataset: str
    backbone: str
    name: str
    seed: int | None
    epoch_seconds: tuple[float, ...]
    planned: int
    reports: tuple[Report, ...] = ()
    closing: float = 0.0
    variant: str = ""

    def __post_init__(self) -> None:
        assert 1 <= len(self.epoch_seconds) <= self.planned
        assert len(self.reports) in (0, len(self.epoch_seconds))


ENDED = ("done", "lost")
"""What a lost result took was reported while its job ran."""


def traces_from_rows(
    jobs: Iterable[Row],
    epochs: Iterable[Row],
    planned: Mapping[str, int],
    closing: Mapping[str, float],
) -> tuple[Trace, ...]:
    """Read the finished jobs of a run.

    Args:
        jobs: A row a job; those that are not done, or whose result was found and not made, tell
            nothing about time and are left out.
        epochs: A row a job and epoch.
        planned: Epochs of each job at the most, by key, from the run's configuration.
        closing: Seconds by job that were no epoch's; 0 where unknown.
    """
    by_job: defaultdict[str, list[Row]] = defaultdict(list)
    for row in epochs:
        by_job[row["key"]].append(row)
    done = [row for row in jobs if row["status"] in ENDED and _is_timed(by_job[row["key"]])]
    return tuple(
        _trace(row, by_job[row["key"]], planned[row["key"]], closing.get(row["key"], 0.0))
        for row in done
    )


def _is_timed(rows: list[Row]) -> bool:
    return bool(rows) and all(row.get("seconds") is not None for row in rows)


def _trace(job: Row, epochs: list[Row], planned: int, closing: float) -> Trace:
    rows = sorted(epochs, key=lambda row: int(row["epoch"]))
    searched = job["kind"] == "search"
    return Trace(
        kind=job["kind"],
        dataset=job["dataset"],
        backbone=job["backbone"],
        name=job["name"],
        seed=job["seed"],
        epoch_seconds=tuple(float(row["seconds"]) for row in rows),
        planned=max(planned, len(rows)),
        reports=tuple(Report.read(row) for row in rows) if searched else (),
        closing=max(0.0, closing),
        variant=job.get("variant") or "",
    )
