"""What every model cost to come by: searching, retraining, and what was only there to choose from.

::

    table = model_costs(record)         # a row a model: seconds of each, and of the candidate's

``random_search`` is charged with all retrainings that it chose from. What all models share, above
all the pre-training, is left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from distributed_iac.jobs.job import Job
from distributed_iac.jobs.plan import is_rehearsal
from distributed_iac.report.notes import Note
from distributed_iac.report.run_record import RunRecord
from distributed_iac.report.tables import Cell, Table


def model_costs(record: RunRecord) -> Table:
    """A row a group and model that is finished, with at least one seed."""
    seconds: Mapping[str, float] = {row["key"]: row["seconds"] for row in record.job_rows}
    found = [(group, label, _cost(record, jobs, seconds)) for group, label, jobs in _models(record)]
    candidate = record.config.comparison.candidate
    whole = {group: sum(cost[1:]) for group, label, cost in found if label == candidate}
    rows = tuple(_row(group, label, cost, whole.get(group)) for group, label, cost in found)
    columns = (
        "group", "model", "seeds", "seconds of search, a seed", "seconds of retraining, a seed",
        "together", f"of {candidate}'s",
    )  # fmt: skip
    note = Note(
        "search at equal cost: random_search is charged with every retraining that it chose from; "
        "comparison.random_cells sets how many"
    )
    return Table("What every model cost to come by", columns, rows, (note,) if rows else ())


def _models(record: RunRecord) -> Iterator[tuple[str, str, list[Job]]]:
    """Finished models that have a seed, by group and what they are compared as."""
    own = {dataset.name for dataset in record.config.data}
    found: dict[tuple[str, str], list[Job]] = {}
    for job, _ in record.results("retrain", "evaluate"):
        if job.dataset in own and job.seed is not None and not is_rehearsal(job):
            found.setdefault((job.group, job.arm or job.name), []).append(job)
    for (group, label), jobs in found.items():
        yield group, label, jobs


def _cost(
    record: RunRecord, jobs: list[Job], seconds: Mapping[str, float]
) -> tuple[int, float, float]:
    """Seeds, and seconds a seed of searches and of retrainings; what models share counts once."""
    seeds = len({job.seed for job in jobs})
    keys = {key for job in jobs for key in (job.key, *record.graph.ancestors(job.key))}
    searching, training = (
        sum(seconds[key] for key in keys if record.graph[key].kind == kind) / seeds
        for kind in ("search", "retrain")
    )
    return seeds, searching, training


def _row(
    group: str, label: str, cost: tuple[int, float, float], whole: float | None
) -> tuple[Cell, ...]:
    seeds, searching, training = cost
    together = searching + training
    ratio = f"{together / whole:.2f}" if whole else None
    return group, label, seeds, searching, training, together, ratio
