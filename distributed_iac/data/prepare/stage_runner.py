"""What every stage of a preparation works with: the work folder, the workers, the observer.

::

    class Bar:                                   # the command line draws one with rich
        def begin(self, stage, total, done): ...
        def advance(self): ...
        def note(self, text): ...
        def waits(self, holder): ...

    for name, result in StageRunner(work, workers, Bar()).run("survey", function, tasks, total):
        ...

Library code never prints.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from distributed_iac.data.contract import Case
from distributed_iac.data.prepare.work import WorkFolder
from distributed_iac.data.store.case_notes import Skipped
from distributed_iac.data.workers import Workers
from distributed_iac.errors import DataError
from distributed_iac.locks import wait_aloud
from distributed_iac.transient import patiently

Task = TypeVar("Task")
Result = TypeVar("Result")


class PreparationObserver(Protocol):
    """Told how far it is; called from the process that started the work, never concurrently."""

    def begin(self, stage: str, total: int, done: int) -> None:
        """A stage starts; ``done`` of ``total`` were finished by an earlier, interrupted run."""

    def advance(self) -> None:
        """One more is finished."""

    def note(self, text: str) -> None:
        """Something that the user should see now."""

    def waits(self, holder: str) -> None:
        """Another process prepares this store; what this raises ends the waiting for it."""


class SilentObserver:
    """Says nothing, but logs which process it waits for."""

    def begin(self, stage: str, total: int, done: int) -> None:
        """Do nothing."""

    def advance(self) -> None:
        """Do nothing."""

    def note(self, text: str) -> None:
        """Do nothing."""

    def waits(self, holder: str) -> None:
        """Log it."""
        wait_aloud(holder)


def unless_unusable(case: Case, work: Callable[[], Result]) -> Result | Skipped:
    """Do, in a worker, what reads a case.

    An unusable case is a result, not an exception. One that cannot be read for now is neither: a
    store without it would be another store.

    Raises:
        DataError: The case cannot be read for now.
    """
    try:
        return patiently(work)
    except DataError as error:
        if error.retriable:
            raise
        return Skipped.from_error(case.case_id, case.channels[0].path, error)


@dataclass(frozen=True, eq=False)
class StageRunner:
    """Where finished steps are kept, which processes do them, and who is told."""

    work: WorkFolder
    workers: Workers
    observer: PreparationObserver

    def run(
        self,
        stage: str,
        function: Callable[[Task], tuple[str, Result | Skipped]],
        tasks: Sequence[Task],
        total: int,
    ) -> tuple[dict[str, Result], list[Skipped]]:
        """Do what an earlier run has left undone of ``total`` steps.

        Returns:
            Results by name, and the cases that could not be used.
        """
        results: dict[str, Result] = {}
        skipped: list[Skipped] = []
        self.observer.begin(stage, total, total - len(tasks))
        for name, result in self.workers.map(function, tasks):
            self.observer.advance()
            if isinstance(result, Skipped):
                self.observer.note(f"cannot be used: {result}")
                skipped.append(result)
            else:
                results[name] = result
        return results, skipped
