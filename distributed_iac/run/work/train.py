"""The work of the jobs that train a network on labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from distributed_iac.jobs.job import Job
from distributed_iac.nets.freeze import trainable
from distributed_iac.run.work.contract import (
    EPOCHS,
    VALIDATION,
    WEIGHTS,
    OnceStage,
    Row,
    Work,
    require_success,
)
from distributed_iac.run.work.evaluate import write_test_scores, write_validation
from distributed_iac.training.group import Group
from distributed_iac.training.outputs import write_rows, write_weights
from distributed_iac.training.rates import RatesStage
from distributed_iac.training.stage import Scalar
from distributed_iac.training.supervised import SupervisedStage

TestPatients = Literal["scored", "unseen"]

NAMES = {"pretrain": "pre-training", "retrain": "retraining", "baseline": "training"}


class TrainingWork(Work):
    """Trains a network, keeps its best epoch, and scores that on the test patients if asked to.

    Args:
        group: Data set and network.
        job: The job.
        stage: The training, with one learning rate or with several in turn.
        test: ``scored`` where the network is a result, ``unseen`` where others build upon it or
            choose from several: the test patients are for final models only.
        facts: What else is to be known about the job.
    """

    stage: SupervisedStage | RatesStage

    def __init__(
        self,
        group: Group,
        job: Job,
        stage: SupervisedStage | RatesStage,
        test: TestPatients,
        facts: Mapping[str, Scalar] | None = None,
    ) -> None:
        self.stage = stage
        self._group, self._job = group, job
        self._test, self._facts = test, facts or {}

    def finish(self, folder: Path, rows: Sequence[Row]) -> Mapping[str, Scalar]:
        """Write epochs and the best epoch's weights; score them."""
        stage = self.stage
        require_success(stage.ending, NAMES[self._job.kind])
        write_rows(folder / EPOCHS, rows)
        write_weights(folder / WEIGHTS, stage.best.state)
        stage.network.load_state_dict(stage.best.state)
        if self._job.kind == "retrain":
            write_validation(self._group, stage.network, folder / VALIDATION)
        if self._test == "scored":
            write_test_scores(self._group, self._job, stage.network, folder)
        facts = {"trained_parameters": trainable(stage.network), **self._facts}
        if isinstance(stage, RatesStage):
            facts |= {"rate": stage.rate, "rate_scores": stage.scores}
        return {
            "val_dice": stage.best.score,
            "best_epoch": stage.best.epoch,
            "stop_reason": stage.reason,
            **facts,
        }


class NothingWork(Work):
    """A retraining whose cell does not exist: its rule picked fewer cells than it might have.

    Args:
        reason: Why, for tables.
    """

    stage: OnceStage

    def __init__(self, reason: str) -> None:
        self._reason = reason
        self.stage = OnceStage(dict)

    def finish(self, folder: Path, rows: Sequence[Row]) -> Mapping[str, Scalar]:
        """Say that there was nothing to do."""
        del folder, rows
        return {"stop_reason": self._reason, "val_dice": None, "genotype_id": None}
