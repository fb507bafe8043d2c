"""The one look at the test patients that every finished model gets, and the plain backbone's."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import nn

from distributed_iac.config.backbone import NnUnetSettings
from distributed_iac.data.store import Store, StoredCase
from distributed_iac.errors import RunError
from distributed_iac.evaluation.case_score import CaseScore
from distributed_iac.evaluation.extreme_cases import take_overlays
from distributed_iac.evaluation.overlay_file import OVERLAYS, write_overlays
from distributed_iac.evaluation.pair import MM3_PER_ML
from distributed_iac.evaluation.parity import CAUSES, Parity, hold_parity
from distributed_iac.evaluation.patients_table import ScoredModel, patients_table, write_patients
from distributed_iac.evaluation.score_patients import evaluate_patients
from distributed_iac.files import write_atomically
from distributed_iac.jobs.job import Job
from distributed_iac.nets.nnunet_validation import read_validation
from distributed_iac.run.work.contract import PARITY, PATIENTS, OnceStage, Row, Work
from distributed_iac.training.folds import unseen_in_store
from distributed_iac.training.group import Group
from distributed_iac.training.memory import ONE_SLICE, BatchSplitter
from distributed_iac.training.outputs import write_rows
from distributed_iac.training.score import case_dice, mean_dice
from distributed_iac.training.stage import Scalar
from distributed_iac.training.targets import TargetCoder


def write_test_scores(
    group: Group, job: Job, network: nn.Module, folder: Path
) -> Sequence[CaseScore]:
    """Score a finished model on the test patients, in native geometry.

    Leaves ``patients.parquet``, and its best and worst case as pictures in ``overlays.npz``.

    Returns:
        A row a case and target.
    """
    model = ScoredModel(job.address, job.dataset, job.backbone, job.name, job.arm, job.seed)
    network.to(group.device)
    splitter = BatchSplitter(group.config.evaluation.batch_size, remedy=ONE_SLICE)
    rows: list[CaseScore] = []
    for case in group.store.cases("test"):
        score = partial(_score, group, network, case, splitter)
        rows += splitter.persist(splitter.largest, score)
    write_patients(folder / PATIENTS, patients_table(model, rows))
    write_overlays(folder / OVERLAYS, take_overlays(network, group.store, rows, group.device))
    return rows


def _score(
    group: Group, network: nn.Module, case: StoredCase, splitter: BatchSplitter
) -> list[CaseScore]:
    """Predict and score one case, in batches as small as memory asks for."""
    settings, way = group.config.evaluation, group.inference()
    way = replace(way, batch_size=max(1, way.batch_size // splitter.parts))
    return evaluate_patients(network, group.store, [case], settings, way, group.device)


def val_dice(group: Group, network: nn.Module) -> float:
    """Dice on the ``val`` patients, as training measures it."""
    return mean_dice(_val_cases(group, network))


def write_validation(group: Group, network: nn.Module, path: Path) -> None:
    """Keep the Dice of every ``val`` case and target, whose mean is what training measures."""
    dice = _val_cases(group, network)
    write_rows(
        path,
        [
            {"patient_id": case.patient_id, "case_id": case.case_id, "target": name, "dice": value}
            for case, row in zip(group.store.cases("val"), dice.tolist(), strict=True)
            for name, value in zip(TargetCoder(group.scheme).target_names, row, strict=True)
        ],
    )


def _val_cases(group: Group, network: nn.Module) -> NDArray[np.float64]:
    coder = TargetCoder(group.scheme).to(group.device)
    network.to(group.device).eval()
    size = group.config.evaluation.batch_size
    return case_dice(
        lambda batch: network(batch.images), group.store, "val", coder, group.device, size
    )


class ScoringWork(Work):
    """Scores a network as it is: the plain backbone, or a model on a data set of its past.

    Args:
        group: Data set and backbone.
        job: The job.
        network: Trained.
        told: What else is to be known about it.
    """

    stage: OnceStage

    def __init__(
        self, group: Group, job: Job, network: nn.Module, told: Mapping[str, Scalar] | None = None
    ) -> None:
        self._group, self._job, self._network = group, job, network
        self._told = told or {}
        self.stage = OnceStage(lambda: {"val_dice": val_dice(group, network)})

    def finish(self, folder: Path, rows: Sequence[Row]) -> Mapping[str, Scalar]:
        """Score the test patients; of a network that nnU-Net trained, compare with its own scores.

        Raises:
            ConfigError: The fold was trained on test patients.
            RunError: The network does not score as it did in nnU-Net.
        """
        del rows
        group = self._group
        settings = group.settings
        facts = {**self._told, **(self.stage.facts or {}), **group.warnings}
        facts["mirror"] = " and ".join(group.inference().mirror)
        if isinstance(settings, NnUnetSettings):
            facts["fold_note"] = unseen_in_store(settings, group.dataset, group.store)
        scored = write_test_scores(group, self._job, self._network, folder)
        if isinstance(settings, NnUnetSettings) and self._job.name == "plain":
            facts |= _held_parity(settings, scored, group.store, folder)
        return {"stop_reason": "done", **facts}


def _held_parity(
    settings: NnUnetSettings,
    rows: Sequence[CaseScore],
    store: Store,
    folder: Path,
) -> Mapping[str, Scalar]:
    """Compare, and leave the table in ``parity.csv``.

    Args:
        settings: The backbone.
        rows: Scores of the plain network.
        store: Of the cases.
        folder: For its files.

    Returns:
        What came of it, for tables and report.

    Raises:
        RunError: The scores differ, and ``parity`` is ``require``.
        DataError: What nnU-Net wrote is damaged.
    """
    parity = hold_parity(
        rows,
        {one.name: frozenset(one.values) for one in store.fingerprint.labels.targets},
        {one.case_id: math.prod(one.zooms) / MM3_PER_ML for one in store.cases("test")},
        read_validation(settings.folder, settings.fold),
        tolerance=settings.parity_tolerance,
        checkpoint=settings.checkpoint,
    )
    if parity.verdict == "mismatch" and settings.parity == "require":
        raise _refusal(parity)
    if parity.pairs:
        write_atomically(folder / PARITY, parity.table().encode())
    return {
        "parity": parity.verdict,
        "parity_reason": parity.reason,
        "parity_cases": parity.cases,
        "parity_here": parity.here,
        "parity_nnunet": parity.nnunet,
        "parity_largest": parity.largest,
    }


def _refusal(parity: Parity) -> RunError:
    return RunError(
        f"the plain network must score as it did in nnU-Net: {parity.reason}",
        came=f"the largest differences\n{parity.worst()}",
        remedy=f"{CAUSES}; parity: report on the backbone goes on all the same, and what searches "
        "gain may then be no more than this difference",
    )
