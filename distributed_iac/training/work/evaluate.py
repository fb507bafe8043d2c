"""The one look at the test patients that every finished model gets, and the plain backbone's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from torch import nn

from distributed_iac.evaluation.overlay import take_overlays
from distributed_iac.evaluation.overlay_file import OVERLAYS, write_overlays
from distributed_iac.evaluation.patients import evaluate_patients
from distributed_iac.evaluation.tables import ScoredModel, patients_table, write_patients
from distributed_iac.jobs.job import Job
from distributed_iac.nets.contract import Backbone
from distributed_iac.training.group import Group
from distributed_iac.training.score import validation_score
from distributed_iac.training.stage import Scalar, StepReport
from distributed_iac.training.targets import TargetCoder
from distributed_iac.training.work.contract import PATIENTS, Row
from distributed_iac.training.work.once import OnceStage


def write_test_scores(group: Group, job: Job, network: nn.Module, folder: Path) -> None:
    """Score a finished model on the test patients, in native geometry.

    Leaves ``patients.parquet``, and its best and worst case as pictures in ``overlays.npz``.
    """
    model = ScoredModel(job.key, job.dataset, job.backbone, job.name, job.arm, job.seed)
    settings = group.config.evaluation
    rows = evaluate_patients(
        network.to(group.device),
        group.store,
        group.store.cases("test"),
        settings,
        batch_size=settings.batch_size,
        device=group.device,
    )
    write_patients(folder / PATIENTS, patients_table(model, rows))
    write_overlays(folder / OVERLAYS, take_overlays(network, group.store, rows, group.device))


def val_dice(group: Group, network: nn.Module) -> float:
    """Dice on the ``val`` patients, as training measures it."""
    coder = TargetCoder(group.scheme).to(group.device)
    network.to(group.device).eval()
    size = group.config.evaluation.batch_size
    return validation_score(
        lambda batch: network(batch.images), group.store, "val", coder, group.device, size
    ).dice


class PlainWork:
    """Scores the trained backbone as it is.

    Args:
        group: Data set and backbone.
        job: The job.
        backbone: Trained.
    """

    def __init__(self, group: Group, job: Job, backbone: Backbone) -> None:
        self._group, self._job, self._backbone = group, job, backbone
        self._warnings = group.warnings
        self.stage = OnceStage(lambda: {"val_dice": val_dice(group, backbone)})

    def stops(self, report: StepReport) -> bool:
        """Never: there is but one step."""
        del report
        return False

    def finish(self, folder: Path, rows: Sequence[Row]) -> Mapping[str, Scalar]:
        """Score the test patients."""
        del rows
        write_test_scores(self._group, self._job, self._backbone, folder)
        return {"stop_reason": "done", **(self.stage.facts or {}), **self._warnings}
