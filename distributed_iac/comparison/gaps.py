"""What a comparison could not look at: unfinished jobs, arms and models that are not there.

::

    gaps(job_rows, patient_rows, settings, labels=("full", "plain"), planned_epochs=200)

A report about half a sweep must say that it is half a sweep.
"""

from __future__ import annotations

from collections.abc import Sequence

from distributed_iac.comparison.rows import JobRow, ScoreRow
from distributed_iac.comparison.speed import cut_short
from distributed_iac.config.comparison import ComparisonSettings
from distributed_iac.errors import first_names


def gaps(
    jobs: Sequence[JobRow],
    patients: Sequence[ScoreRow],
    settings: ComparisonSettings,
    labels: Sequence[str],
    planned_epochs: int,
) -> tuple[str, ...]:
    """Name everything that is missing, one sentence each.

    Args:
        jobs: The jobs table.
        patients: The patients table.
        settings: Which arms are compared.
        labels: What the candidate is compared with.
        planned_epochs: Epochs of a full-length search.
    """
    return (
        *_tables(jobs, patients),
        *_jobs(jobs),
        *_searches(jobs, settings),
        *_denominators(jobs, settings, planned_epochs),
        *_models(patients, settings.candidate, labels),
    )


def _tables(jobs: Sequence[JobRow], patients: Sequence[ScoreRow]) -> list[str]:
    names = (("jobs", jobs), ("patients", patients))
    return [f"the {name} table is empty" for name, rows in names if not rows]


def _jobs(jobs: Sequence[JobRow]) -> list[str]:
    """Every failed job by name, the others by number."""
    found = [
        f"failed: {job.key}" + (f" ({job.error.splitlines()[0]})" if job.error else "")
        for job in jobs
        if job.status == "failed"
    ]
    for status in ("skipped", "running", "waiting"):
        keys = [job.key for job in jobs if job.status == status]
        if keys:
            found.append(f"{status}, {len(keys)} of {len(jobs)} jobs: {first_names(keys, 3)}")
    return found


def _searches(jobs: Sequence[JobRow], settings: ComparisonSettings) -> list[str]:
    """Groups and seeds that only one of the two arms was to search."""
    arms = (settings.candidate, settings.reference)
    planned = {
        arm: {(job.group, job.seed) for job in jobs if job.kind == "search" and job.arm == arm}
        for arm in arms
    }
    found = []
    for arm, other in (arms, arms[::-1]):
        lone = planned[other] - planned[arm]
        if not lone:
            continue
        if not planned[arm]:
            found.append(f"no search of the arm {arm}: nothing to compare {other} with")
        else:
            names = ", ".join(f"{group} seed {seed}" for group, seed in sorted(lone, key=repr))
            found.append(f"no search of the arm {arm} to pair with {other}: {names}")
    return found


def _denominators(
    jobs: Sequence[JobRow], settings: ComparisonSettings, planned_epochs: int
) -> list[str]:
    references = [job for job in jobs if job.kind == "search" and job.arm == settings.reference]
    return [
        f"{job.key} ran {job.epochs:g} of {job.planned or planned_epochs} epochs"
        + (f" ({job.stop_reason})" if job.stop_reason else "")
        + ": cut short, no denominator of a speed-up"
        for job in references
        if job.epochs is not None and job.status == "done" and cut_short(job, planned_epochs)
    ]


def _models(patients: Sequence[ScoreRow], candidate: str, labels: Sequence[str]) -> list[str]:
    """Groups without the candidate; labels that are nowhere, or not in all of its groups."""
    if not patients:
        return []
    groups = {row.group: row for row in patients if row.label == candidate}
    if not groups:
        return [f"no patients were scored with {candidate}: there is nothing to compare"]
    found = []
    without = sorted(
        {
            row.group
            for row in patients
            if not row.is_baseline and not any(one.is_rival_of(row) for one in groups.values())
        }
    )
    if without:
        found.append(
            f"no patients were scored with {candidate} in {', '.join(without)}: not compared there"
        )
    for label in labels:
        rows = [row for row in patients if row.label == label]
        lacking = sorted(
            group for group, own in groups.items() if not any(row.is_rival_of(own) for row in rows)
        )
        if lacking:
            where = "" if len(lacking) == len(groups) else f" in {', '.join(lacking)}"
            found.append(f"no patients were scored with {label}{where}")
    return found
