"""The contract of every job's work: a stage to run, and what it leaves behind.

::

    work = build_work(config, job, artifacts)           # run/work/build.py
    while not work.stage.done:
        report = work.stage.step()
        if work.stops(report):
            break
    final = work.finish(folder, rows)
    write_result(folder, job, digest, rows, final)

Whoever runs the work (this process, a Ray worker) measures time and keeps checkpoints.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from distributed_iac.errors import RunError
from distributed_iac.training.epochs import FAILURES, Ending, EndingCode
from distributed_iac.training.stage import Scalar, Stage, StepReport

Row = Mapping[str, Scalar]
"""Scalars of one epoch, with ``seconds``, the time spent in it."""

EPOCHS = "epochs.parquet"
WEIGHTS = "best.safetensors"
PATIENTS = "patients.parquet"
VALIDATION = "validation.parquet"
PARITY = "parity.csv"
GENOTYPE = "genotype.json"
DECISIONS = "decisions.json"
HISTORY = "history.json"


class Work(ABC):
    """What a job does.

    Attributes:
        stage: The loop to run.
    """

    stage: Stage

    def stops(self, report: StepReport) -> bool:
        """Whether the job has nothing to gain from going on, though its stage is not done.

        For runners without a scheduler. Reports are those of the stage, with ``total_seconds``
        where the runner knows them. Never, unless a work says otherwise.
        """
        del report
        return False

    @abstractmethod
    def finish(self, folder: Path, rows: Sequence[Row]) -> Mapping[str, Scalar]:
        """Write what the job leaves behind.

        Args:
            folder: Local and empty.
            rows: Scalars of every epoch.

        Returns:
            Flat scalars about the whole job: ``val_dice``, ``stop_reason``, ``genotype_id``...

        Raises:
            RunError: The work failed: it diverged, or ran out of memory.
        """


REMEDIES: Mapping[EndingCode, str] = {
    "diverged": "lower the learning rate; the epochs before are in the job's checkpoint",
    "out_of_memory": "use a smaller batches.batch_size or patch",
}


def require_success(ending: Ending | None, what: str) -> None:
    """Refuse the outcome of a stage that had to give up.

    Args:
        ending: Why the stage ended; None if it was stopped from outside.
        what: The work, for people.

    Raises:
        RunError: It diverged or ran out of memory.
    """
    if ending is not None and ending.code in FAILURES:
        raise RunError(f"the {what} ended early: {ending}", remedy=REMEDIES[ending.code])


class OnceStage:
    """A stage of a single step, for work that is no training.

    Args:
        action: What to do; returns scalars for the report, kept as ``facts``.
    """

    def __init__(self, action: Callable[[], Mapping[str, Scalar]]) -> None:
        self._action = action
        self.facts: dict[str, Scalar] | None = None

    @property
    def done(self) -> bool:
        """Whether the action has been carried out."""
        return self.facts is not None

    @property
    def epoch(self) -> int:
        """Steps done: 0 or 1."""
        return int(self.done)

    @property
    def epochs(self) -> int:
        """Always 1."""
        return 1

    def step(self) -> StepReport:
        """Carry it out."""
        if self.done:
            raise RunError("this stage has but one step", came="a second one")
        self.facts = dict(self._action())
        return StepReport({**self.facts, "epoch": 1, "done": True, "reason": "done"})

    def state_dict(self) -> dict[str, Any]:
        """What the action returned; None if it has not been carried out."""
        return {"facts": self.facts}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from :meth:`state_dict`: an action that was carried out is not repeated."""
        self.facts = state["facts"]
