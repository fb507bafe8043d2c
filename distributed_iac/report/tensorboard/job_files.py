"""What a finished job has left behind, as far as it is shown.

::

    kept = read_job_files(artifacts.fetch(digest))
    kept.rows, kept.result["val_dice"], kept.search, kept.patients
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from distributed_iac.comparison.rows import ScoreRow
from distributed_iac.evaluation.overlay_file import OVERLAYS, Overlay, read_overlays
from distributed_iac.evaluation.patients_table import read_patients
from distributed_iac.pruning.decision import PruneDecision
from distributed_iac.run.cells import SearchResult, read_search
from distributed_iac.run.result import read_result
from distributed_iac.run.work.contract import DECISIONS, EPOCHS, HISTORY, PATIENTS
from distributed_iac.transient import patiently


@dataclass(frozen=True)
class JobFiles:
    """A finished job's files, read.

    Args:
        result: Its ``result.json``.
        rows: A mapping an epoch; None for jobs without a table of epochs.
        search: Cell and importance; None unless it is a search.
        decisions: Of a search.
        patients: Scores of the test patients; empty where there are none.
        overlays: Best and worst of the test cases; empty where there are none.
    """

    result: Mapping[str, Any]
    rows: list[dict[str, Any]] | None
    search: SearchResult | None
    decisions: tuple[PruneDecision, ...]
    patients: tuple[ScoreRow, ...]
    overlays: tuple[Overlay, ...]


def read_job_files(folder: Path) -> JobFiles:
    """Read a result's folder.

    Raises:
        CheckpointError: A file is damaged.
    """
    there = {path.name for path in folder.iterdir()}
    decisions = json.loads((folder / DECISIONS).read_text()) if DECISIONS in there else []
    patients = read_patients(folder / PATIENTS).to_pylist() if PATIENTS in there else []
    return JobFiles(
        result=read_result(folder),
        rows=read_rows(folder),
        search=read_search(folder) if HISTORY in there else None,
        decisions=tuple(PruneDecision.from_dict(one) for one in decisions),
        patients=tuple(ScoreRow.from_mapping(row) for row in patients),
        overlays=read_overlays(folder / OVERLAYS) if OVERLAYS in there else (),
    )


def read_rows(folder: Path) -> list[dict[str, Any]] | None:
    """A mapping an epoch; None for jobs without a table of epochs."""
    if not (folder / EPOCHS).exists():
        return None
    rows: list[dict[str, Any]] = patiently(lambda: pq.read_table(folder / EPOCHS)).to_pylist()
    return rows
