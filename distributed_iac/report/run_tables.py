"""Tables of a run beside those of its comparison: data, jobs, searches, cells, models.

::

    for name, table in run_tables(record).items():
        write_atomically(run / "tables" / f"{name}.csv", csv_text(table).encode())
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from distributed_iac.errors import first_names
from distributed_iac.evaluation.patients_summary import SummaryRow, defined_mean, summarise
from distributed_iac.genotype import node_name
from distributed_iac.jobs.progress import JobStatus
from distributed_iac.report.adaptation import adaptation_table
from distributed_iac.report.comparison_tables import paper_tables
from distributed_iac.report.given_table import given_table
from distributed_iac.report.model_costs import model_costs
from distributed_iac.report.notes import Note
from distributed_iac.report.parity_table import parity_table
from distributed_iac.report.retrainings import rate_note, retraining_table
from distributed_iac.report.run_record import FoundCell, RunRecord
from distributed_iac.report.spread_table import spread_table
from distributed_iac.report.tables import Cell, Table
from distributed_iac.report.variants import variant_tables

MOST_NAMES = 4
"""Targets that are named in the table of data sets; the table of scores has them all."""
STATUSES: tuple[JobStatus, ...] = ("done", "running", "waiting", "failed", "skipped")


def run_tables(record: RunRecord) -> dict[str, Table]:
    """All tables for people, by a name that can be a file's."""
    held, given = parity_table(record), given_table(record)
    return {
        "data": data_table(record),
        "jobs": jobs_table(record),
        "unfinished": unfinished_table(record),
        **_compared(record),
        "spread": spread_table(record),
        "adaptation": adaptation_table(record),
        "models": models_table(record),
        "retraining": retraining_table(record),
        "costs": model_costs(record),
        "searches": searches_table(record),
        "selection": selection_table(record),
        "undecided": undecided_table(record),
        **({"parity": held} if held.rows else {}),
        **variant_tables(record),
        **({"given": given} if given.rows else {}),
    }


def _compared(record: RunRecord) -> dict[str, Table]:
    """The tables of the comparison; where models are compared, with their learning rates."""
    tables = paper_tables(record.comparison)
    note = rate_note(record.config)
    said = {
        name: replace(tables[name], notes=(*tables[name].notes, note))
        for name in ("dice", "hd95")
        if tables[name].rows
    }
    return tables | said


def data_table(record: RunRecord) -> Table:
    """Every data set: what was prepared, and who is in the test part."""
    found = {job.dataset: result for job, result in record.results("prepare")}
    rows: list[tuple[Cell, ...]] = []
    for dataset in record.config.all_data:
        sizes = found.get(dataset.name, {})
        scored = [row for row in record.patient_rows if row.dataset == dataset.name]
        tested, targets = {row.patient_id for row in scored}, {row.target for row in scored}
        rows.append(
            (
                dataset.name,
                *(sizes.get(name) for name in ("patients", "cases", "slices", "skipped_cases")),
                len(tested) or None,
                first_names(sorted(targets), MOST_NAMES) or None,
            )
        )
    columns = (
        "data set",
        "patients",
        "cases",
        "slices",
        "skipped cases",
        "test patients",
        "scored targets",
    )
    return Table("Data", columns, tuple(rows))


def jobs_table(record: RunRecord) -> Table:
    """How many jobs of each kind there are, how they stand, what they took."""
    jobs = record.job_rows
    rows = []
    # Seldom, and then what matters most.
    statuses = (*(("lost",) if record.tables.lost else ()), *STATUSES)
    for kind in dict.fromkeys(job["kind"] for job in jobs):
        own = [job for job in jobs if job["kind"] == kind]
        counts = Counter(job["status"] for job in own)
        seconds = sum(job["seconds"] for job in own)
        lost = sum(job["losses"] for job in own)
        rows.append((kind, len(own), *(counts[status] for status in statuses), lost, seconds))
    columns = ("kind", "planned", *statuses, "lost workers", "seconds of work")
    return Table("Jobs", columns, tuple(rows))


def unfinished_table(record: RunRecord) -> Table:
    """Jobs that failed, and those that could not run because of it."""
    rows = tuple(
        (job["key"], job["status"], _first_line(job["error"]))
        for job in record.job_rows
        if job["status"] in ("failed", "skipped")
    )
    return Table("Jobs that failed or were skipped", ("job", "status", "why"), rows)


def searches_table(record: RunRecord) -> Table:
    """Every search, finished or not."""
    found = {one.job.key: one for one in record.searches}
    rows = tuple(
        _search_row(record.graph[job["key"]].group, job, found.get(job["key"]))
        for job in record.job_rows
        if job["kind"] == "search"
    )
    columns = (
        "group", "arm", "seed", "status", "epochs", "seconds", "op evaluations",
        "full epochs", "supernet val Dice", "cell val Dice", "cell", "undecided", "of edges",
        "stopped because",
    )  # fmt: skip
    note = Note(
        "seconds: work in all epochs that count; full epochs: op evaluations in units of an epoch "
        "of the whole supernet; cell val Dice: discrete cell before any retraining",
    )
    return Table("Searches", columns, rows, (note,) if rows else ())


def selection_table(record: RunRecord) -> Table:
    """Which cells were chosen for retraining, and why."""
    rows = tuple(
        (one.group, one.arm, one.seed, slot, pick.genotype.id, pick.dice, pick.reason)
        for one in record.selections
        for slot, pick in enumerate(one.picks, start=1)
    )
    columns = ("group", "arm", "seed", "slot", "cell", "cell val Dice", "why")
    return Table(f"Cells chosen by the rule {record.config.selection.rule}", columns, rows)


def undecided_table(record: RunRecord) -> Table:
    """Kept edges whose operation the search did not tell from another one."""
    rows = tuple(
        (
            one.job.group,
            one.job.name,
            one.job.seed,
            f"{node_name(edge.source, inputs)} to {node_name(edge.target, inputs)}",
            edge.operation,
            edge.closest_rival,
            edge.confidence,
        )
        for one in record.searches
        for edge in one.result.cell.undecided
        for inputs in [one.result.genotype.cells[edge.cell].inputs]
    )
    columns = ("group", "arm", "seed", "edge", "taken", "closest rival", "confidence")
    notes = (Note("confidence 0.5 is the toss of a coin"),) if rows else ()
    return Table("Undecided edges", columns, rows, notes)


def models_table(record: RunRecord) -> Table:
    """Mean patient-level scores of every model, target by target, averaged over seeds."""
    found: dict[tuple[str, str, str], list[SummaryRow]] = {}
    for row in summarise(record.patients):
        if row.phase is None and row.metric in ("dice", "hd95"):
            place = (record.graph[row.model.model].group, row.model.name, row.target)
            found.setdefault(place, []).append(row)
    rows = tuple((*place, *_scores(of_model)) for place, of_model in sorted(found.items()))
    columns = (
        "group",
        "model",
        "target",
        "seeds",
        "test patients",
        "Dice",
        "HD95 (mm)",
        "HD95 undefined",
    )
    note = Note(
        "means over patients, then over seeds, native geometry; a patient's undefined HD95 (a mask "
        "is empty) is left out and counted over all seeds",
    )
    return Table("Scores of every model", columns, rows, (note,) if rows else ())


def _scores(rows: Sequence[SummaryRow]) -> tuple[Cell, ...]:
    dice = [row for row in rows if row.metric == "dice"]
    hd95 = [row for row in rows if row.metric == "hd95"]
    return (
        len({row.model.seed for row in rows} - {None}) or None,
        max(row.patients for row in rows),
        defined_mean(row.mean for row in dice),
        defined_mean(row.mean for row in hd95),
        sum(row.undefined for row in hd95) if hd95 else None,
    )


def _search_row(group: str, job: dict[str, Any], found: FoundCell | None) -> tuple[Cell, ...]:
    return (
        group,
        job["name"],
        job["seed"],
        job["status"],
        job["epochs"],
        job["seconds"],
        None if job["op_evaluations"] is None else int(job["op_evaluations"]),
        job["full_epochs"],
        job["val_dice"],
        None if found is None else found.scalars["discrete_val_dice"],
        job["genotype_id"],
        None if found is None else found.result.cell.distinction.undecided,
        None if found is None else found.result.cell.distinction.kept,
        job["stop_reason"],
    )


def _first_line(text: str | None) -> str | None:
    return text.splitlines()[0] if text else None
