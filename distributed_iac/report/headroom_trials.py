"""The trainings of a headroom run, read from its kept results.

::

    for trial in read_trials(config, collect_run(config.folder).folders): measure(trial, ...)

Of a result the val Dice is read, and no score of a test patient, which the job that is shared with
the control ``random`` has as well.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from distributed_iac.config.backbone import BackboneSettings
from distributed_iac.config.dataset import DatasetSettings
from distributed_iac.config.run import RunConfig
from distributed_iac.data.store import Store
from distributed_iac.data.store.manifest import MANIFEST
from distributed_iac.genotype import Genotype
from distributed_iac.headroom.measured import Trial
from distributed_iac.importance.arrays import FloatArray
from distributed_iac.jobs.job import Job
from distributed_iac.jobs.plan import headroom_cells
from distributed_iac.jobs.random_cells import log_genotypes
from distributed_iac.run.reading import reading
from distributed_iac.run.result import read_result
from distributed_iac.run.work.contract import VALIDATION
from distributed_iac.transient import patiently


def read_trials(config: RunConfig, folders: Mapping[str, Path]) -> Iterator[Trial]:
    """Every group of a headroom run, finished or not.

    Args:
        config: Of the headroom run.
        folders: Kept files by job key, of the finished jobs.

    Raises:
        CheckpointError: A kept result is damaged.
        StoreError: The store of a data set is damaged.
    """
    for dataset in config.data:
        patients = _test_patients(config.store_folder(dataset))
        for backbone in config.backbones:
            yield _trial(config, dataset, backbone, folders, patients)


def _trial(
    config: RunConfig,
    dataset: DatasetSettings,
    backbone: BackboneSettings,
    folders: Mapping[str, Path],
    test_patients: int,
) -> Trial:
    cells, seeds = headroom_cells(config)
    val_dice = np.full((len(cells), len(seeds)), np.nan)
    found: dict[tuple[int, int], dict[str, float]] = {}
    drawn = 1
    for row, cell in enumerate(cells):
        for column, seed in enumerate(seeds):
            job = Job("retrain", dataset.name, backbone.key, cell.job_name(seed), seed)
            if job.key in folders:
                result = read_result(folders[job.key])
                value = result["val_dice"]
                val_dice[row, column] = math.nan if value is None else value
                drawn = len(Genotype.from_json(result["genotype"]).cells)
                found[row, column] = _by_patient(folders[job.key] / VALIDATION)
    return Trial(
        group=f"{dataset.name}/{backbone.key}",
        cells=tuple(cell.label for cell in cells),
        seeds=seeds,
        val_dice=val_dice,
        by_patient=_stacked(found, val_dice.shape),
        log_genotypes=log_genotypes(config.view(dataset.name).cell.topology, drawn),
        test_patients=test_patients,
        planned_seeds=len(config.seeds),
    )


def _stacked(
    found: Mapping[tuple[int, int], Mapping[str, float]], shape: tuple[int, ...]
) -> FloatArray:
    """(C, S, P); NaN where a training or its patient is missing."""
    patients = sorted({patient for one in found.values() for patient in one})
    values = np.full((*shape, len(patients)), np.nan)
    for place, one in found.items():
        values[place] = [one.get(patient, math.nan) for patient in patients]
    return values


def _by_patient(path: Path) -> dict[str, float]:
    """Mean over targets of the mean over a patient's cases; nothing in older releases' results."""
    if not path.exists():
        return {}
    with reading(path):
        rows = patiently(lambda: pq.read_table(path)).to_pylist()
    by_target: dict[str, dict[str, list[float]]] = {}
    for row in rows:
        if math.isfinite(row["dice"]):
            own = by_target.setdefault(row["patient_id"], {})
            own.setdefault(row["target"], []).append(row["dice"])
    return {
        patient: float(np.mean([np.mean(cases) for cases in targets.values()]))
        for patient, targets in by_target.items()
    }


def _test_patients(store: Path) -> int:
    """How many there are; 0 while nobody knows."""
    if not (store / MANIFEST).exists():
        return 0
    return len({case.patient_id for case in Store.open(store).cases("test")})
