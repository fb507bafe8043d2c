"""The work of a search job: a cell, and how it came to be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from distributed_iac.cell.cost import derived_network_cost
from distributed_iac.files import write_json
from distributed_iac.jobs.job import Job, group_name
from distributed_iac.pruning.discretise import Discretisation
from distributed_iac.run.work.contract import (
    DECISIONS,
    EPOCHS,
    GENOTYPE,
    HISTORY,
    WEIGHTS,
    Row,
    Work,
    require_success,
)
from distributed_iac.training.group import Group
from distributed_iac.training.outputs import write_cell, write_rows, write_weights
from distributed_iac.training.search import SearchStage
from distributed_iac.training.stage import Scalar, StepReport
from distributed_iac.verdict.judge import Judge
from distributed_iac.verdict.report import Report
from distributed_iac.verdict.role import Role
from distributed_iac.verdict.verdict import Verdict


class SearchWork(Work):
    """Searches a cell.

    Without a scheduler the search is stopped by the same rules, as far as they look at one search
    alone: converged, diverged, collapsed, over its budget; a protected arm runs to its end.

    Args:
        group: Data set and backbone.
        job: The job.
        stage: The search.
    """

    stage: SearchStage

    def __init__(self, group: Group, job: Job, stage: SearchStage) -> None:
        self.stage = stage
        self._group, self._job = group, job
        self._warnings = group.warnings  # now: a folder that is moved meanwhile costs nothing
        self._judge = Judge.from_settings(group.config.scheduler)
        self._judge.add(job.key, Role(group=job.group, arm=job.name))
        self._verdict: Verdict | None = None

    def stops(self, report: StepReport) -> bool:
        """Whether the scheduler's rules would stop the search after this report."""
        self._verdict = self._judge.report(self._job.key, Report.read(report.values))
        return self._verdict is not None

    def finish(self, folder: Path, rows: Sequence[Row]) -> Mapping[str, Scalar]:
        """Write the discrete cell, decisions, importance history, epochs and best weights."""
        stage, last = self.stage, rows[-1]
        require_success(stage.ending, "search")
        cell = stage.discretise()
        place = group_name(
            self._job.dataset, self._job.backbone
        )  # which variants use it: no matter
        provenance = {"group": place, "arm": self._job.name, "seed": self._job.seed}
        write_rows(folder / EPOCHS, rows)
        write_cell(folder / GENOTYPE, cell, provenance)
        write_json(folder / DECISIONS, [one.to_dict() for one in stage.decisions])
        write_json(folder / HISTORY, stage.history.to_state())
        write_weights(folder / WEIGHTS, stage.best.state)
        return {
            "val_dice": stage.best.score,
            "best_epoch": stage.best.epoch,
            "stop_code": self._verdict.code if self._verdict else None,
            "stop_reason": self._verdict.sentence if self._verdict else last["reason"],
            "op_evaluations": last["op_evaluations"],
            "full_epochs": last["full_epochs"],
            **self._cell(cell),
            **self._warnings,
        }

    def _cell(self, cell: Discretisation) -> dict[str, Scalar]:
        """What choosing among cells needs to know."""
        backbone, genotype = self.stage.network.backbone, cell.genotype
        size = self._group.store.image_shape[1:]
        cost = derived_network_cost(backbone.taps, genotype, self._group.config.cell, size)
        return {
            "genotype_id": genotype.id,
            "verdict": cell.distinction.verdict,
            "undecided": cell.distinction.undecided,
            "confidence": sum(edge.confidence for edge in cell.kept) / len(cell.kept),
            "discrete_val_dice": self.stage.cut_dice(genotype),
            "cell_parameters": cost.parameters,
            "cell_macs": cost.macs,
        }
