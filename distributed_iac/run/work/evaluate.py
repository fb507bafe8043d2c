"""The one look at the test patients that every finished model gets, and the plain backbone's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from torch import nn

from distributed_iac.config.backbone import NnUnetSettings
from distributed_iac.data.store import StoredCase
from distributed_iac.evaluation.case_score import CaseScore
from distributed_iac.evaluation.extreme_cases import take_overlays
from distributed_iac.evaluation.overlay_file import OVERLAYS, write_overlays
from distributed_iac.evaluation.patients_table import ScoredModel, patients_table, write_patients
from distributed_iac.evaluation.score_patients import evaluate_patients
from distributed_iac.jobs.job import Job
from distributed_iac.run.work.contract import PATIENTS, Row, Work
from distributed_iac.run.work.nnunet_parity import held_parity
from distributed_iac.run.work.once import OnceStage
from distributed_iac.training.folds import unseen_in_store
from distributed_iac.training.group import Group
from distributed_iac.training.memory import ONE_SLICE, BatchSplitter
from distributed_iac.training.score import validation_dice
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
    model = ScoredModel(job.key, job.dataset, job.backbone, job.name, job.arm, job.seed)
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
    coder = TargetCoder(group.scheme).to(group.device)
    network.to(group.device).eval()
    size = group.config.evaluation.batch_size
    return validation_dice(
        lambda batch: network(batch.images), group.store, "val", coder, group.device, size
    )


class ScoringWork(Work):
    """Scores a network as it is: the plain backbone, or a model on a data set of its past.

    Args:
        group: Data set and backbone.
        job: The job.
        network: Trained.
    """

    stage: OnceStage

    def __init__(self, group: Group, job: Job, network: nn.Module) -> None:
        self._group, self._job, self._network = group, job, network
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
        facts = dict(self.stage.facts or {})
        if group.dataset in group.config.data:
            facts |= group.warnings
        facts["mirror"] = " and ".join(group.inference().mirror)
        if isinstance(settings, NnUnetSettings):
            facts["fold_note"] = unseen_in_store(settings, group.dataset, group.store)
        scored = write_test_scores(group, self._job, self._network, folder)
        if isinstance(settings, NnUnetSettings) and self._job.name == "plain":
            facts |= held_parity(settings, scored, group.store, folder)
        return {"stop_reason": "done", **facts}
