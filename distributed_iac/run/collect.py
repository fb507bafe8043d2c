"""The tables of a sweep, rebuilt from its run folder and its kept results; no Ray.

::

    tables = collect_run(Path("runs/acdc"))
    tables.jobs                         # a row a job
    tables.epochs                       # a row a job and epoch
    tables.folders["acdc/basic_unet/search/lth/seed0"]      # the job's files
    refresh_tables(Path("runs/acdc"))                       # jobs.parquet, epochs.parquet
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from distributed_iac.files import write_atomically
from distributed_iac.run.artifacts import Artifacts
from distributed_iac.run.lost import LostResults, know_more
from distributed_iac.run.reading import reading
from distributed_iac.run.replay import JobHistory, Replay
from distributed_iac.run.result import read_result
from distributed_iac.run.sweep_folder import SweepFolder, SweepPlan
from distributed_iac.run.work.contract import WEIGHTS
from distributed_iac.transient import patiently
from distributed_iac.verdict.verdict import stored_verdict

_TEXT, _NUMBER, _COUNT = pa.string(), pa.float64(), pa.int64()

JOBS_SCHEMA = pa.schema(
    [
        pa.field("key", _TEXT, nullable=False),
        pa.field("kind", _TEXT, nullable=False),
        pa.field("dataset", _TEXT, nullable=False),
        pa.field("backbone", _TEXT, nullable=False),
        pa.field("name", _TEXT, nullable=False),
        pa.field("arm", _TEXT),
        pa.field("seed", _COUNT),
        pa.field("status", _TEXT, nullable=False),
        pa.field("stop_code", _TEXT),
        pa.field("stop_reason", _TEXT),
        pa.field("epochs", _COUNT, nullable=False),
        pa.field("seconds", _NUMBER, nullable=False),
        pa.field("device_seconds", _NUMBER),
        pa.field("op_evaluations", _NUMBER),
        pa.field("full_epochs", _NUMBER),
        pa.field("val_dice", _NUMBER),
        pa.field("genotype_id", _TEXT),
        pa.field("trained_parameters", _COUNT),
        pa.field("rate", _NUMBER),
        pa.field("rate_scores", _TEXT),
        pa.field("digest", _TEXT),
        pa.field("losses", _COUNT, nullable=False),
        pa.field("note", _TEXT),
        pa.field("error", _TEXT),
    ]
)
"""``seconds``: work in all epochs that count. ``device_seconds``: times the share of a GPU that
was reserved; null where there was none. ``rate`` and ``rate_scores``: of a training that tried
several learning rates, as shares of the optimiser's, the one kept and the val Dice of each.
``losses``: how often a worker was lost."""


VARIANT = pa.field("variant", _TEXT)
"""A column that there is where the run has variants, as in a job's key; null: of all of them."""


@dataclass(frozen=True)
class RunTables:
    """Tables of a sweep.

    Args:
        jobs: A row a job, :data:`JOBS_SCHEMA`, and :data:`VARIANT` where the run has any.
        epochs: A row a job and epoch: ``key`` and the epoch's scalars.
        folders: Local folder of the kept files by job key, finished jobs only.
        replay: What the journal says.
        lost: Finished jobs whose kept files are not there; what is said of them is what they had
            reported, under the status ``lost``.
    """

    jobs: pa.Table
    epochs: pa.Table
    folders: Mapping[str, Path]
    replay: Replay
    lost: LostResults


def collect_run(folder: Path) -> RunTables:
    """Read a run folder, at any time, also while the sweep runs or after a crash.

    Args:
        folder: The run folder.

    Raises:
        RunError: It is not one of a sweep, or its journal is damaged.
        CheckpointError: A kept result is damaged.
    """
    run = SweepFolder(folder)
    plan = patiently(run.plan)
    replay = Replay(plan.graph)
    replay.follow(run.journal)
    found = _folders(plan, replay.jobs)
    folders = {key: kept for key, kept in found.items() if kept is not None}
    lost = LostResults(tuple(key for key in found if key not in folders), plan.artifacts)
    jobs, epochs = [], []
    for key, history in replay.jobs.items():
        result = read_result(folders[key]) if key in folders else {}
        rows = _rows(history, folders.get(key))
        status = {"status": "lost"} if key in lost.keys else {}
        jobs.append({**_job_row(history, plan, result, rows), **status})
        epochs += [{"key": key, **row} for row in rows]
    schema = JOBS_SCHEMA
    if any(job.variants for job in plan.graph.jobs()):
        schema = schema.insert(schema.get_field_index("backbone") + 1, VARIANT)
    table = pa.Table.from_pylist(jobs, schema)
    return RunTables(table, _table(epochs), folders, replay, lost)


def refresh_tables(folder: Path) -> LostResults:
    """Write a run's tables, one process at a time: an older state never replaces a newer one.

    Returns:
        Results that are lost, and for whose sake tables that know them were left as they are.

    Raises:
        RunError: As :func:`collect_run`.
        CheckpointError: As :func:`collect_run`.
        OSError: Disk full or folder unwritable.
    """
    with SweepFolder(folder).reporting():
        tables = collect_run(folder)
        if know_more(folder, tables.lost):
            return tables.lost
        write_tables(folder, tables)
    return LostResults((), tables.lost.artifacts)


def write_tables(folder: Path, tables: RunTables) -> None:
    """Write ``jobs.parquet`` and ``epochs.parquet``, each whole or not at all."""
    for name, table in (("jobs", tables.jobs), ("epochs", tables.epochs)):
        buffer = io.BytesIO()
        pq.write_table(table, buffer)
        write_atomically(folder / f"{name}.parquet", buffer.getvalue())


def _folders(plan: SweepPlan, jobs: Mapping[str, JobHistory]) -> dict[str, Path | None]:
    """Kept files of every finished job; None where they are lost."""
    artifacts = Artifacts(plan.artifacts)
    return {
        key: artifacts.fetch(history.digest, without=(WEIGHTS,))
        for key, history in jobs.items()
        if history.status == "done" and history.digest is not None
    }


def _rows(history: JobHistory, folder: Path | None) -> list[dict[str, Any]]:
    """Epochs as the finished job kept them, else as they were reported."""
    kept = None if folder is None else folder / "epochs.parquet"
    if kept is not None and kept.exists():
        with reading(kept):
            rows: list[dict[str, Any]] = patiently(lambda: pq.read_table(kept)).to_pylist()
        return rows
    return [
        {name: value for name, value in epoch.values.items() if name not in _ABOUT_JOB}
        for epoch in history.dated_epochs()
    ]


NOT_FINITE = ("nan", "inf", "-inf")
"""What JSON cannot hold, as the journal keeps it."""
_ABOUT_JOB = frozenset({"digest", "note", "outcome", "epochs_planned"})
"""What a report says of its job rather than of its epoch."""


def _job_row(
    history: JobHistory, plan: SweepPlan, result: Mapping[str, Any], rows: list[dict[str, Any]]
) -> dict[str, Any]:
    known = {**(rows[-1] if rows else {}), **result}
    seconds = sum(float(row.get("seconds") or 0.0) for row in rows)
    code, reason = _why(history, known)
    return {
        **history.job.columns(),
        "key": history.job.key,
        "variant": history.job.variant or None,
        "status": history.status,
        "stop_code": code,
        "stop_reason": reason,
        "epochs": len(rows),
        "seconds": seconds,
        "device_seconds": plan.reserved[history.job.kind].device_seconds(seconds),
        "op_evaluations": _number(known.get("op_evaluations")),
        "full_epochs": _number(known.get("full_epochs")),
        "val_dice": _number(known.get("val_dice")),
        "genotype_id": known.get("genotype_id"),
        "trained_parameters": known.get("trained_parameters"),
        "rate": _number(result.get("rate")),
        "rate_scores": result.get("rate_scores"),
        "digest": history.digest,
        "losses": history.losses,
        "note": history.note,
        "error": history.error,
    }


def _why(history: JobHistory, known: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """Why it was stopped: as the journal heard, else as its result says.

    The journal did not hear of it where the result was found, kept by another sweep or by a worker
    whose driver was killed before it took the report.
    """
    if history.stop_code is not None:
        return history.stop_code, history.stop_reason
    if verdict := stored_verdict(known):
        return verdict.code, verdict.sentence
    return None, history.stop_reason or known.get("reason")


def _number(value: Any) -> float | None:
    """A number, also one that JSON could not hold (``nan``)."""
    return None if value is None else float(value)


def _table(rows: list[dict[str, Any]]) -> pa.Table:
    """A column for every name; what holds both numbers and text becomes text."""
    names = list(dict.fromkeys(name for row in rows for name in row)) or ["key"]
    return pa.table({name: _column([row.get(name) for row in rows]) for name in names})


def _column(values: list[Any]) -> pa.Array:
    if any(type(value) in (int, float) for value in values):  # the journal's text for no number
        values = [float(value) if value in NOT_FINITE else value for value in values]
    kinds = {type(value) for value in values if value is not None}
    if kinds <= {int, float} and len(kinds) == 2:
        return pa.array([_number(value) for value in values], _NUMBER)
    if len(kinds) > 1:
        values = [
            None if value is None else value if isinstance(value, str) else json.dumps(value)
            for value in values
        ]
    return pa.array(values)
