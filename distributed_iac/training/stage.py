"""The contract of every training loop: pre-training, search, retraining.

::

    stage = SearchStage(...)
    while not stage.done:
        report = stage.step()              # one epoch
    torch.save(stage.state_dict(), path)

A stage knows neither clock nor scheduler nor terminal: whoever runs it measures time, writes
checkpoints and shows progress. ``run/job_run.py`` runs any stage, with Ray and without.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

Scalar = float | int | str | bool | None


@dataclass(frozen=True)
class StepReport:
    """What one epoch did.

    Args:
        values: Flat, JSON-able scalars under stable names.
        payload: Arrays and objects for dashboards; never needed to continue.
    """

    values: Mapping[str, Scalar]
    payload: Mapping[str, Any] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Scalar:
        return self.values[name]


class Stage(Protocol):
    """A resumable training loop.

    Law, held by one conformance test: save, load into a fresh stage, step equals step, bit for
    bit on a CPU.
    """

    @property
    def done(self) -> bool:
        """Whether the stage has nothing left to do."""

    @property
    def epoch(self) -> int:
        """Epochs finished so far."""

    @property
    def epochs(self) -> int:
        """Epochs after which the stage is done at the latest."""

    def step(self) -> StepReport:
        """Run one epoch.

        Raises:
            RunError: The stage is done, or the epoch could not be finished.
        """

    def state_dict(self) -> dict[str, Any]:
        """Everything that the next step depends on: tensors and plain values only."""

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from :meth:`state_dict` of an equally configured stage."""
