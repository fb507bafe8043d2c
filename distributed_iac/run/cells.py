"""Finished searches, read back: for choosing among their cells and for looking at one.

::

    candidate_of(folder)                         # for distributed_iac.selection
    selected(folders, config.selection, seed=0).cell()
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from distributed_iac.config.selection import SelectionSettings
from distributed_iac.genotype import Genotype
from distributed_iac.importance.history import ImportanceHistory
from distributed_iac.pruning.discretise import Discretisation
from distributed_iac.run.artifacts import RESULT
from distributed_iac.run.reading import reading
from distributed_iac.run.result import read_result
from distributed_iac.run.work.contract import EPOCHS, GENOTYPE, HISTORY
from distributed_iac.selection.candidate import Candidate
from distributed_iac.selection.select import select
from distributed_iac.selection.selection import Selection
from distributed_iac.transient import patiently
from distributed_iac.verdict.verdict import stored_verdict


@dataclass(frozen=True)
class SearchResult:
    """A finished search.

    Args:
        folder: Where its files lie.
        cell: The discrete cell and what is known about its choices.
        history: Importance of every operation and edge over the epochs.
        rows: One mapping of scalars an epoch.
        seconds: Time spent searching.
        reason: Why it ended.
    """

    folder: Path
    cell: Discretisation
    history: ImportanceHistory
    rows: list[dict[str, Any]]
    seconds: float
    reason: str

    @property
    def genotype(self) -> Genotype:
        """The discrete cell's genotype."""
        return self.cell.genotype

    def describe(self) -> str:
        """A few lines for people."""
        last = self.rows[-1]
        return "\n".join(
            [
                f"genotype {self.genotype.id} after {len(self.rows)} epochs, {self.seconds:.0f} s, "
                f"{last['full_epochs']:.1f} full-epoch equivalents ({self.reason})",
                self.genotype.describe(),
                self.cell.distinction.sentence,
                f"files in {self.folder}",
            ]
        )


def read_search(folder: Path) -> SearchResult:
    """Read the files of a finished search.

    Raises:
        CheckpointError: They are damaged.
    """
    with reading(folder / HISTORY) as path:
        history = ImportanceHistory.from_state(json.loads(patiently(path.read_bytes)))
    with reading(folder / EPOCHS) as path:
        rows = patiently(lambda: pq.read_table(path)).to_pylist()
    result = read_result(folder)
    with reading(folder / RESULT):
        seconds, verdict = result["seconds"], stored_verdict(result)
        reason = str(verdict) if verdict else result["stop_reason"]
    return SearchResult(folder, _read_cell(folder), history, rows, seconds, reason)


def candidate_of(folder: Path) -> Candidate:
    """What choosing among cells needs to know about a finished search.

    Raises:
        CheckpointError: Its files are damaged.
    """
    result, genotype = read_result(folder), _read_cell(folder).genotype
    with reading(folder / RESULT):
        return Candidate(
            result["key"],
            result["arm"],
            result["seed"],
            genotype,
            discrete_val_dice=result["discrete_val_dice"],
            confidence=result["confidence"],
            parameters=result["cell_parameters"],
            cost=result["cell_macs"],
        )


def selected(
    folders: Iterable[Path], settings: SelectionSettings, *, seed: int | None = None
) -> Selection:
    """Choose among the finished searches of one group and arm.

    Args:
        folders: Of the searches.
        settings: The rule.
        seed: Whose retraining this is; only the rule ``each`` asks.
    """
    return select((candidate_of(folder) for folder in folders), settings, seed=seed)


def _read_cell(folder: Path) -> Discretisation:
    with reading(folder / GENOTYPE) as path:
        return Discretisation.from_dict(json.loads(patiently(path.read_bytes)))
