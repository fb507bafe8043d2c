"""What a preparation is asked for, and whom it works with.

::

    order = Order(dataset, source, settings, split, cases, ...)
    crew = Crew(work, workers, progress)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from distributed_iac.config.preprocess import PreprocessSettings
from distributed_iac.data.contract import Case, Problem, Source
from distributed_iac.data.prepare.progress import Progress
from distributed_iac.data.prepare.skipped import Skipped
from distributed_iac.data.prepare.work import WorkFolder
from distributed_iac.data.splits.split import Split
from distributed_iac.data.store.identity import content_key
from distributed_iac.data.workers import Workers

Task = TypeVar("Task")
Result = TypeVar("Result")


@dataclass(frozen=True, eq=False)
class Order:
    """A preparation, settled before the first image is opened.

    Args:
        dataset: Name given by the configuration.
        source: The raw data set.
        settings: How it is prepared.
        split: Of its patients.
        cases: To be prepared, in the order of their rows; labelled, each in a part.
        described: For each case what it is and what its files contain.
        identity: Everything that the store's bytes follow from.
        unusable: Cases that the folder structure alone rules out.
        noted: What the folder structure alone warns of.
        unlabelled: Number of cases left out for want of a label.
        folder: Of the store.
    """

    dataset: str
    source: Source
    settings: PreprocessSettings
    split: Split
    cases: tuple[Case, ...]
    described: Mapping[str, Mapping[str, Any]]
    identity: Mapping[str, Any]
    unusable: tuple[Skipped, ...]
    noted: tuple[Problem, ...]
    unlabelled: int
    folder: Path

    @property
    def key(self) -> str:
        """SHA-256 of the identity."""
        return content_key(self.identity)

    def is_training(self, case: Case) -> bool:
        """Whether statistics may be fitted on the case."""
        return case.patient_id in self.split.training

    def is_tested(self, case: Case) -> bool:
        """Whether whole slices of the case are predicted."""
        return self.split.part_of(case.patient_id) == "test"


@dataclass(frozen=True, eq=False)
class Crew:
    """Where a preparation keeps its steps, who does them, and who watches."""

    work: WorkFolder
    workers: Workers
    progress: Progress

    def do(
        self,
        stage: str,
        function: Callable[[Task], tuple[str, Result]],
        tasks: Sequence[Task],
        total: int,
    ) -> Iterator[tuple[str, Result]]:
        """Do what an earlier run has left undone of ``total`` steps.

        Yields:
            Name and result of each step, as they finish.
        """
        self.progress.begin(stage, total, total - len(tasks))
        for name, result in self.workers.map(function, tasks):
            self.progress.advance()
            if isinstance(result, Skipped):
                self.progress.note(f"cannot be used: {result}")
            yield name, result
