"""The jobs of one group, one after another in this process: pretrain, search, retrain.

::

    chain = Chain(Group.open(config, dataset, backbone), observe)
    result = chain.search("lth", seed=0)            # pre-trains first if it must
    result.genotype, result.folder

Every job has its folder below the run folder, resumes there after a kill, and is not run again
once it is finished::

    runs/NAME/<dataset>/<backbone>/pretrain/
    runs/NAME/<dataset>/<backbone>/<arm>/seed<k>/
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from distributed_iac.config.difference import first_difference
from distributed_iac.config.load import canonical_json, to_plain, to_yaml
from distributed_iac.errors import ConfigError, RunError
from distributed_iac.files import write_atomically, write_json
from distributed_iac.genotype import Genotype
from distributed_iac.importance.history import ImportanceHistory
from distributed_iac.provenance import describe_environment
from distributed_iac.pruning.discretise import Discretisation
from distributed_iac.training.artifacts import (
    read_weights,
    write_cell,
    write_rows,
    write_weights,
)
from distributed_iac.training.group import Group
from distributed_iac.training.local import LocalOutcome, run_locally
from distributed_iac.training.stage import Stage, StepReport

Observe = Callable[[str, dict[str, object], int], None]
"""``(job name, the epoch's values, epochs at the most)``."""

WEIGHTS = "best.safetensors"
CHECKPOINT_EVERY = 5
"""Epochs between checkpoints. Our choice: at most five epochs are lost to a kill."""


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


class Chain:
    """Runs the jobs of a group locally.

    Args:
        group: Data set and backbone.
        observe: Told of every epoch.
        clock: Monotonic seconds.
    """

    def __init__(
        self, group: Group, observe: Observe, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.group = group
        self._observe = observe
        self._clock = clock
        self.folder = group.config.folder / group.dataset.name / group.settings.key
        self._claim_run_folder()

    def _claim_run_folder(self) -> None:
        """Write the run's configuration, or refuse a folder that belongs to another one."""
        root, config = self.group.config.folder, to_plain(self.group.config)
        mark = root / "config.json"
        if mark.exists():
            difference = first_difference(json.loads(mark.read_text(encoding="utf-8")), config)
            if difference is not None:
                raise ConfigError(
                    f"the run folder {root} holds a run of another configuration",
                    came=str(difference),
                    remedy="give this run another name, or delete that folder",
                )
        write_atomically(root / "config.yaml", to_yaml(self.group.config).encode())
        write_json(root / "environment.json", describe_environment())
        write_json(mark, config)

    def pretrained(self) -> dict[str, Tensor]:
        """Weights of the trained backbone: the user's, or from this run's pre-training."""
        if self.group.settings.is_trained:
            return dict(self.group.backbone().state_dict())
        folder = self.folder / "pretrain"
        if not (folder / WEIGHTS).exists():
            stage = self.group.pretrain_stage()
            outcome = self._run(stage, folder, "pretrain")
            _require_success(stage.reason, "pre-training")
            write_rows(folder / "epochs.parquet", outcome.rows)
            write_weights(folder / WEIGHTS, stage.best.state)
        return read_weights(folder / WEIGHTS)

    def search(self, arm: str, seed: int) -> SearchResult:
        """Search with one arm and seed.

        An arm that prunes stops as soon as it has converged; the full arm never converges.

        Raises:
            RunError: The search diverged or ran out of memory before it had any cell.
        """
        backbone = self.group.backbone(self.pretrained())
        stage = self.group.search_stage(backbone, arm, seed)
        folder = self.folder / arm / f"seed{seed}"
        outcome = self._run(
            stage, folder, f"search {arm} seed {seed}", lambda report: bool(report["converged"])
        )
        _require_success(stage.reason, "search")
        cell = stage.discretise()
        provenance = {"group": self.group.name, "arm": arm, "seed": seed}
        write_rows(folder / "epochs.parquet", outcome.rows)
        write_cell(folder / "genotype.json", cell, provenance)
        write_json(folder / "decisions.json", stage.decisions)
        write_json(folder / "history.json", stage.history.to_state())
        reason = str(outcome.rows[-1]["reason"])
        return SearchResult(folder, cell, stage.history, outcome.rows, outcome.seconds, reason)

    def retrain(self, genotype: Genotype, name: str, seed: int) -> Path:
        """Train a discrete cell in the pre-trained backbone.

        Returns:
            File of the best epoch's weights, by val Dice.
        """
        backbone = self.group.backbone(self.pretrained())
        stage = self.group.retrain_stage(backbone, genotype, seed)
        folder = self.folder / f"retrain-{name}" / f"seed{seed}"
        if not (folder / WEIGHTS).exists():
            outcome = self._run(stage, folder, f"retrain {name} seed {seed}")
            _require_success(stage.reason, "retraining")
            write_rows(folder / "epochs.parquet", outcome.rows)
            write_weights(folder / WEIGHTS, stage.best.state)
        return folder / WEIGHTS

    def _run(
        self,
        stage: Stage,
        folder: Path,
        job: str,
        stop_when: Callable[[StepReport], bool] | None = None,
    ) -> LocalOutcome:
        title = f"{self.group.name} {job}"

        def observer(report: StepReport, running: Stage) -> None:
            self._observe(title, dict(report.values), running.epochs)

        return run_locally(
            stage,
            folder,
            identity=f"{title} {canonical_json(self.group.config)}",
            clock=self._clock,
            observer=observer,
            checkpoint_every=CHECKPOINT_EVERY,
            stop_when=stop_when,
        )


def _require_success(reason: str | None, what: str) -> None:
    if reason is not None and reason.startswith(("diverged", "out of memory")):
        raise RunError(f"the {what} ended early: {reason}", remedy=_remedy(reason))


def _remedy(reason: str) -> str:
    if reason.startswith("diverged"):
        return "lower the learning rate; the epochs before are in the run folder's checkpoint"
    return "use a smaller batches.batch_size or patch"
